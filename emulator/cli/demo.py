"""`demo`: the main job on real input, each command shown as it is run."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from emulator.cli.output import say
from emulator.settings import Settings

_SAMPLE = "samples/two_models"
_ENDPOINT = "two-models"
_PYTHON = "3.11"
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
    from emulator.shipped import shipped_folder

    source = shipped_folder(_SAMPLE)
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.pkl", "v?", "__pycache__"))
    settings = current_settings()
    environ = dict(os.environ)
    if not _choose_engine(settings, environ):
        environ["AMLEMU_ENGINE"] = "process"
    _train(folder, environ)
    _register(folder, environ)
    models = ["--model", "my_first_model:1", "--model", "my_second_model:2"]
    _amlemu(folder, environ, "deploy", "--name", _ENDPOINT, *models, "--entry", "score.py")
    _amlemu(folder, environ, "invoke", _ENDPOINT, "--data", "@request.json")
    click.echo()
    _show_preflight(folder, environ)
    say(f"the endpoint stays: `amlemu show {_ENDPOINT}`, `amlemu logs {_ENDPOINT} -f`, `amlemu delete {_ENDPOINT}`")


def _choose_engine(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether Docker can be used; its base image is made where no registry answers."""
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
    say(f"Docker answers: making sure of a base image for Python {_PYTHON}")
    images = subprocess.run([sys.executable, "-m", "emulator", "images", _PYTHON], env=environ, check=False)
    if images.returncode != 0:
        say("no base image can be had: the demo runs on the process engine")
    return images.returncode == 0


def _train(folder: Path, environ: Mapping[str, str]) -> None:
    from emulator.engines.packages import read_host_packaging

    if all((folder / path).exists() for _, path in _MODELS):
        return
    packaging = read_host_packaging(environ)
    words = ["run", "--no-project", "--python", _PYTHON, "--with-requirements", "requirements.txt", "train.py"]
    say(f"$ uv {shlex.join(words)}")
    _run([str(packaging.uv), *words], folder, packaging.variables)


def _register(folder: Path, environ: Mapping[str, str]) -> None:
    """Register what is not registered yet: a second demo must not count the versions up."""
    listed = subprocess.run(
        [sys.executable, "-m", "emulator", "model", "list", "-o", "json"],
        env=environ, cwd=folder, stdout=subprocess.PIPE, check=False,
    )  # fmt: skip
    known = [model["name"] for model in json.loads(listed.stdout or "[]")]
    for name, path in _MODELS:
        if name in known:
            known.remove(name)
        else:
            _amlemu(folder, environ, "model", "register", "--name", name, "--path", path)


def _show_preflight(folder: Path, environ: Mapping[str, str]) -> None:
    """What a browser's preflight meets: the front door, never the container."""
    words = ["invoke", _ENDPOINT, "--method", "OPTIONS"]
    say(f"$ amlemu {shlex.join(words)}    # as a browser's preflight: only GET and POST pass")
    subprocess.run([sys.executable, "-m", "emulator", *words], env=environ, cwd=folder, check=False)


def _amlemu(folder: Path, environ: Mapping[str, str], *words: str) -> None:
    say(f"$ amlemu {shlex.join(words)}")
    _run([sys.executable, "-m", "emulator", *words], folder, environ)


def _run(command: list[str], folder: Path, environ: Mapping[str, str]) -> None:
    code = subprocess.run(command, cwd=folder, env=environ, check=False).returncode
    if code != 0:
        raise click.exceptions.Exit(code)
