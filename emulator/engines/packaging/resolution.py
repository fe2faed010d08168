"""Resolve requirements to a lock, choosing as pip does: the exact version of every package, with dependencies."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from packaging.requirements import InvalidRequirement, Requirement

from emulator.difference import Difference, texts
from emulator.engines import Log
from emulator.engines.packaging.indexes import (
    UnreadableIndex,
    index_urls,
    machine_index_urls,
    unreadable_index,
    unreadable_reason,
    without_index,
)
from emulator.engines.packaging.python_packages import HostPackaging, run_uv
from emulator.engines.packaging.refusing_python import has_refused, refusing_python
from emulator.environments import ImageSpec, check_requirement
from emulator.environments.hash_pins import (
    REQUIRE_HASHES,
    check_all_pinned,
    hashes_of,
    pinned,
    wants_hashes,
    without_hashes,
)
from emulator.environments.import_check import names_of
from emulator.environments.near_names import near_package
from emulator.errors import ImageBuildFailure
from emulator.secret import mask_credentials
from emulator.system.removal import temporary_folder

_TAIL_LINES = 40
_OPTION = re.compile(r"\s*-")
_EDITABLE = re.compile(r"\s*(-e|--editable)\b")


@dataclass(frozen=True)
class CondaContext:
    """What conda has installed before pip comes, as requirements.

    `fixed` are the user's own conditions, which must hold; `preferred` the installed versions, which pip keeps where
    nothing speaks against it.
    """

    python_version: str
    fixed: tuple[str, ...]
    preferred: tuple[str, ...]


Resolve = Callable[[Sequence[str], Mapping[str, str]], "subprocess.CompletedProcess[str]"]
"""Runs uv in isolation, where code of packages may run, with those arguments in a folder with those files.

It may raise what a build raises.  Its answer is untrusted: the packages' code could have written it.
"""


@dataclass(frozen=True)
class Lock:
    """The text of requirements.lock, and where it departs from what the requirements say."""

    text: str
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class _Resolved:
    """The locked packages, a line each, of the requirement `lines` that could be used."""

    locked: list[str]
    lines: list[str]
    passed_over: tuple[UnreadableIndex, ...]


def lock_requirements(
    spec: ImageSpec,
    packaging: HostPackaging,
    log: Log,
    canceled: threading.Event,
    resolve_isolated: Resolve,
    *,
    python_platform: str | None = None,
    beside: CondaContext | None = None,
) -> Lock:
    """Return every package with its exact version, dependencies included.

    As for pip, an index of the requirements that cannot be read is passed over, and told of.  Nothing that a package
    brings is executed here, and git is not run: what cannot be resolved from metadata of an index alone is resolved by
    `resolve_isolated`.

    `python_platform` is uv's name of the platform that it is for, None for this machine's own; `beside` is what conda
    installs before.  Raises ImageBuildFailure with the resolver's chain of reasons, so that a conflict is seen before
    anything is built, and OperationCanceled.
    """
    beside = beside or CondaContext(spec.python_version, (), ())
    requirements = [line for line in spec.requirements if line != REQUIRE_HASHES]

    ask = functools.partial(
        _compile, packaging=packaging, log=log, canceled=canceled, resolve_isolated=resolve_isolated
    )
    look = functools.partial(_unreadable_indexes, packaging=packaging, canceled=canceled)
    resolved = _resolve(requirements, beside, python_platform, ask, look)
    locked = pinned(resolved.locked, requirements)
    if wants_hashes(spec.requirements):
        own = [line for line in resolved.lines if hashes_of(line) or _OPTION.match(line)]
        added = [line for line in resolved.lines if line not in own]
        # What only amlemu's own additions depend on is not the user's to pin.
        theirs = _resolve(own, beside, python_platform, ask, look).locked if added else locked
        check_all_pinned(pinned(theirs, requirements), [*names_of(added), *names_of(beside.preferred)])
    differences = tuple(index.difference for index in resolved.passed_over)
    for told in (*texts(differences), f"resolved {len(locked)} packages for Python {beside.python_version}"):
        log(told)
    # The resolver drops the options of the requirements file; the installer needs its indexes again.
    options = [line for line in resolved.lines if _OPTION.match(line)]
    options += [f"--find-links {page}" for page in packaging.link_pages]
    return Lock("\n".join(options + locked) + "\n", differences)


Look = Callable[[Sequence[str], str, bool], "tuple[UnreadableIndex, ...]"]
"""Asks the indexes of requirement lines and, if wanted, those of this machine that stand beside them for a package."""


def _resolve(
    requirements: Sequence[str],
    beside: CondaContext,
    python_platform: str | None,
    compile_question: Callable[[_Question], subprocess.CompletedProcess[str]],
    look: Look,
) -> _Resolved:
    fixed, lines = list(beside.fixed), list(requirements)
    passed_over: list[UnreadableIndex] = []
    while True:
        result = compile_question(_question(lines, fixed, beside, python_platform))
        if result.returncode == 0:
            locked = [_checked(line) for line in result.stdout.splitlines() if line and not _OPTION.match(line)]
            # What asks for a login is passed over by the resolver in silence.
            asked = next(iter(names_of(locked)), "") if index_urls(lines) else ""
            refusing = look(lines, asked, False) if asked else ()
            return _Resolved(locked, lines, (*passed_over, *refusing))
        if useless := unreadable_index(lines, result.stderr):
            lines = without_index(lines, useless)
            passed_over.append(useless)
            continue
        # A version that conda has and PyPI has not is no conflict: pip would never ask for it.
        unknown = next((text for text in fixed if _is_not_there(text, result.stderr)), None)
        if unknown is None:
            is_unsolved = "No solution found" in result.stderr
            silent = look(lines, _missing(result.stderr) or "pip", True) if is_unsolved else ()
            raise lock_failure(result.stderr, beside=bool(fixed), useless=(*passed_over, *silent))
        fixed.remove(unknown)


def _checked(line: str) -> str:
    """A line of the resolver's answer, which holds what packages say of themselves, if a document could hold it."""
    if problem := check_requirement(line):
        message = f"a package wants what no build may have: {problem}"
        raise ImageBuildFailure(message, hint="name another version of the package that wants it")
    return line


def _is_not_there(requirement: str, stderr: str) -> bool:
    name = re.escape(Requirement(requirement).name)
    return bool(re.search(rf"(no versions? of|only) {name}\b", " ".join(stderr.split())))


@dataclass(frozen=True)
class _Question:
    """What uv is asked: `words` of its command, in a folder with these `files`."""

    words: tuple[str, ...]
    files: Mapping[str, str]


def _question(
    requirements: Sequence[str], fixed: Sequence[str], beside: CondaContext, python_platform: str | None
) -> _Question:
    words = ["pip", "compile", "--no-header", "--no-annotate", "--no-strip-extras", "--python-version"]
    words += [beside.python_version, *(("--python-platform", python_platform) if python_platform else ())]
    files = {"requirements.in": "\n".join([*requirements, ""])}
    if fixed or beside.preferred:
        # What the file of an earlier lock holds is what uv prefers.
        files |= {"conda.txt": "\n".join([*fixed, ""]), "lock.txt": "\n".join([*beside.preferred, ""])}
        words += ["--constraint", "conda.txt", "--output-file", "lock.txt"]
    return _Question((*words, "requirements.in"), files)


def _compile(
    question: _Question, packaging: HostPackaging, log: Log, canceled: threading.Event, resolve_isolated: Resolve
) -> subprocess.CompletedProcess[str]:
    if sys.platform != "win32" and is_of_indexes(question.files["requirements.in"].splitlines()):
        result = _compile_here(question, packaging, canceled)
        if result.returncode == 0 or not has_refused(result.stderr):
            return result
    log("a package states its dependencies only when its code runs: resolving in isolation")
    return resolve_isolated(question.words, question.files)


def is_of_indexes(lines: Iterable[str]) -> bool:
    """Return whether none of the requirement lines names the place of its package.

    Such a place may be a repository, which only git can read; and what lies there may name others in turn, with
    variables in them, or files.  What comes from an index may not.

    >>> is_of_indexes(["--pre", "numpy<2"]), is_of_indexes(["x @ https://host/x-1-py3-none-any.whl"])
    (True, False)
    >>> is_of_indexes(["numpy<2", "git+https://host/x"])
    False
    """
    return all((_OPTION.match(line) and not _EDITABLE.match(line)) or _is_of_index(line) for line in lines)


def _is_of_index(line: str) -> bool:
    try:
        return not line or Requirement(without_hashes(line)).url is None
    except InvalidRequirement:
        return False  # a URL alone


def _compile_here(
    question: _Question,
    packaging: HostPackaging,
    canceled: threading.Event,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.CompletedProcess[str]:
    """Resolve on this machine.  Resolving for a Python needs no such interpreter, so none is downloaded."""
    with temporary_folder("amlemu-lock-") as place:
        folder = place / "files"
        write_files(folder, question.files)
        python = refusing_python(packaging.build_caches, place / "python")
        words = [*question.words, "--no-build-isolation", "--python", str(python)]
        return run_uv(
            words, packaging, _quiet, canceled, cwd=folder, variables={"UV_PYTHON_DOWNLOADS": "never", **variables}
        )


def _unreadable_indexes(
    lines: Sequence[str], name: str, with_machines: bool, packaging: HostPackaging, canceled: threading.Event
) -> tuple[UnreadableIndex, ...]:
    """Ask each index alone, as only then the resolver says why it cannot be read; on Windows, ask none."""
    if sys.platform == "win32":
        return ()
    named = index_urls(lines)
    others = machine_index_urls(packaging.variables, lines) if with_machines else []
    found = []
    for url in dict.fromkeys([*named, *others]):
        words = ["pip", "compile", "--no-deps", "--no-header", "--index-strategy", "first-index"]
        files = {"requirements.in": f"{name}\n"}
        alone = {
            "UV_DEFAULT_INDEX": url,
            "UV_INDEX": "",
            "UV_EXTRA_INDEX_URL": "",
            "UV_FIND_LINKS": "",
            "UV_HTTP_RETRIES": "0",
        }
        result = _compile_here(_Question((*words, "requirements.in"), files), packaging, canceled, alone)
        if result.returncode != 0 and (why := unreadable_reason(result.stderr)):
            found.append(UnreadableIndex(mask_credentials(url), why, named.get(url, "")))
    return tuple(found)


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Make `folder` with those files in it."""
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _quiet(_line: str) -> None:
    """Discard progress: the resolver's output is shown only when it fails."""


# A package's own code may write to the same output: what follows must be a name, as the indexes are asked for it.
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_MISSING = re.compile(rf"Because ({_NAME}) was not found in the (?:package registry|provided package locations)")
_REFUSED_FILE = re.compile(r"HTTP status \w+ error \((?P<why>\d{3} [^)]*)\) for url \((?P<url>[^)\s]+)\)")
_NETWORK = re.compile(r"dns error|[Cc]onnection refused|timed out|error sending request|Failed to fetch")


def _missing(stderr: str) -> str:
    """Return the package that no index has, as the resolver says; '' when it says no such thing."""
    found = _MISSING.search(_flat(stderr))
    return found[1] if found else ""


def _flat(stderr: str) -> str:
    return " ".join(stderr.replace("╰─▶", " ").replace("│", " ").split())


def lock_failure(stderr: str, *, beside: bool = False, useless: Sequence[UnreadableIndex] = ()) -> ImageBuildFailure:
    """What the resolver's words mean; `beside` says that conda's packages are among its conditions, `useless` are the
    indexes that could not be read.
    """
    tail = "\n".join(stderr.splitlines()[-_TAIL_LINES:])
    flat = _flat(stderr)
    if missing := _missing(stderr):
        return _no_package(missing, useless)
    if "No solution found" in flat:
        return _no_solution(flat, beside, useless)
    if refused := _REFUSED_FILE.search(flat):
        message = f"{mask_credentials(refused['url'])} answers {refused['why']}"
        hint = "check the URL; a token or a signature in it (a SAS) may have expired, or may not read this"
        return ImageBuildFailure(message, hint=hint, log_tail=tail)
    if _NETWORK.search(flat):
        message = "the package index does not answer, and the packages are not all in uv's cache"
        if failed := re.search(r"Failed to fetch: `?(https?://[^\s`]+)", flat):
            message += f": {mask_credentials(failed[1])} {unreadable_reason(stderr)}"
        return ImageBuildFailure(message.strip(), hint="check the network, the proxy and the index URL", log_tail=tail)
    first = next((line.strip() for line in stderr.splitlines() if "error" in line.lower()), "uv gave no reason")
    return ImageBuildFailure(f"the requirements could not be resolved: {first}", log_tail=tail)


def _no_package(name: str, useless: Sequence[UnreadableIndex]) -> ImageBuildFailure:
    near = near_package(name)
    if useless:
        silent = "; ".join(map(str, dict.fromkeys(useless)))
        message = f"there is no package '{name}' in the indexes that could be read, and these could not: {silent}"
        hint = "mend the URL, or give it a credential that may read, as in https://USER:TOKEN@host/simple"
        return ImageBuildFailure(message, hint=hint + (f"; or did you mean '{near}'?" if near else ""))
    hint = f"did you mean '{near}'? " if near else ""
    hint += "check the spelling, or name its index with --extra-index-url in the requirements"
    return ImageBuildFailure(f"there is no package '{name}' in the package index", hint=hint)


def _no_solution(flat: str, beside: bool, useless: Sequence[UnreadableIndex]) -> ImageBuildFailure:
    # What the resolver advises is for its own command line.
    chain, _, advice = flat[flat.index("Because") if "Because" in flat else 0 :].partition(" hint: ")
    hint = "loosen or remove one of the versions that the chain names"
    if "re-releases are available" in advice:
        hint += "; a line --pre takes releases before the final one, as for pip"
    if beside:
        hint += "; what you require there may be a package of conda's, which pip would have to replace"
    if useless:
        chain += f" (these indexes could not be read: {'; '.join(map(str, dict.fromkeys(useless)))})"
    return ImageBuildFailure(f"these packages cannot be installed together. {chain}", hint=hint)
