"""Every sample, on every engine: trained, registered, deployed by the command line, called, compared, deleted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from amlemu_process import Environ, amlemu, json_of, shows_traceback, temporary_environ
from sample import Sample, read_samples
from sample_run import check_requests, container_log, deploy_words, endpoint_name, register

ENGINES = ("process", "docker")
SAMPLES = read_samples()

pytestmark = pytest.mark.timeout(900)


def runs(samples: list[Sample]) -> list[object]:
    """Every sample on every engine that can run it."""
    return [
        pytest.param(sample, engine, marks=marks(sample, engine), id=f"{sample.id}-{engine}")
        for engine in ENGINES
        for sample in samples
        if engine == "docker" or "docker" not in sample.needs
    ]


def marks(sample: Sample, engine: str) -> list[pytest.MarkDecorator]:
    """Large environments are slow on processes, where each run of the tests builds them anew; images stay."""
    if engine == "docker":
        return [pytest.mark.docker]
    return [pytest.mark.slow] if sample.heavy else []


@pytest.fixture
def environ(
    engine: str, sample: Sample, shell: Callable[[str], Environ], trained: Callable[[Sample], Path]
) -> Iterator[Environ]:
    """The engine's shell; what the test deploys is gone afterwards."""
    if engine == "process" and "java" in sample.needs and not shutil.which("java"):
        pytest.skip("java is not on PATH")
    environ = shell(engine)
    yield environ
    amlemu(environ, "delete", endpoint_name(sample), "--yes")


@pytest.mark.parametrize(("sample", "engine"), runs([s for s in SAMPLES if not s.deploy.fails]))
def test_a_sample_serves(environ: Environ, sample: Sample, engine: str, trained: Callable[[Sample], Path]) -> None:
    folder = trained(sample)
    endpoint = json_of(environ, *deploy_words(sample, register(environ, sample, folder)), cwd=folder)
    (deployment,) = endpoint["deployments"]
    assert (deployment["provisioning_state"], deployment["engine"]) == ("Succeeded", engine)
    if sample.deploy.target != "local":
        send_preflight(endpoint["scoring_uri"])
    check_requests(environ, sample, folder, endpoint)
    log = container_log(environ, sample)
    assert any(f"{request.method} /" in log for request in sample.requests)
    assert ("OPTIONS" in log) == (sample.deploy.target == "local" and "cors" in sample.id)


def send_preflight(scoring_uri: str) -> None:
    """What a browser asks first; the front door answers it, and never asks the container (row routing.methods)."""
    asks = {"Origin": "http://www.example.com", "Access-Control-Request-Method": "POST"}
    assert requests.options(scoring_uri, headers=asks, timeout=10, proxies={"no_proxy": "*"}).status_code == 405


@pytest.mark.parametrize(("sample", "engine"), runs([s for s in SAMPLES if s.deploy.fails]))
def test_a_sample_fails_as_it_says(
    environ: Environ, sample: Sample, engine: str, trained: Callable[[Sample], Path]
) -> None:
    folder = trained(sample)
    failed = amlemu(environ, *deploy_words(sample, register(environ, sample, folder)), cwd=folder, code=5)
    told = failed.stderr + container_log(environ, sample)
    assert [text for text in sample.deploy.fails if text not in told] == []
    (deployment,) = json_of(environ, "show", endpoint_name(sample))["deployments"]
    assert (deployment["provisioning_state"], deployment["engine"]) == ("Failed", engine)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if "java" in s.needs], ids=lambda sample: sample.id)
def test_without_java_the_process_engine_says_so(sample: Sample, tmp_path: Path) -> None:
    """The environment needs a Java that this machine lacks: told at once, before any package is fetched."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/part").write_text("untrained")
    with temporary_environ(PATH=path_without("java", tmp_path / "bin")) as environ:
        for model in sample.models:
            amlemu(environ, "model", "register", "--name", model.name, "--path", tmp_path / "model")
        failed = amlemu(environ, *deploy_words(sample, list(sample.deploy.models)), cwd=sample.folder, code=3)
    assert "EngineUnavailable: this environment needs a Java runtime" in failed.stderr
    assert "`java` is not on PATH" in failed.stderr
    assert not shows_traceback(failed.stderr)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if "docker" in s.needs], ids=lambda sample: sample.id)
def test_without_docker_the_process_engine_says_so(sample: Sample) -> None:
    """No process of this machine is a container: told at once."""
    with temporary_environ("process") as environ:
        for model in sample.models:
            amlemu(environ, "model", "register", "--name", model.name, "--path", sample.folder / model.path)
        failed = amlemu(environ, *deploy_words(sample, list(sample.deploy.models)), cwd=sample.folder, code=3)
    assert "EngineUnavailable: the process engine installs packages" in failed.stderr
    assert "--engine docker" in failed.stderr


def path_without(program: str, folder: Path) -> str:
    """This shell's PATH as one folder of links, without one program."""
    folder.mkdir()
    for directory in map(Path, os.environ["PATH"].split(os.pathsep)):
        for file in directory.iterdir() if directory.is_dir() else ():
            link = folder / file.name
            if file.name != program and not link.is_symlink():
                link.symlink_to(file)
    return str(folder)
