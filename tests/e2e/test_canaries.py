"""Secrets of every kind go through everything that amlemu does; then everything that it left is searched for them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from amlemu_process import Environ, amlemu, temporary_environ
from far_away import remote, url_of
from projects import SERVER, project

VARIABLE, ENV_FILE, KEY, CHANNEL = (f"canary-{kind}-d41d8cd98f00b204" for kind in ("var", "file", "key", "pw"))
CANARIES = (VARIABLE, ENV_FILE, KEY, CHANNEL)


@dataclass(frozen=True)
class Done:
    """What was said by every command, and where the emulator works."""

    environ: Environ
    tokens: tuple[str, ...]
    said: str

    @property
    def secrets(self) -> tuple[str, ...]:
        return (*CANARIES, *self.tokens)


def everything(environ: Environ, folder: Path) -> Done:
    """An emulator for others, with all that can hold a secret; some of it fails on purpose."""
    amlemu(environ, "up", "--detach")
    admin = amlemu(environ, "token").stdout.strip()
    deployer = amlemu(environ, "token", "create", "ana").stdout.strip()
    far = remote(environ, folder, deployer, AMLEMU_URL=url_of(environ))
    script = project(folder / "code")
    (folder / "secrets.env").write_text(f"OF_THE_FILE={ENV_FILE}\n")
    (folder / "conda.yml").write_text(
        f"name: c\nchannels: ['https://me:{CHANNEL}@channel.invalid/x']\n"
        f"dependencies:\n  - python=3.11\n  - pip:\n    - {SERVER}"
    )
    deploy = ("deploy", "--name", "canaries", "--entry", script, "--primary-key", KEY)
    variables = ("--env", f"OF_THE_FLAG={VARIABLE}", "--env-file", folder / "secrets.env")
    runs = [
        amlemu(far, *deploy, *variables),
        amlemu(far, "environment", "register", "-f", folder / "conda.yml"),
        amlemu(far, "environment", "show", "c:1", "-o", "json"),
        amlemu(far, "environment", "list", "-o", "json"),
        amlemu(far, "environment", "build", "c:1", code=None),
        amlemu(far, "environment", "build", "c:1", "--conda", "channels", code=None),
        amlemu(far, "invoke", "canaries", "--data", "{}"),
        amlemu(far, "show", "canaries", "-o", "json"),
        amlemu(far, "list", "-o", "json"),
        amlemu(far, "tree", "canaries"),
        amlemu(far, "status", "-o", "json"),
        *(amlemu(far, "logs", "canaries", *kind) for kind in ((), ("--requests",), ("--events",))),
        *(
            amlemu(far, "export", "canaries", "--to", form, "--out", folder / f"export-{form}", code=None)
            for form in ("az-ml", "kubernetes", "compose")
        ),
        amlemu({**far, "AMLEMU_TOKEN": f"{deployer}x"}, "list", code=2),
    ]
    script.write_text("def init():\n    raise KeyError('broken')\n\ndef run(data):\n    pass\n")
    runs.append(amlemu(far, *deploy, *variables, code=5))
    url = url_of(environ)
    pages = [
        requests.get(f"{url}/_amlemu/{page}", headers={"Authorization": f"Bearer {deployer}"}, timeout=10).text
        for page in ("health", "ready", "info", "metrics", "openapi.json")
    ]
    said = "".join(run.stdout + run.stderr for run in runs) + "".join(pages)
    return Done(environ, (admin, deployer), said)


@pytest.fixture(scope="module", params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    with temporary_environ(request.param, AMLEMU_BIND_HOST="0.0.0.0") as environ:
        yield everything(environ, tmp_path_factory.mktemp("far"))


def test_nothing_that_was_said(done: Done) -> None:
    assert [secret for secret in done.secrets if secret in done.said] == []


def test_nothing_that_was_written(done: Done, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Logs, documents that others can read, exports; what holds secrets is its owner's alone."""
    home = Path(done.environ["AMLEMU_HOME"])
    exports = [path for path in tmp_path_factory.getbasetemp().glob("far*/export-*") if path.is_dir()]
    found = []
    for folder in (home, *exports):
        for path in folder.rglob("*"):
            if not path.is_file() or path.is_symlink() or "site-packages" in path.parts:
                continue
            content = path.read_bytes()
            if any(secret.encode() in content for secret in done.secrets) and path.stat().st_mode & 0o077:
                found.append(path.relative_to(folder).as_posix())
    assert found == []
    assert exports


@pytest.mark.parametrize("done", [pytest.param("docker", marks=pytest.mark.docker)], indirect=True)
def test_nothing_that_docker_shows_but_the_variables(done: Done) -> None:
    """A container has its variables; nothing else of it, and no image, has anything."""
    workspace = json.loads((Path(done.environ["AMLEMU_HOME"]) / "workspace.json").read_text())["id"]
    ids = _docker("ps", "--all", "--quiet", "--filter", f"label=amlemu.workspace={workspace}").split()
    assert ids
    for container in json.loads(_docker("inspect", *ids)):
        variables = container["Config"].pop("Env")
        assert any(VARIABLE in variable for variable in variables)
        assert not any(secret in json.dumps(container) for secret in done.secrets)
        image = container["Image"]
        shown = _docker("history", "--no-trunc", image) + _docker("inspect", image)
        assert not any(secret in shown for secret in done.secrets)


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout
