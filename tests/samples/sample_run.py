"""A sample trained, registered, deployed and called, as its README says."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import requests
from amlemu_process import Environ, amlemu, json_of
from compare import check_contains, check_same
from sample import ABSENT, Expect, Request, Sample, training_environment

from emulator.engines.packaging.python_packages import read_host_packaging

_TIMEOUT_SECONDS = 60.0


def train(sample: Sample, parent: Path) -> Path:
    """A fresh copy of the sample's folder below `parent`, with its model files made; the copy, under its own name.

    The packages of training are those of the deployment, as the samples' READMEs say.
    """
    folder = parent / sample.folder.name
    shutil.copytree(sample.folder, folder, ignore=_made_by_training if sample.train else None)
    if sample.train:
        python, requirements = training_environment(folder)
        assert python is not None
        assert sample.python in (None, python), "the sample's document and its environment name different Pythons"
        lines = parent / f"{folder.name}.requirements.txt"
        lines.write_text(requirements)
        packaging = read_host_packaging(os.environ)
        options = ["--no-project", "--no-config", "--python", python, "--with-requirements", str(lines)]
        options += [word for wheels in packaging.wheel_folders for word in ("--find-links", str(wheels))]
        command = [str(packaging.uv), "run", *options, sample.train]
        environ = dict(packaging.variables)
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return folder


def _made_by_training(folder: str, names: list[str]) -> list[str]:
    """What a training in the clone itself has left there; the samples' .gitignore names it."""
    patterns = (Path(__file__).parents[2] / "samples/.gitignore").read_text().splitlines()
    ignored = shutil.ignore_patterns(*(line.rstrip("/") for line in patterns if line and not line.startswith("#")))
    return list(ignored(folder, names))


def register(environ: Environ, sample: Sample, folder: Path) -> list[str]:
    """Register the sample's models; the references with which it deploys, in the versions that they were given.

    The samples share one registry, so a sample's version 1 may have another number there.
    """
    given: dict[str, str] = {}
    for number, model in enumerate(sample.models):
        own = f"{model.name}:{1 + sum(earlier.name == model.name for earlier in sample.models[:number])}"
        words = ("model", "register", "--name", model.name, "--path", model.path, "--type", model.type)
        given[own] = f"{model.name}:{json_of(environ, *words, cwd=folder)['version']}"
    return [given[reference] for reference in sample.deploy.models]


def deploy_words(sample: Sample, references: list[str]) -> list[str]:
    """The command that deploys a sample."""
    deploy = sample.deploy
    words = ["deploy", "--name", endpoint_name(sample)]
    options = {
        "--entry": deploy.entry,
        "--target": None if deploy.deployment_config else deploy.target,
        "--inference-config": deploy.inference_config,
        "--deployment-config": deploy.deployment_config,
        "--environment": deploy.environment,
        "--model-mount-path": deploy.model_mount_path,
    }
    words += [word for option, value in options.items() if value for word in (option, value)]
    words += [word for file in deploy.files for word in ("-f", file)]
    words += ["--all-traffic"] if deploy.files else []
    return [*words, *(word for reference in references for word in ("--model", reference))]


def endpoint_name(sample: Sample) -> str:
    """The endpoint of a sample."""
    return sample.id.replace("_", "-").replace(".", "-")


class Asking(Protocol):
    """What has requests: a sample, or a repository."""

    @property
    def id(self) -> str: ...

    @property
    def requests(self) -> Sequence[Request]: ...


def check_requests(environ: Environ, sample: Asking, folder: Path, endpoint: Mapping[str, Any]) -> None:
    """Send every request of the sample straight to the endpoint, as any client would, and compare what comes back."""
    base = endpoint["openapi_uri"].removesuffix("/swagger.json")
    keys = {"Authorization": f"Bearer {_key(environ, endpoint)}"} if endpoint["auth_mode"] == "key" else {}
    with requests.Session() as session:
        session.trust_env = False
        for request in sample.requests:
            with ExitStack() as stack:
                files = {name: stack.enter_context((folder / path).open("rb")) for name, path in request.files.items()}
                answer = session.request(
                    request.method,
                    base + request.path,
                    headers={**keys, **request.headers},
                    data=_body(request, folder),
                    files=files or None,
                    timeout=_TIMEOUT_SECONDS,
                )
            _check(answer, request.expect, f"{sample.id}, '{request.name}'")


def _key(environ: Environ, endpoint: Mapping[str, Any]) -> str:
    return str(json_of(environ, "keys", endpoint["name"])["primaryKey"])


def _body(request: Request, folder: Path) -> bytes | None:
    if request.body_file:
        return (folder / request.body_file).read_bytes()
    return request.body.encode() if request.body is not None else None


def _check(answer: requests.Response, expect: Expect, where: str) -> None:
    assert answer.status_code == expect.status, f"{where}: {answer.status_code} {answer.text}"
    for name, value in expect.headers.items():
        assert answer.headers.get(name, "").startswith(value), f"{where}: {name}: {answer.headers.get(name)}"
    if expect.text is not None:
        assert answer.text == expect.text, where
    if expect.json is not ABSENT:
        check_same(answer.json(), expect.json, where)
    if expect.json_contains is not ABSENT:
        check_contains(answer.json(), expect.json_contains, where)
    for name, value in expect.json_members.items():
        check_same(answer.json()[name], value, f"{where}: {name}")


def container_log(environ: Environ, sample: Sample) -> str:
    """What the container of a sample has said."""
    return amlemu(environ, "logs", endpoint_name(sample)).stdout
