"""amlemu as a user runs it: a program with a home and ports of its own, words in, text and exit code out."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
from command_forks import CommandForks

from emulator.client.client import Client
from emulator.config.admin_token import read_admin_token

AMLEMU = (sys.executable, "-m", "emulator")
PORTS = range(20000, 28000)
_PORTS_OF_AN_EMULATOR = 32
_SECONDS = 280.0
_FORKS = CommandForks()
atexit.register(_FORKS.close)

Environ = dict[str, str]
"""The variables of a shell in which amlemu is run."""


def free_ports(count: int = _PORTS_OF_AN_EMULATOR) -> range:
    """Ports in a row on which nothing listens.

    Two runs of the tests begin their search at different places; processes of one run (pytest-xdist) have ports of
    their own, because nothing listens yet on what another has just been given.
    """
    ours = _ports_of_this_worker()
    blocks = len(ours) // count
    for number in range(blocks):
        first = ours.start + (os.getpid() + number) % blocks * count
        ports = range(first, first + count)
        if all(map(_is_free, ports)):
            return ports
    raise AssertionError(f"no {count} free ports in {PORTS}")


def _ports_of_this_worker() -> range:
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = len(PORTS) // workers
    return PORTS[worker * share : (worker + 1) * share]


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def new_environ(home: Path, engine: str = "process", **more: str) -> Environ:
    """A shell for the emulator of `home`, without a word of what this shell says about amlemu."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AMLEMU_")}
    ports = free_ports()
    return {
        **inherited,
        "AMLEMU_HOME": str(home),
        "AMLEMU_ENGINE": engine,
        "AMLEMU_PORT": str(ports[0]),
        "AMLEMU_GATEWAY_PORT": str(ports[1]),
        "AMLEMU_ENDPOINT_PORTS": f"{ports[2]}-{ports[-1]}",
        **more,
    }


@contextmanager
def temporary_environ(engine: str = "process", **more: str) -> Iterator[Environ]:
    """A shell with an empty home; whatever runs of it ends with the context, and the home goes."""
    with tempfile.TemporaryDirectory(prefix="amlemu-test-", ignore_cleanup_errors=True) as folder:
        # What a killed emulator leaves among the temporary files goes with the home.
        environ = new_environ(Path(folder, "home"), engine, TMPDIR=folder, **more)
        try:
            yield environ
        finally:
            end(environ)


def end(environ: Environ) -> None:
    """Delete what is deployed, also what an emulator that was killed has left running, and stop the emulator."""
    if any(Path(environ["AMLEMU_HOME"]).glob("endpoints/*")):
        amlemu(environ, "delete", "--all", "--yes", code=None)
    amlemu(environ, "down", code=None)


def amlemu(
    environ: Mapping[str, str],
    *words: str | Path,
    code: int | None = 0,
    cwd: Path | None = None,
    stdin: str | None = None,
    program: Sequence[str | Path] = AMLEMU,
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; it must end with exit code `code`, None for any, and never show a traceback."""
    folder = cwd or Path(environ.get("AMLEMU_HOME") or environ["XDG_DATA_HOME"]).parent
    if program == AMLEMU and _FORKS.can_run(environ):
        done = _FORKS.run([str(word) for word in words], environ, folder, stdin, _SECONDS)
    else:
        done = subprocess.run(
            [*program, *words],
            env=environ,
            cwd=folder,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    told = f"amlemu {' '.join(map(str, words))} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert code in (None, done.returncode), told
    assert not shows_traceback(done.stderr), told
    return done


def token_of(environ: Mapping[str, str]) -> str:
    """What opens the control API of that shell's emulator."""
    return environ.get("AMLEMU_TOKEN") or read_admin_token(Path(environ["AMLEMU_HOME"]))


def client_of(environ: Mapping[str, str]) -> Client:
    """A client of that shell's emulator, which has been started."""
    return Client(f"http://127.0.0.1:{environ['AMLEMU_PORT']}", token_of(environ))


def metrics_of(environ: Mapping[str, str]) -> str:
    """The page for Prometheus of that shell's emulator."""
    url = f"http://127.0.0.1:{environ['AMLEMU_PORT']}/_amlemu/metrics"
    answer = requests.get(url, headers={"Authorization": f"Bearer {token_of(environ)}"}, timeout=10)
    assert answer.ok, answer.text
    return answer.text


def shows_traceback(text: str) -> bool:
    """Whether a program died of its own bug: the lines of a container's log, which are indented, do not count."""
    return any(line.startswith("Traceback (most recent call last)") for line in text.splitlines())


def json_of(environ: Mapping[str, str], *words: str | Path, cwd: Path | None = None) -> Any:
    """What a command prints with `-o json`."""
    return json.loads(amlemu(environ, *words, "-o", "json", cwd=cwd).stdout)


@contextmanager
def running(
    environ: Mapping[str, str], *words: str | Path, cwd: Path | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A command that goes on, and the file with all that it says; killed at the end if it is still there."""
    with tempfile.NamedTemporaryFile(prefix="amlemu-said-") as said:
        process = subprocess.Popen(
            [*AMLEMU, *words],
            env=environ,
            cwd=cwd or Path(environ.get("AMLEMU_HOME") or environ["XDG_DATA_HOME"]).parent,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process, Path(said.name)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()


def until(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """Wait for something to become true and return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)
    return found


def until_said(said: Path, text: str, seconds: float = 60.0) -> None:
    """Wait until a running command has said `text`."""
    deadline = time.monotonic() + seconds
    while text not in (so_far := said.read_text()):
        assert time.monotonic() < deadline, f"not said within {seconds:.0f} s: {text!r}; said: {so_far}"
        time.sleep(0.05)
