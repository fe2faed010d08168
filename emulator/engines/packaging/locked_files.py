"""Find the files of locked packages: their hashes, and which packages have a wheel for a container."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from emulator.engines.packaging.python_packages import HostPackaging, run_uv
from emulator.engines.packaging.resolution import lock_failure
from emulator.environments.hash_pins import hashes_of, without_hashes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_MANYLINUX = re.compile(r"(?P<machine>.+)-manylinux_2_(?P<minor>\d+)")
_OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_OLDEST_MINOR = 5


@dataclass(frozen=True)
class PackageFiles:
    """The files of one package's locked version, as its index lists them: sha256 by the wheels' names, and the sdist's.

    '' stands for a hash that the index does not tell.
    """

    wheels: Mapping[str, str]
    sdist: str | None


@dataclass(frozen=True)
class SplitLock:
    """A lock in two parts: `wheels` are installed without running code, `sources` must be built; '' if none must."""

    wheels: str
    sources: str


def split_lock(
    lock: str,
    python_version: str,
    python_platform: str,
    packaging: HostPackaging,
    canceled: threading.Event,
) -> SplitLock:
    """Return the lock with the hashes that the indexes tell, divided by what the container has wheels for.

    Nothing of a package is downloaded.  Raises ImageBuildFailure when an index does not answer.
    """
    lines = [line for line in lock.splitlines() if line]
    named = [line for line in lines if not line.startswith("-") and not _url_of(line)]
    files: Mapping[str, PackageFiles] = {}
    if named:
        options = [line for line in lines if line.startswith("-")]
        files = _ask(options + list(map(without_hashes, named)), python_version, python_platform, packaging, canceled)
    return divide_lock(lines, files, container_tags(python_version, python_platform))


def _ask(
    lines: Iterable[str],
    python_version: str,
    python_platform: str,
    packaging: HostPackaging,
    canceled: threading.Event,
) -> Mapping[str, PackageFiles]:
    args = ["pip", "compile", "--no-deps", "--no-header", "--quiet", "--format", "pylock.toml"]
    args += ["--python-version", python_version, "--python-platform", python_platform, "-"]
    no_download = {"UV_PYTHON_DOWNLOADS": "never"}
    text = "\n".join([*lines, ""])
    result = run_uv(args, packaging, _quiet, canceled, stdin=text, variables=no_download)
    if result.returncode != 0:
        raise lock_failure(result.stderr)
    return read_pylock(result.stdout)


def _quiet(_line: str) -> None:
    """Discard progress: uv's output is shown only when it fails."""


def read_pylock(text: str) -> dict[str, PackageFiles]:
    """Return the files by package of what uv has written in the form of pylock.toml (PEP 751)."""
    packages = tomllib.loads(text).get("packages", [])
    return {
        canonicalize_name(package["name"]): PackageFiles(
            wheels={_file_name(wheel): _sha256(wheel) for wheel in package.get("wheels", ())},
            sdist=_sha256(package["sdist"]) if "sdist" in package else None,
        )
        for package in packages
    }


def _file_name(file: Mapping[str, Any]) -> str:
    place = urlsplit(str(file.get("url") or file.get("path") or "")).path
    return str(file.get("name") or unquote(place).rpartition("/")[2])


def _sha256(file: Mapping[str, Any]) -> str:
    return str(file.get("hashes", {}).get("sha256", ""))


def divide_lock(lines: Iterable[str], files: Mapping[str, PackageFiles], tags: Collection[Tag]) -> SplitLock:
    """Return the two locks of these lines; options are in both."""
    wheels, sources = [], []
    is_built = False
    for line in lines:
        if line.startswith("-"):
            wheels.append(line)
            sources.append(line)
        elif _is_installed_as_wheel(line, files, tags):
            wheels.append(_with_hashes(line, files))
        else:
            sources.append(_with_hashes(line, files))
            is_built = True
    return SplitLock("\n".join([*wheels, ""]), "\n".join([*sources, ""]) if is_built else "")


def _is_installed_as_wheel(line: str, files: Mapping[str, PackageFiles], tags: Collection[Tag]) -> bool:
    if url := _url_of(line):
        return urlsplit(url).path.endswith(".whl")
    found = _files_of(line, files)
    if found is None:
        return True  # and uv says what is wrong with it
    pinned = hashes_of(line)
    fitting = [sha256 for name, sha256 in found.wheels.items() if _fits(name, tags)]
    if any(not pinned or not sha256 or f"sha256:{sha256}" in pinned for sha256 in fitting):
        return True
    return found.sdist is None or not _may_be_sdist(found.sdist, pinned, bool(fitting))


def _may_be_sdist(sha256: str, pinned: Collection[str], has_wheel: bool) -> bool:
    """Return whether the sdist is what is wanted; with a wheel that fits beside it, only when the pins name it."""
    return not has_wheel or f"sha256:{sha256}" in pinned


def _fits(file_name: str, tags: Collection[Tag]) -> bool:
    try:
        return not parse_wheel_filename(file_name)[3].isdisjoint(tags)
    except InvalidWheelFilename:
        return False


def _with_hashes(line: str, files: Mapping[str, PackageFiles]) -> str:
    """The line with the hashes of all files; unchanged where the user pins some, or the index does not tell all."""
    found = None if _url_of(line) or hashes_of(line) else _files_of(line, files)
    if found is None:
        return line
    known = [*found.wheels.values(), *([found.sdist] if found.sdist is not None else [])]
    if not known or not all(known):
        return line
    return " ".join([line, *(f"--hash=sha256:{sha256}" for sha256 in sorted(set(known)))])


def _files_of(line: str, files: Mapping[str, PackageFiles]) -> PackageFiles | None:
    name = _NAME.match(line)
    return files.get(canonicalize_name(name[0])) if name else None


def _url_of(line: str) -> str:
    """Return the URL of a requirement such as `name @ https://host/name.whl`; '' for one with a version."""
    _, at, url = line.partition(" @ ")
    return url.split()[0] if at and url.split() else ""


def container_tags(python_version: str, python_platform: str) -> frozenset[Tag]:
    """Return what wheels a container with CPython takes, in uv's name of its platform.

    >>> Tag("py3", "none", "manylinux2014_x86_64") in container_tags("3.11", "x86_64-manylinux_2_28")
    True
    """
    major, minor = (int(part) for part in python_version.split(".")[:2])
    platforms = _platforms(python_platform)
    # Until 3.7 the ABI has a letter more.
    abis = [f"cp{major}{minor}{'m' if (major, minor) < (3, 8) else ''}"]
    tags = cpython_tags((major, minor), abis, platforms)
    return frozenset([*tags, *compatible_tags((major, minor), f"cp{major}{minor}", platforms)])


def _platforms(python_platform: str) -> list[str]:
    found = _MANYLINUX.fullmatch(python_platform)
    if not found:
        return []
    machine, newest = found["machine"], int(found["minor"])
    names = [f"linux_{machine}"]
    for minor in range(newest, _OLDEST_MINOR - 1, -1):
        names.append(f"manylinux_2_{minor}_{machine}")
        if minor in _OLD_NAMES:
            names.append(f"{_OLD_NAMES[minor]}_{machine}")
    return names
