"""Install packages into an environment of the process engine: a virtual environment, or conda's with pip's packages."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from emulator.difference import Difference, only_here
from emulator.engines.packaging.conda import CondaLock, link_conda, post_link_scripts
from emulator.engines.packaging.python_packages import run_uv
from emulator.engines.packaging.resolution import is_of_indexes
from emulator.engines.packaging.untrusted_files import read_untrusted
from emulator.engines.process.bytecode import compile_server
from emulator.engines.process.sandboxed_build import INSTALL, SandboxedBuild, install_failure
from emulator.environments import ENVIRONMENT_FOLDER, ImageSpec
from emulator.environments.import_check import asked_imports, import_differences, import_failure
from emulator.errors import ImageBuildFailure
from emulator.system.package_files import shipped_folder
from emulator.system.removal import remove_tree

_TAIL_LINES = 40
# uv's words for packages that have no wheel that fits.
_NO_WHEEL = re.compile(r"no usable wheels|no wheels with a matching|--no-build|[Bb]uilding source distributions")


@dataclass(frozen=True)
class Packages:
    """What to install: `lock` from PyPI, and below it `conda`, or the Python that a virtual environment is made of."""

    spec: ImageSpec
    lock: str
    python: str | None
    conda: CondaLock | None


def library_path(conda: CondaLock | None) -> dict[str, str]:
    """Return the variable that the cloud's images have for conda's libraries (row container.library_path)."""
    return {"LD_LIBRARY_PATH": f"{ENVIRONMENT_FOLDER}/lib"} if conda else {}


def install_packages(
    final: str,
    packages: Packages,
    build: SandboxedBuild,
) -> tuple[Difference, ...]:
    """Install the packages into the `venv` of the build's folder, which the server sees at `final`.

    Returns the differences from an image.

    Wheels are unpacked and conda packages linked here; everything that runs their code runs in the sandbox.
    Raises ImageBuildFailure, also for a package that cannot be imported, OutOfQuota and OperationCanceled.
    """
    folder, packaging, log, canceled = build.folder, build.packaging, build.log, build.canceled
    locks = {"requirements.lock": packages.lock.encode()} | (
        {"conda.lock": packages.conda.text.encode()} if packages.conda else {}
    )
    for name, content in {**packages.spec.files, **locks}.items():
        (folder / name).write_bytes(content)
    venv = folder / "venv"
    if packages.conda:
        link_conda(packages.conda, venv, final, packaging, log, canceled)
        if packages.spec.requirements:
            build.install(venv)
        _move_scripts(venv, final)
    else:
        _make_venv(build, packages.python)
        if not _install_wheels(build, packages.lock):
            remove_tree(venv)
            _make_venv(build, packages.python)
            build.install(venv)
    # side by side: each is a Python that mostly compiles
    with ThreadPoolExecutor(1) as beside:
        compiled = beside.submit(compile_server, build)
        import_notes = _check_imports(packages, build)
        compiled.result()
    return (*_scripts_not_run(venv), *import_notes)


def _make_venv(build: SandboxedBuild, python: str | None) -> None:
    make = ["venv", "--quiet", "--no-project", "--relocatable", "--python", str(python), str(build.folder / "venv")]
    result = run_uv(make, build.packaging, build.log, build.canceled, cwd=build.folder)
    if result.returncode != 0:
        raise install_failure(result.stderr)


def _install_wheels(build: SandboxedBuild, lock: str) -> bool:
    """Unpack the wheels of the lock into the new environment; False when not all of its packages are wheels of an
    index."""
    if not is_of_indexes(lock.splitlines()):
        return False
    words = [*INSTALL, "--no-build", "--python", str(build.folder / "venv"), "-r", "requirements.lock"]
    said: list[str] = []
    result = run_uv(words, build.packaging, said.append, build.canceled, cwd=build.folder)
    if result.returncode == 0:
        for line in said:
            build.log(line)
        return True
    if _NO_WHEEL.search(result.stderr):
        build.log("some packages have no wheel for this machine: they are built")
        return False
    raise install_failure(result.stderr)


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


def _scripts_not_run(venv: Path) -> tuple[Difference, ...]:
    names = post_link_scripts(venv)
    if not names:
        return ()
    text = f"the scripts that finish the installation of {', '.join(names)} are not run on this machine"
    return (only_here("process.post_link_scripts", text),)


def _check_imports(packages: Packages, build: SandboxedBuild) -> tuple[Difference, ...]:
    folder = build.folder
    venv = folder / "venv"
    (folder / "imports.json").write_bytes(asked_imports(packages.spec, str(venv), packages.lock))
    program = shipped_folder("images/scoring") / "check_imports.py"
    with build.writable("imported") as out:
        command = [str(venv / "bin/python"), str(program), str(folder / "imports.json"), str(out / "imported.json")]
        ended = build.run(command, (out,))
        report = read_untrusted(out / "imported.json")
    if failure := import_failure(ended.output.splitlines()):
        raise failure
    if ended.exit_code == 0 and report:
        return import_differences(report, packages.spec.setting)
    raise ImageBuildFailure("the imports of the packages could not be checked", log_tail=_tail(ended.output))


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-_TAIL_LINES:])
