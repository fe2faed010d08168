"""`demo`: train, register, deploy and score two models, showing each command."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from emulator.cli.output import program_name, say
from emulator.config import Settings
from emulator.system.child_environment import EMULATOR, child_environment

_SAMPLE = "samples/two_models"
_ENDPOINT = "two-models"
_PYTHON = "3.11"
_PROGRAM = (sys.executable, "-m", "emulator")
_MODELS = (
    ("my_first_model", "my_first_model.pkl"),
    ("my_second_model", "v1/my_second_model.pkl"),
    ("my_second_model", "v2/my_second_model.pkl"),
)


@click.command("demo")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("amlemu-demo"))
def demo_command(folder: Path) -> None:
    """Train two models, register them, deploy both behind one endpoint and score with them.

    Everything is written to FOLDER (default ./amlemu-demo); `amlemu delete two-models` undoes the deployment.
    """
    from emulator.cli.connection import current_settings
    from emulator.system.package_files import shipped_folder

    source = shipped_folder(_SAMPLE)
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.pkl", "v?", "__pycache__"))
    settings = current_settings()
    environ = dict(os.environ)
    if not _choose_engine(settings, environ):
        environ["AMLEMU_ENGINE"] = "process"
    for line in shell_lines(folder, program_name()):
        say(f"$ {line}")
    _train(folder, environ)
    _register(folder, environ)
    models = ["--model", "my_first_model:1", "--model", "my_second_model:2"]
    _amlemu(folder, environ, "deploy", "--name", _ENDPOINT, *models, "--entry", "score.py")
    _amlemu(folder, environ, "invoke", _ENDPOINT, "--data", "@request.json")
    click.echo()
    _show_preflight(folder, environ)
    say("the endpoint stays; where you are:")
    request = shlex.quote(f"@{folder / 'request.json'}")
    for words in (f"invoke {_ENDPOINT} --data {request}", f"show {_ENDPOINT}", f"logs {_ENDPOINT} -f",
                  f"delete {_ENDPOINT} --yes"):  # fmt: skip
        say(f"  {program_name()} {words}")


def shell_lines(folder: Path, amlemu: str) -> list[str]:
    """Return the shell lines after which the printed commands work as they are.

    >>> shell_lines(Path("amlemu-demo"), "amlemu"), shell_lines(Path("d"), ".venv/bin/amlemu")
    (['cd amlemu-demo'], ['export PATH="$PWD/.venv/bin:$PATH"', 'cd d'])
    """
    lines = [f"cd {shlex.quote(str(folder))}"]
    if amlemu == "amlemu" or not amlemu.endswith("/amlemu"):
        return lines
    place = str(Path(amlemu).parent)
    return [f'export PATH="{place if place.startswith("/") else "$PWD/" + place}:$PATH"', *lines]


def _choose_engine(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Return whether Docker can be used; create its base image if no registry answers."""
    from emulator.cli.connection import connect
    from emulator.cli.doctor import docker_answers
    from emulator.errors import EmulatorError

    if settings.engine == "process" or not docker_answers():
        say("no Docker Engine answers: the demo runs on the process engine")
        return False
    try:
        with connect(settings) as client:
            return bool(client.describe()["engine"] == "docker")
    except EmulatorError:
        pass  # none runs yet: the first command starts it
    say(f"Docker answers: checking for a base image of Python {_PYTHON}")
    has_images = _start([*_PROGRAM, "images", _PYTHON], None, environ).returncode == 0
    if not has_images:
        say("no base image is available: the demo runs on the process engine")
    return has_images


def _train(folder: Path, environ: Mapping[str, str]) -> None:
    from emulator.engines.packaging.python_packages import read_host_packaging

    if all((folder / path).exists() for _, path in _MODELS):
        return
    packaging = read_host_packaging(environ)
    words = ["run", "--no-project", "--python", _PYTHON, "--with-requirements", "requirements.txt", "train.py"]
    say(f"$ uv {shlex.join(words)}")
    _run([str(packaging.uv), *words], folder, packaging.variables)


def _register(folder: Path, environ: Mapping[str, str]) -> None:
    """Register the models that are not registered yet, so that a second demo adds no versions."""
    listed = _start([*_PROGRAM, "model", "list", "-o", "json"], folder, environ, stdout=subprocess.PIPE)
    known = [model["name"] for model in json.loads(listed.stdout or "[]")]
    for name, path in _MODELS:
        if name in known:
            known.remove(name)
        else:
            _amlemu(folder, environ, "model", "register", "--name", name, "--path", path)


def _show_preflight(folder: Path, environ: Mapping[str, str]) -> None:
    """Show that the front door rejects a browser's preflight request."""
    words = ["invoke", _ENDPOINT, "--method", "OPTIONS"]
    say(f"$ amlemu {shlex.join(words)}    # like a browser's preflight: only GET and POST pass")
    _start([*_PROGRAM, *words], folder, environ)


def _amlemu(folder: Path, environ: Mapping[str, str], *words: str) -> None:
    say(f"$ amlemu {shlex.join(words)}")
    _run([*_PROGRAM, *words], folder, environ)


def _run(command: list[str], folder: Path, environ: Mapping[str, str]) -> None:
    code = _start(command, folder, environ).returncode
    if code != 0:
        raise click.exceptions.Exit(code)


def _start(
    command: Sequence[str], folder: Path | None, environ: Mapping[str, str], stdout: int | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run one of the demo's commands and wait for it."""
    variables = child_environment(EMULATOR, environ)
    return subprocess.run(command, cwd=folder, env=variables, stdout=stdout, check=False)
