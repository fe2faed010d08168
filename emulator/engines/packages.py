"""Where this machine gets Python packages from, and uv, which resolves and installs them.

Index URLs, proxies and the CA bundle are the user's own settings for uv and pip.  They may hold credentials, so they
travel as variables of a process or as build secrets and are never printed.
"""

from __future__ import annotations

import configparser
import contextlib
import functools
import os
import platform
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from emulator.child_environment import CONDA, UV, child_environment
from emulator.engines import Log
from emulator.engines.child_talk import talk
from emulator.engines.host_files import ca_bundle_of, find_links
from emulator.engines.refusing_python import has_refused, refusing_python
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
from emulator.errors import EngineUnavailable, ImageBuildFailure
from emulator.removal import temporary_folder
from emulator.secret import credentials_in, without_words

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
# What of uv's own settings means the same inside a build as on the host.
_UV_SETTINGS = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_INDEX_STRATEGY",
    "UV_INSECURE_HOST",
    "UV_PYTHON_INSTALL_MIRROR",
    "UV_HTTP_TIMEOUT",
    "UV_KEYRING_PROVIDER",
)
_TAIL_LINES = 40


@dataclass(frozen=True)
class HostPackaging:
    """How packages are had on this machine.

    `uv` runs here; `uv_for_linux` runs in Linux containers of this machine's architecture, None where this machine is
    no Linux.  `variables` are for uv and rattler here, `build_variables` for uv inside an image build; both are
    secret.  `wheel_folders` are the local find-links folders, `link_pages` the find-links URLs.  `conda_cache` is where
    rattler keeps what was downloaded of conda channels, `build_caches` where the secret of BuildKit's
    caches and the Python that builds nothing are kept.
    """

    uv: Path
    uv_for_linux: Path | None
    ca_bundle: Path | None
    variables: Mapping[str, str] = field(repr=False)
    build_variables: Mapping[str, str] = field(repr=False)
    wheel_folders: tuple[Path, ...] = ()
    link_pages: tuple[str, ...] = field(default=(), repr=False)
    conda_cache: Path = field(default_factory=lambda: _conda_cache({}))
    build_caches: Path = field(default_factory=lambda: _caches({}) / "amlemu")


def read_host_packaging(environ: Mapping[str, str], uv: Path | None = None) -> HostPackaging:
    """The settings of uv and pip in `environ` and in pip's configuration files; uv's own win over pip's."""
    pip = _pip_settings(environ)
    indexes = _index_variables(environ, pip)
    ca_bundle = ca_bundle_of(environ, pip)
    folders, pages = find_links(environ, pip)
    proxies = {n: v for n, v in environ.items() if n.upper() in _PROXIES and v}
    uv = uv or _find_uv()
    host = dict(indexes) | ({"SSL_CERT_FILE": str(ca_bundle)} if ca_bundle else {})
    if folders or pages:
        host["UV_FIND_LINKS"] = ",".join([*map(str, folders), *pages])
    return HostPackaging(
        uv=uv,
        uv_for_linux=uv if sys.platform == "linux" else None,
        ca_bundle=ca_bundle,
        conda_cache=_conda_cache(environ),
        build_caches=_caches(environ) / "amlemu",
        variables=_host_variables(environ) | host,
        build_variables=proxies | indexes,
        wheel_folders=folders,
        link_pages=pages,
    )


def _conda_cache(environ: Mapping[str, str]) -> Path:
    if environ.get("RATTLER_CACHE_DIR"):
        return Path(environ["RATTLER_CACHE_DIR"])
    return _caches(environ) / "rattler/cache"


def _caches(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".cache")


def _find_uv() -> Path:
    from uv import find_uv_bin  # of the `uv` package, which ships the binary

    try:
        return Path(os.fsdecode(find_uv_bin()))
    except FileNotFoundError as error:
        raise EngineUnavailable("uv, which installs packages, is missing", hint="pip install uv") from error


def _host_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """What of `environ` uv and the solver of conda packages may have here, and where uv's own configuration is.

    Named, so that uv looks for none in the folders above those that it works in, which others may write to.
    """
    kept = child_environment(UV, environ) | child_environment(CONDA, environ)
    kept.pop("UV_FIND_LINKS", None)
    path = os.pathsep.join([environ.get("PATH", os.defpath), *_pyenv_folders(environ)])
    return _configuration(environ) | kept | {"PATH": path, "UV_NO_PROGRESS": "1"}


def _pyenv_folders(environ: Mapping[str, str]) -> list[str]:
    """pyenv puts only its chosen version on PATH; uv finds the others when their folders are there."""
    try:
        return sorted(map(str, Path(environ.get("PYENV_ROOT") or "/nonexistent").glob("versions/3.*/bin")))
    except OSError:
        return []


def _configuration(environ: Mapping[str, str]) -> dict[str, str]:
    user = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/nonexistent")) / ".config")
    for file in (user / "uv/uv.toml", Path("/etc/uv/uv.toml")):
        with contextlib.suppress(OSError):
            if file.is_file():
                return {"UV_CONFIG_FILE": str(file)}
    return {"UV_NO_CONFIG": "1"}


def _pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """pip's own options by name (`index-url`): [global], [install] over it, PIP_ variables over both."""
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}}
    for file in _pip_files(environ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue
        for name, settings in sections.items():
            if parser.has_section(name):
                settings.update((key.replace("_", "-"), value) for key, value in parser.items(name))
    variables = {name.removeprefix("PIP_").lower(): v for name, v in environ.items() if name.startswith("PIP_") and v}
    return sections["global"] | sections["install"] | {n.replace("_", "-"): v for n, v in variables.items()}


def _pip_files(environ: Mapping[str, str]) -> list[Path]:
    """pip's configuration files, the weakest first; the null device as PIP_CONFIG_FILE switches all of them off."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path(environ.get("HOME", "/nonexistent"))
    user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"), home / ".pip/pip.conf", user / "pip/pip.conf"]
    return [*files, Path(named)] if named else files


def _index_variables(environ: Mapping[str, str], pip: Mapping[str, str]) -> dict[str, str]:
    variables = {name: environ[name] for name in _UV_SETTINGS if environ.get(name)}
    if not variables.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} and pip.get("index-url"):
        variables["UV_DEFAULT_INDEX"] = pip["index-url"]
    # An index that is a folder of this machine does not exist inside a build; find-links folders are carried over.
    extra = [url for url in pip.get("extra-index-url", "").split() if not url.startswith("file:")]
    if not variables.keys() & {"UV_INDEX", "UV_EXTRA_INDEX_URL"} and extra:
        variables["UV_INDEX"] = " ".join(extra)
        # pip takes the best version of all indexes, and the cloud installs with pip.
        variables.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    if pip.get("trusted-host"):
        variables.setdefault("UV_INSECURE_HOST", " ".join(pip["trusted-host"].split()))
    return variables


def linux_platform(docker_platform: str | None = None) -> str:
    """uv's name for containers of that platform in Docker's words, None for this machine's architecture.

    >>> linux_platform("linux/arm64")
    'aarch64-manylinux_2_28'
    """
    machine = docker_platform.split("/")[1] if docker_platform else platform.machine().lower()
    machine = machine.replace("amd64", "x86_64").replace("arm64", "aarch64")
    return f"{machine}-manylinux_2_28"


def packaging_for(packaging: HostPackaging, docker_platform: str | None) -> HostPackaging:
    """The same for containers of that platform: this machine's uv does not run in those of another architecture."""
    same = linux_platform(docker_platform) == linux_platform()
    return packaging if same else replace(packaging, uv_for_linux=None)


def run_uv(
    args: Sequence[str],
    packaging: HostPackaging,
    log: Log,
    canceled: threading.Event,
    *,
    cwd: Path | None = None,
    stdin: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run uv to its end with this machine's settings; stderr, without what opens an index, goes to `log` line by line,
    and is returned whole."""
    secrets = credentials_in([*packaging.variables.values(), *packaging.build_variables.values(), stdin or ""])
    try:
        process = subprocess.Popen(
            [packaging.uv, *args],
            cwd=cwd,
            env=child_environment(UV, packaging.variables, **(variables or {})),
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        message = f"uv, which installs packages, does not start: {error.strerror}"
        raise EngineUnavailable(message, target=str(packaging.uv), hint="pip install --force-reinstall uv") from error
    out, err = talk(process, stdin, lambda line: log(without_words(line, secrets)), canceled)
    return subprocess.CompletedProcess(args, process.returncode, out, without_words(err, secrets))


_OPTION = re.compile(r"\s*-")
_EDITABLE = re.compile(r"\s*(-e|--editable)\b")


@dataclass(frozen=True)
class Beside:
    """What conda has installed before pip comes, as requirements.

    `fixed` are the user's own conditions, which must hold; `preferred` the installed versions, which pip keeps where
    nothing speaks against it.
    """

    python_version: str
    fixed: tuple[str, ...]
    preferred: tuple[str, ...]


Resolve = Callable[[Sequence[str], Mapping[str, str]], "subprocess.CompletedProcess[str]"]
"""Runs uv where code of packages may run, with those words, in a folder with those files, and gives what it said.

It may raise what a build raises; what it gives is the word of whoever wrote the packages.
"""


def lock_requirements(
    spec: ImageSpec,
    packaging: HostPackaging,
    log: Log,
    canceled: threading.Event,
    resolve_apart: Resolve,
    *,
    python_platform: str | None = None,
    beside: Beside | None = None,
) -> str:
    """The text of requirements.lock: every package with its exact version, dependencies included.

    Nothing that a package brings is executed here, and git is not run: what cannot be resolved from metadata of an
    index alone is resolved by `resolve_apart`.

    `python_platform` is uv's name of the platform that it is for, None for this machine's own; `beside` is what conda
    installs before.  Raises ImageBuildFailure with the resolver's chain of reasons, so that a conflict is seen before
    anything is built, and OperationCanceled.
    """
    beside = beside or Beside(spec.python_version, (), ())
    requirements = [line for line in spec.requirements if line != REQUIRE_HASHES]

    def resolve(lines: Sequence[str]) -> list[str]:
        ask = functools.partial(_compile, packaging=packaging, log=log, canceled=canceled, resolve_apart=resolve_apart)
        return _resolve(lines, beside, python_platform, ask)

    locked = pinned(resolve(requirements), requirements)
    if wants_hashes(spec.requirements):
        own = [line for line in requirements if hashes_of(line) or _OPTION.match(line)]
        added = [line for line in requirements if line not in own]
        # What only amlemu's own additions depend on is not the user's to pin.
        theirs = resolve(own) if added else locked
        check_all_pinned(pinned(theirs, requirements), [*names_of(added), *names_of(beside.preferred)])
    log(f"resolved {len(locked)} packages for Python {beside.python_version}")
    # The resolver drops the options of the requirements file; the installer needs its indexes again.
    options = [line for line in requirements if _OPTION.match(line)]
    options += [f"--find-links {page}" for page in packaging.link_pages]
    return "\n".join(options + locked) + "\n"


def _resolve(
    requirements: Sequence[str],
    beside: Beside,
    python_platform: str | None,
    compile_question: Callable[[_Question], subprocess.CompletedProcess[str]],
) -> list[str]:
    """The locked packages, a line each."""
    fixed = list(beside.fixed)
    while True:
        result = compile_question(_question(requirements, fixed, beside, python_platform))
        if result.returncode == 0:
            return [_checked(line) for line in result.stdout.splitlines() if line and not _OPTION.match(line)]
        # A version that conda has and PyPI has not is no conflict: pip would never ask for it.
        unknown = next((text for text in fixed if _is_not_there(text, result.stderr)), None)
        if unknown is None:
            raise lock_failure(result.stderr, beside=bool(fixed))
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
    requirements: Sequence[str], fixed: Sequence[str], beside: Beside, python_platform: str | None
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
    question: _Question, packaging: HostPackaging, log: Log, canceled: threading.Event, resolve_apart: Resolve
) -> subprocess.CompletedProcess[str]:
    if sys.platform != "win32" and is_of_indexes(question.files["requirements.in"].splitlines()):
        result = _compile_here(question, packaging, canceled)
        if result.returncode == 0 or not has_refused(result.stderr):
            return result
    log("what a package needs is known only to its own code: it is asked where containers run")
    return resolve_apart(question.words, question.files)


def is_of_indexes(lines: Iterable[str]) -> bool:
    """Whether none of the requirement lines names the place of its package.

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
    question: _Question, packaging: HostPackaging, canceled: threading.Event
) -> subprocess.CompletedProcess[str]:
    """To resolve for a Python, uv needs no such interpreter, and must not spend seconds on fetching one."""
    with temporary_folder("amlemu-lock-") as place:
        folder = place / "files"
        write_files(folder, question.files)
        python = refusing_python(packaging.build_caches, place / "python")
        words = [*question.words, "--no-build-isolation", "--python", str(python)]
        return run_uv(words, packaging, _quiet, canceled, cwd=folder, variables={"UV_PYTHON_DOWNLOADS": "never"})


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Make `folder` with those files in it."""
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _quiet(_line: str) -> None:
    """The resolver's chatter is shown only when it fails."""


def lock_failure(stderr: str, *, beside: bool = False) -> ImageBuildFailure:
    """What the resolver's words mean; `beside` says that conda's packages are among its conditions."""
    tail = "\n".join(stderr.splitlines()[-_TAIL_LINES:])
    flat = " ".join(stderr.replace("╰─▶", " ").replace("│", " ").split())
    missing = re.search(r"Because (\S+) was not found in the package registry", flat)
    if missing:
        hint = "check the spelling, or name its index with --extra-index-url in the requirements"
        return ImageBuildFailure(f"there is no package '{missing[1]}' in the package index", hint=hint)
    if "No solution found" in flat:
        chain = flat[flat.index("Because") :] if "Because" in flat else flat
        hint = "loosen or remove one of the versions that the chain names"
        if beside:
            hint += "; what you require there may be a package of conda's, which pip would have to replace"
        return ImageBuildFailure(f"these packages cannot be installed together. {chain}", hint=hint)
    if re.search(r"dns error|[Cc]onnection refused|timed out|error sending request|Failed to fetch", flat):
        message = "the package index does not answer, and the packages are not all in uv's cache"
        return ImageBuildFailure(message, hint="check the network, the proxy and the index URL", log_tail=tail)
    first = next((line.strip() for line in stderr.splitlines() if "error" in line.lower()), "uv gave no reason")
    return ImageBuildFailure(f"the requirements could not be resolved: {first}", log_tail=tail)


_LOCKED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==(?P<version>[^\s;]+)")


def wheels_named_by(lock: str, packaging: HostPackaging) -> list[Path]:
    """The wheels of the local find-links folders whose name and version the lock names."""
    named = {(_normal(m["name"]), m["version"]) for m in map(_LOCKED.match, lock.splitlines()) if m}
    return [wheel for wheel in _local_wheels(packaging) if _wheel_id(wheel.name) in named]


def local_wheels_of(requirements: Iterable[str], packaging: HostPackaging) -> list[Path]:
    """The wheels of the local find-links folders, of any version, that the requirements name."""
    named = set(map(_normal, names_of(requirements)))
    return [wheel for wheel in _local_wheels(packaging) if _wheel_id(wheel.name)[0] in named]


def _local_wheels(packaging: HostPackaging) -> Iterable[Path]:
    return (wheel for folder in packaging.wheel_folders for wheel in sorted(folder.glob("*.whl")))


def _wheel_id(file_name: str) -> tuple[str, str]:
    name, version = [*file_name.split("-"), ""][:2]
    return _normal(name), version


def _normal(name: str) -> str:
    """A package name in its one canonical spelling (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
