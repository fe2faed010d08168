"""Environments of the process engine: one virtual environment in a folder for each digest.

A folder is built beside its place and renamed into it, which relocatable virtual environments bear; a lock file for
each digest keeps two builds of the same one apart, also those of two emulators, and tells a build that goes on from
one whose emulator has died.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Set
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from emulator.difference import Difference, only_here, read_differences
from emulator.engines import Image, Log
from emulator.engines.packaging.conda import OLDEST_GLIBC, CondaLock, solve_conda
from emulator.engines.packaging.python_packages import HostPackaging, packaging_for, run_uv
from emulator.engines.packaging.resolution import lock_requirements
from emulator.engines.process.bytecode import BackgroundCompiler
from emulator.engines.process.files import locked, read_json
from emulator.engines.process.install import Packages, install_packages, library_path
from emulator.engines.process.sandbox import Sandbox
from emulator.engines.process.sandboxed_build import SandboxedBuild
from emulator.environments import ENVIRONMENT_FOLDER, CondaPackages, ImageSpec
from emulator.errors import EngineUnavailable
from emulator.system.child_environment import INTERPRETER, child_environment
from emulator.system.files import replace_json
from emulator.system.removal import remove_tree

_TAIL_LINES = 40
_RECORD = "environment.json"
_BUILDING = ".building-"

FindCommand = Callable[[str], str | None]
"""The absolute path of a command of this machine, as shutil.which finds it, or None."""


@dataclass(frozen=True)
class EnvironmentRecord:
    """What the engine must remember of an environment.

    `visible` are the folders that it leans on: its Python's and those of programs that stand in for system packages;
    `tool_folders` are what of them belongs on PATH.
    """

    digest: str
    workspace: str
    visible: tuple[str, ...]
    tool_folders: tuple[str, ...]
    variables: Mapping[str, str]
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class _Tools:
    """Programs of this machine that stand in for system packages."""

    visible: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class _Python:
    executable: str
    version: str
    visible: tuple[str, ...]


class Environments:
    """The environments below `folder`; what it builds belongs to the workspace `workspace_id`."""

    def __init__(
        self,
        folder: Path,
        workspace_id: str,
        packaging: HostPackaging,
        find_command: FindCommand,
        is_isolated: Callable[[], bool],
        sandbox: Sandbox,
    ) -> None:
        self._folder, self._workspace_id = folder, workspace_id
        self._packaging, self._find_command = packaging, find_command
        self._is_isolated, self._sandbox = is_isolated, sandbox
        self._compiler = BackgroundCompiler()

    def path(self, digest: str) -> Path:
        """Return where the environment lies, or would lie."""
        return self._folder / digest

    def find(self, digest: str) -> EnvironmentRecord | None:
        """The record of an environment that is whole, whose Python is still here, and that this version has written."""
        document = read_json(self.path(digest) / _RECORD)
        python = self.path(digest) / "venv/bin/python"
        if (
            document is None
            or not python.exists()
            or document.keys() != {field.name for field in fields(EnvironmentRecord)}
        ):
            return None
        lists = {name: tuple(document[name]) for name in ("visible", "tool_folders")}
        return EnvironmentRecord(**document | lists | {"differences": read_differences(document["differences"])})

    def image(self, record: EnvironmentRecord) -> Image:
        """Return the environment as engines name it."""
        return Image(record.digest, str(self.path(record.digest)), record.differences)

    def build(self, spec: ImageSpec, log: Log, canceled: threading.Event) -> EnvironmentRecord:
        """Build the environment unless it is there; see `Engine.build_image` for the errors."""
        found = self.find(spec.digest)
        if found:
            return found
        self._folder.mkdir(parents=True, exist_ok=True)
        with locked(self._folder / f".{spec.digest}.lock", canceled):
            return self.find(spec.digest) or self._build(spec, log, canceled)

    def _build(self, spec: ImageSpec, log: Log, canceled: threading.Event) -> EnvironmentRecord:
        folder = self._folder / f"{_BUILDING}{spec.digest}"
        remove_tree(folder)
        folder.mkdir()
        try:
            return self._build_in(folder, spec, log, canceled)
        finally:
            remove_tree(folder)

    def _build_in(self, folder: Path, spec: ImageSpec, log: Log, canceled: threading.Event) -> EnvironmentRecord:
        conda = self._solve(spec.conda, spec, log, canceled) if spec.conda else None
        python = None if conda else self._find_python(spec.python_version, log, canceled)
        tools = _find_tools(spec.system_packages, self._find_command)
        beside = conda.beside(spec.requirements) if conda else None
        pythons = tuple(map(Path, python.visible)) if python else ()
        packaging = packaging_for(self._packaging, None, spec.requirements)
        build = SandboxedBuild(folder, pythons, self._sandbox, packaging, log, canceled)
        lock = lock_requirements(spec, packaging, log, canceled, build.resolve, beside=beside)
        record = EnvironmentRecord(
            digest=spec.digest,
            workspace=self._workspace_id,
            visible=(python.visible if python else ()) + tools.visible,
            tool_folders=tools.folders,
            variables=library_path(conda) | dict(spec.variables),
            differences=(_no_container(python, spec), *tools.differences, *lock.differences),
        )
        return self._install(record, Packages(spec, lock.text, python.executable if python else None, conda), build)

    def _solve(self, packages: CondaPackages, spec: ImageSpec, log: Log, canceled: threading.Event) -> CondaLock:
        if sys.platform != "linux":
            raise EngineUnavailable(
                f"conda packages are for Linux containers, and this machine is {sys.platform}",
                hint="use --engine docker, or let PyPI stand in: --conda pip",
            )
        glibc = platform.libc_ver()[1] or OLDEST_GLIBC
        return solve_conda(packages, spec.requirements, glibc, self._packaging, log, canceled)

    def _find_python(self, version: str, log: Log, canceled: threading.Event) -> _Python:
        find = ["python", "find", "--system", "--no-project", "--no-python-downloads", version]
        found = run_uv(find, self._packaging, _quiet, canceled)
        if found.returncode != 0:
            log(f"Python {version} is not on this machine: fetching it")
            fetched = run_uv(["python", "install", version], self._packaging, log, canceled)
            if fetched.returncode != 0:
                raise _no_python(version, fetched.stderr)
            found = run_uv(find, self._packaging, _quiet, canceled)
        return _ask_python(found.stdout.strip(), version)

    def _install(self, record: EnvironmentRecord, packages: Packages, build: SandboxedBuild) -> EnvironmentRecord:
        # conda's packages hold the path that containers find them at.
        final = ENVIRONMENT_FOLDER if self._is_isolated() else str(self.path(record.digest) / "venv")
        noted = install_packages(final, packages, build)
        build.remove_downloads()
        record = replace(record, differences=(*record.differences, *noted))
        replace_json(build.folder / _RECORD, asdict(record), durable=False)
        remove_tree(self.path(record.digest))  # its Python is gone, else it would have been found
        build.folder.rename(self.path(record.digest))
        return record

    def compile_rest(self, digest: str) -> None:
        """Compile in the background what the server does not import; returns at once."""
        environment = self.path(digest)
        record = self.find(digest)
        pythons = tuple(map(Path, record.visible)) if record else ()
        self._compiler.begin(
            environment,
            lambda canceled: SandboxedBuild(environment, pythons, self._sandbox, self._packaging, _quiet, canceled),
        )

    def close(self) -> None:
        """End the work in the background."""
        self._compiler.close()

    def prune(self, keep: Set[str], *, dry_run: bool) -> list[str]:
        """Remove this workspace's environments outside `keep`, and what builds that died have left."""
        said = []
        for folder in sorted(self._folder.glob("*")):
            building = folder.name.startswith(_BUILDING)
            digest = folder.name.removeprefix(_BUILDING)
            if not folder.is_dir() or (not building and (digest in keep or not self._is_ours(folder))):
                continue
            with locked(self._folder / f".{digest}.lock") as held:
                if held:
                    said.append(f"{'unfinished environment' if building else 'environment'} {digest[:12]}")
                    if not dry_run:
                        self._compiler.stop(folder)
                        remove_tree(folder)
        return said

    def _is_ours(self, folder: Path) -> bool:
        document = read_json(folder / _RECORD)
        return document is None or document["workspace"] == self._workspace_id


def _quiet(_line: str) -> None:
    """uv's talk about a search that may fail is not shown."""


def _ask_python(executable: str, version: str) -> _Python:
    code = "import sys; print(sys.base_prefix); print('%d.%d.%d' % sys.version_info[:3])"
    asked = subprocess.run(
        [executable, "-I", "-S", "-c", code],
        env=child_environment(INTERPRETER, os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode != 0:
        raise _no_python(version, asked.stderr)
    prefix, found = asked.stdout.splitlines()
    named = Path(executable).parent.parent
    folders = (prefix, str(Path(prefix).resolve()), str(named), str(named.resolve()))
    return _Python(executable, found, tuple(dict.fromkeys(folders)))


def _no_python(version: str, stderr: str) -> EngineUnavailable:
    return EngineUnavailable(
        f"this environment needs Python {version}, which is not on this machine and which uv could not fetch",
        hint=f"install it (`uv python install {version}`) or use --engine docker",
        log_tail=_tail(stderr),
    )


def _no_container(python: _Python | None, spec: ImageSpec) -> Difference:
    where = f"a virtual environment of this machine's Python {python.version}" if python else "a conda environment"
    text = f"no container: the packages run in {where} instead of {spec.base_image}"
    return only_here("process.no_container", text)


def _find_tools(packages: tuple[str, ...], find_command: FindCommand) -> _Tools:
    """What of this machine stands in for the Debian `packages`; EngineUnavailable when it lacks a Java runtime."""
    visible: list[str] = []
    folders: list[str] = []
    differences: list[Difference] = []
    for package in packages:
        if not re.search(r"\b(jre|jdk)\b", package):
            text = f"system package {package} is not installed: what this machine has of it is used"
            differences.append(only_here("process.system_package", text))
            continue
        java = find_command("java")
        if java is None:
            raise _no_java(package)
        visible += [str(Path(java).parent.parent), str(Path(java).resolve().parent.parent)]
        folders.append(str(Path(java).parent))
        text = f"java of this machine ({_java_version(java)}) instead of system package {package}"
        differences.append(only_here("process.java", text))
    return _Tools(tuple(dict.fromkeys(visible)), tuple(dict.fromkeys(folders)), tuple(differences))


def _no_java(package: str) -> EngineUnavailable:
    return EngineUnavailable(
        f"this environment needs a Java runtime (openjdk, {package}) and `java` is not on PATH",
        hint=f"install one (on Debian: `apt install {package}`) or use --engine docker",
    )


def _java_version(java: str) -> str:
    said = subprocess.run(
        [java, "-version"],
        env=child_environment(INTERPRETER, os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    ).stderr
    found = re.search(r'version "([^"]+)"', said)
    return f"version {found[1]}" if found else "of unknown version"


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-_TAIL_LINES:])
