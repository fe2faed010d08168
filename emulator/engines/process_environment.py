"""Environments of the process engine: one virtual environment in a folder for each digest.

A folder is built beside its place and renamed into it, which relocatable virtual environments bear; a lock file for
each digest keeps two builds of the same one apart, also those of two emulators, and tells a build that goes on from
one whose emulator has died.
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Mapping, Set
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from emulator.engines import Image, Log
from emulator.engines.packages import HostPackaging, lock_requirements, run_uv
from emulator.engines.process_bytecode import BackgroundCompiler, compile_server
from emulator.engines.process_files import locked, read_json, remove_tree, replace_json
from emulator.environments import ImageSpec
from emulator.errors import EngineUnavailable, ImageBuildFailure, OutOfQuota

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
    differences: tuple[str, ...]


@dataclass(frozen=True)
class _Tools:
    """Programs of this machine that stand in for system packages."""

    visible: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Python:
    executable: str
    version: str
    visible: tuple[str, ...]


class Environments:
    """The environments below `folder`; what it builds belongs to the workspace `workspace_id`."""

    def __init__(self, folder: Path, workspace_id: str, packaging: HostPackaging, find_command: FindCommand) -> None:
        self._folder, self._workspace_id = folder, workspace_id
        self._packaging, self._find_command = packaging, find_command
        self._compiler = BackgroundCompiler()

    def path(self, digest: str) -> Path:
        """Where the environment lies, or would lie."""
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
        lists = {name: tuple(document[name]) for name in ("visible", "tool_folders", "differences")}
        return EnvironmentRecord(**document | lists)

    def image(self, record: EnvironmentRecord) -> Image:
        """The environment as engines name it."""
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
        python = self._find_python(spec.python_version, log, canceled)
        tools = _find_tools(spec.system_packages, self._find_command)
        lock = lock_requirements(spec, self._packaging, log, canceled)
        record = EnvironmentRecord(
            digest=spec.digest,
            workspace=self._workspace_id,
            visible=python.visible + tools.visible,
            tool_folders=tools.folders,
            variables=dict(spec.variables),
            differences=(_no_container(python, spec), *tools.differences),
        )
        self._install(record, python, lock, spec.files, log, canceled)
        return record

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

    def _install(
        self,
        record: EnvironmentRecord,
        python: _Python,
        lock: str,
        files: Mapping[str, bytes],
        log: Log,
        canceled: threading.Event,
    ) -> None:
        folder = self._folder / f"{_BUILDING}{record.digest}"
        remove_tree(folder)
        folder.mkdir()
        try:
            for name, content in {**files, "requirements.lock": lock.encode()}.items():
                (folder / name).write_bytes(content)
            self._install_packages(folder, python, log, canceled)
            replace_json(folder / _RECORD, asdict(record))
            remove_tree(self.path(record.digest))  # its Python is gone, else it would have been found
            folder.rename(self.path(record.digest))
        finally:
            remove_tree(folder)

    def _install_packages(self, folder: Path, python: _Python, log: Log, canceled: threading.Event) -> None:
        venv = str(folder / "venv")
        make = ["venv", "--quiet", "--no-project", "--relocatable", "--python", python.executable, venv]
        install = ["pip", "install", "--no-deps", "--no-compile-bytecode", "--python", venv, "-r", "requirements.lock"]
        for args in (make, install):
            result = run_uv(args, self._packaging, log, canceled, cwd=folder)
            if result.returncode != 0:
                raise _install_failure(result.stderr)
        compile_server(Path(venv), canceled)

    def compile_rest(self, digest: str) -> None:
        """Compile in the background what the server does not import; returns at once."""
        self._compiler.begin(self.path(digest))

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
    asked = subprocess.run([executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
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


def _no_container(python: _Python, spec: ImageSpec) -> str:
    where = f"a virtual environment of this machine's Python {python.version}"
    return f"no container: the packages run in {where} instead of {spec.base_image}"


def _find_tools(packages: tuple[str, ...], find_command: FindCommand) -> _Tools:
    """What of this machine stands in for the Debian `packages`; EngineUnavailable when it lacks a Java runtime."""
    visible: list[str] = []
    folders: list[str] = []
    differences: list[str] = []
    for package in packages:
        if not re.search(r"\b(jre|jdk)\b", package):
            differences.append(f"system package {package} is not installed: what this machine has of it is used")
            continue
        java = find_command("java")
        if java is None:
            raise _no_java(package)
        visible += [str(Path(java).parent.parent), str(Path(java).resolve().parent.parent)]
        folders.append(str(Path(java).parent))
        differences.append(f"java of this machine ({_java_version(java)}) instead of system package {package}")
    return _Tools(tuple(dict.fromkeys(visible)), tuple(dict.fromkeys(folders)), tuple(differences))


def _no_java(package: str) -> EngineUnavailable:
    return EngineUnavailable(
        f"this environment needs a Java runtime (openjdk, {package}) and `java` is not on PATH",
        hint=f"install one (on Debian: `apt install {package}`) or use --engine docker",
    )


def _java_version(java: str) -> str:
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=30).stderr
    found = re.search(r'version "([^"]+)"', said)
    return f"version {found[1]}" if found else "of unknown version"


def _install_failure(stderr: str) -> ImageBuildFailure | OutOfQuota:
    if "No space left on device" in stderr:
        return OutOfQuota("no disk space is left for the environment's packages", hint="`amlemu prune` frees some")
    reason = next((line.strip() for line in stderr.splitlines() if re.match(r"\s*(error|\u00d7)", line)), "uv failed")
    return ImageBuildFailure(
        f"the packages could not be installed: {reason}",
        hint="the log shows which package failed; one without a wheel for this machine may need a compiler",
        log_tail=_tail(stderr),
    )


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-_TAIL_LINES:])
