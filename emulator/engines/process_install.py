"""Putting packages into an environment of the process engine: PyPI's into a virtual environment, or beside conda's."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emulator.engines import Log
from emulator.engines.conda import CondaLock, link_conda, post_link_scripts
from emulator.engines.packages import HostPackaging, run_uv, talk
from emulator.engines.process_bytecode import compile_server
from emulator.environments import ENVIRONMENT_FOLDER, ImageSpec
from emulator.environments.import_check import asked_imports, import_differences, import_failure
from emulator.errors import ImageBuildFailure, OutOfQuota
from emulator.shipped import shipped_folder

_TAIL_LINES = 40


@dataclass(frozen=True)
class Packages:
    """What to install: `lock` from PyPI, and below it `conda`, or the Python that a virtual environment is made of."""

    spec: ImageSpec
    lock: str
    python: str | None
    conda: CondaLock | None


def library_path(conda: CondaLock | None) -> dict[str, str]:
    """The variable that the cloud's images have for conda's libraries (row container.library_path)."""
    return {"LD_LIBRARY_PATH": f"{ENVIRONMENT_FOLDER}/lib"} if conda else {}


def install_packages(
    folder: Path, final: str, packages: Packages, packaging: HostPackaging, log: Log, canceled: threading.Event
) -> tuple[str, ...]:
    """Fill `folder`, whose `venv` the server will see at `final`; what differs from an image.

    Raises ImageBuildFailure, also for a package that cannot be imported, OutOfQuota and OperationCanceled.
    """
    locks = {"requirements.lock": packages.lock.encode()} | (
        {"conda.lock": packages.conda.text.encode()} if packages.conda else {}
    )
    for name, content in {**packages.spec.files, **locks}.items():
        (folder / name).write_bytes(content)
    venv = folder / "venv"
    if packages.conda:
        link_conda(packages.conda, venv, final, packaging, log, canceled)
    else:
        make = ["venv", "--quiet", "--no-project", "--relocatable", "--python", str(packages.python), str(venv)]
        _uv(make, folder, packaging, log, canceled)
    install = ["pip", "install", "--no-deps", "--no-compile-bytecode", "--break-system-packages", "--python", str(venv)]
    _uv([*install, "-r", "requirements.lock"], folder, packaging, log, canceled)
    if packages.conda:
        _move_scripts(venv, final)
    compile_server(venv, canceled)
    return (*_scripts_not_run(venv), *_check_imports(folder, packages.spec, canceled))


def _uv(args: list[str], folder: Path, packaging: HostPackaging, log: Log, canceled: threading.Event) -> None:
    result = run_uv(args, packaging, log, canceled, cwd=folder)
    if result.returncode != 0:
        raise _install_failure(result.stderr)


def _move_scripts(venv: Path, final: str) -> None:
    """Programs that pip has installed name the Python that they were installed with: it will lie at `final`.

    They do so in their first line, or, where the path is long, in the second one, for a shell.
    """
    here, there = f"{venv}/bin/".encode(), f"{final}/bin/".encode()
    for script in (venv / "bin").iterdir():
        if script.is_symlink() or not script.is_file():
            continue
        with script.open("rb") as file:
            ours = file.read(2) == b"#!" and here in file.readline() + file.readline()
        if ours:
            mode, text = script.stat().st_mode, script.read_bytes()
            script.unlink()  # never through a link into the cache
            script.write_bytes(text.replace(here, there, 1))
            script.chmod(mode)


def _scripts_not_run(venv: Path) -> tuple[str, ...]:
    names = post_link_scripts(venv)
    if not names:
        return ()
    return (f"the scripts that finish the installation of {', '.join(names)} are not run on this machine",)


def _check_imports(folder: Path, spec: ImageSpec, canceled: threading.Event) -> tuple[str, ...]:
    venv = folder / "venv"
    (folder / "imports.json").write_bytes(asked_imports(spec, str(venv)))
    report = folder / "imported.json"
    program = shipped_folder("images/scoring") / "check_imports.py"
    process = subprocess.Popen(
        [venv / "bin/python", program, folder / "imports.json", report],
        env=_plain_variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    _, told = talk(process, None, None, canceled)
    if failure := import_failure(told.splitlines()):
        raise failure
    if process.returncode != 0:
        raise ImageBuildFailure("the imports of the packages could not be checked", log_tail=_tail(told))
    return import_differences(report.read_text(encoding="utf-8"))


def _plain_variables() -> Mapping[str, str]:
    return {"LANG": "C.UTF-8"}


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
