"""Make BuildKit's plain log readable, mask its secrets, and derive the error of a failed build.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emulator.engines import Log
from emulator.engines.docker.errors import disk_full, is_disk_full
from emulator.environments.build_tools import tool_failure
from emulator.environments.hash_pins import hash_failure
from emulator.environments.import_check import import_failure
from emulator.errors import EmulatorError, EngineUnavailable, ImageBuildFailure
from emulator.secret import credentials_in, without_words

TAIL_LINES = 40

# `#7 12.34 text` is a program's output, `#7 [stage 2/3] RUN …` a step, `#7 DONE 0.1s` its end.
_OUTPUT = re.compile(r"#\d+ \d+\.\d+ ?(?P<text>.*)")
_STEP = re.compile(r"#\d+ \[[^\]]*\] (?P<text>(FROM|RUN|COPY|USER|WORKDIR) .*)")
_STEP_LENGTH = 100
# The steps of our own Dockerfile in words.
_IN_WORDS = {
    "packages/requirements.lock": "installing and compiling the Python packages",
    "packages/check_imports.py": "importing what the requirements name",
    "apt-get": "installing the Debian packages",
    "conda/ ": "copying the conda packages",
    "exporting to image": "exporting the image",
}


class BuildLog:
    """Takes BuildKit's lines and passes on what a person wants to see; `lines` keeps them for the error."""

    def __init__(self, log: Log, variables: Iterable[str], words: Iterable[str] = ()) -> None:
        """The credentials in values of `variables`, and `words`, are secret."""
        self._log = log
        self._secrets = (*credentials_in(variables), *words)
        self._in_summary = False
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        """One line of `docker build --progress=plain`."""
        # What follows this line repeats the failed step, its log and the Dockerfile around it.
        self._in_summary = self._in_summary or line.startswith("------")
        text = self._readable(line)
        if text is not None:
            text = without_words(text, self._secrets)
            self.lines.append(text)
            self._log(text)

    def _readable(self, line: str) -> str | None:
        output = _OUTPUT.fullmatch(line)
        if output:
            return output["text"]
        step = _STEP.fullmatch(line)
        if step or line.endswith("exporting to image"):
            for part, words in _IN_WORDS.items():
                if part in line:
                    return words
        if step:
            text = " ".join(step["text"].split())
            text = re.sub(r"--mount=\S+ ", "", text)
            return text if len(text) <= _STEP_LENGTH else text[: _STEP_LENGTH - 2] + " …"
        if line.lower().startswith(("error:", "error ")):
            return line
        return None if line.startswith("#") or self._in_summary or not line.strip() else line


_ENGINE_GONE = re.compile(
    r"Cannot connect to the Docker daemon|error reading from server: EOF|connection reset|closing transport"
    r"|transport is closing|graceful_stop|error during connect|use of closed network connection|code = Unavailable"
)


@dataclass(frozen=True)
class _Cause:
    """How a tool says why it failed, and what to tell the user; `{name}` is what the pattern found."""

    pattern: re.Pattern[str]
    message: str
    hint: str


# In this order: a package that cannot be built because the network is down is the network's fault.
_CAUSES = (
    _Cause(
        re.compile(r"Because (?P<name>\S+) was not found in the (package registry|provided package locations)"),
        "there is no package '{name}' in the package index",
        "check its spelling",
    ),
    _Cause(
        re.compile(r"Because there is no version of (?P<name>\S+)"),
        "there is no version {name} that fits",
        "check the version and the Python version",
    ),
    _Cause(
        re.compile(r"No interpreter found for Python (?P<name>[\d.]+)"),
        "the base image has no Python {name}",
        "name a base image that has it, or let the build reach github.com, from which uv gets Pythons",
    ),
    _Cause(
        re.compile(r"(?P<name>apt-get): not found"),
        "system packages cannot be installed: the base image has no {name}",
        "name a Debian or Ubuntu image",
    ),
    _Cause(
        re.compile(r"E: (Unable to locate package|Package '?)\s*(?P<name>[\w.+-]+)"),
        "there is no Debian package '{name}' for this base image",
        "check its spelling",
    ),
    _Cause(
        re.compile(r"(?P<name>dns error|[Cc]onnection refused|timed out|error sending request|peer certificate)"),
        "a package could not be downloaded: its index does not answer ({name})",
        "check the network, the proxy and the index URL; what was installed once is taken from the cache",
    ),
    _Cause(
        re.compile(r"Failed to (build|download|fetch|install)[^`]*`(?P<name>[^`]+)`"),
        "package {name} could not be installed",
        "the log says why",
    ),
)


_TOOLS_HINT = (
    "name a version that has a wheel for this Python, or a base image that has a compiler and git; without a network"
    " for Debian's packages, which they come from, they cannot be installed"
)


def build_failure(lines: Sequence[str]) -> EmulatorError:
    """Return the error that these lines of a failed build tell of, with their last ones as its log."""
    tail = "\n".join(lines[-TAIL_LINES:])
    flat = " ".join(tail.replace("╰─▶", " ").replace("│", " ").split())
    if is_disk_full(flat):
        return disk_full(_telling_line(lines))
    told = hash_failure(lines) or import_failure(lines) or tool_failure(flat, "in the base image", _TOOLS_HINT, tail)
    if told:
        return told
    last = lines[-1] if lines else "docker build gave no reason"
    if _ENGINE_GONE.search(last):
        return EngineUnavailable(f"the Docker Engine went away during the build: {last}", hint="start Docker again")
    for cause in _CAUSES:
        if found := cause.pattern.search(flat):
            return ImageBuildFailure(cause.message.format(name=found["name"]), hint=cause.hint, log_tail=tail)
    return ImageBuildFailure(f"the build failed: {_telling_line(lines)}", log_tail=tail)


def _telling_line(lines: Sequence[str]) -> str:
    """uv's or apt's own first line of complaint; BuildKit's, which repeats the whole step, only when there is none."""
    own = [line.strip() for line in lines if re.match(r"\s*(\u00d7|error:|E:)", line, re.I)]
    buildkit = ("error: failed to solve", "error: executor failed", "error: process")
    telling = [line for line in own if not line.lower().startswith(buildkit)]
    chosen = (telling or own or list(lines[-1:]) or ["no output"])[0]
    return chosen.removeprefix("\u00d7 ").strip()
