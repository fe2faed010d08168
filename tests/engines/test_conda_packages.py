"""Real conda packages, out of a channel that is made here: solved, linked to the cloud's folder, and served from."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from amlemu_process import amlemu, json_of, temporary_environ
from conda_channel import PLACEHOLDER, File, add_package, add_python, add_wheels, index

from emulator.difference import texts
from emulator.engines import Engine
from emulator.engines.docker.engine import connect_docker_engine
from emulator.engines.packaging.python_packages import HostPackaging, read_host_packaging
from emulator.engines.process.engine import ProcessEngine
from emulator.environments import ENVIRONMENT_FOLDER, ImageSpec, image_spec, read_environment
from emulator.errors import EmulatorError, ImageBuildFailure
from emulator.system.package_files import launcher_text

_SCRIPT = f"#!{PLACEHOLDER}/bin/python\nprint('here')\n"
SERVER = "azureml-inference-server-http"


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A channel with this Python, numpy and more of PyPI, and packages that exist nowhere else."""
    folder, tools = tmp_path_factory.mktemp("channel"), tmp_path_factory.mktemp("tools")
    add_python(folder, tools)
    add_wheels(folder, tools, "pip", "numpy==1.26.4", "six", "flask==2.2.5")
    add_package(folder, "needs-old", "1.0", depends=["numpy <1.20"], noarch="generic")
    add_package(folder, "only-windows", "1.0", subdir="win-64")
    add_package(folder, "new-libc", "1.0", depends=["__glibc >=9"])
    tool = {
        "bin/tool": File(_SCRIPT.encode(), 0o755),
        "bin/.tool-post-link.sh": File(b"touch $PREFIX/finished\n", 0o755),
    }
    add_package(folder, "tool", "1.0", files=tool)
    broken = {"site-packages/broken.py": File(b"import one_that_is_missing\n")}
    add_package(folder, "broken", "1.0", depends=["python"], files=broken, noarch="python")
    return index(folder)


@pytest.fixture(scope="module")
def packaging(tmp_path_factory: pytest.TempPathFactory) -> HostPackaging:
    return read_host_packaging({**os.environ, "RATTLER_CACHE_DIR": str(tmp_path_factory.mktemp("conda"))})


@pytest.fixture
def engine(tmp_path: Path, packaging: HostPackaging) -> Iterator[ProcessEngine]:
    found = ProcessEngine(tmp_path / "process", "conda-tests", packaging)
    found.check()
    yield found
    found.close()


Build = Callable[..., list[str]]


def spec_of(channel: str, *dependencies: str, pip: tuple[str, ...] = ()) -> ImageSpec:
    lines = ["channels:", f"  - {channel}", "dependencies:", *(f"  - {text}" for text in dependencies)]
    lines += ["  - pip:", *(f"    - {text}" for text in pip)] if pip else []
    environment = read_environment("\n".join(lines), "conda.yml", lambda name: name)
    return image_spec(environment, launcher_text())


def build(engine: Engine, spec: ImageSpec) -> list[str]:
    """Build; the lines that were logged."""
    said: list[str] = []
    engine.build_image(spec, said.append, threading.Event())
    return said


def refusal(engine: Engine, spec: ImageSpec) -> EmulatorError:
    """Why the environment cannot be built."""
    with pytest.raises(ImageBuildFailure) as caught:
        build(engine, spec)
    return caught.value


def test_packages_are_linked_to_the_folder_of_the_cloud(channel: str, engine: ProcessEngine) -> None:
    spec = spec_of(channel, "python", "numpy=1.26", "tool", pip=(SERVER,))
    said = build(engine, spec)
    assert any(line.startswith("solved 4 conda packages") for line in said)
    image = engine.find_image(spec.digest)
    assert image
    venv = Path(image.reference) / "venv"
    assert (venv / "bin/tool").read_text().startswith(f"#!{ENVIRONMENT_FOLDER}/bin/python")
    start = (venv / "bin/azmlinfsrv").read_text()[:500]
    assert f"{ENVIRONMENT_FOLDER}/bin/python" in start
    assert ".building" not in start
    lock = (Path(image.reference) / "conda.lock").read_text()
    assert lock.startswith("@EXPLICIT")
    assert "#sha256:" in lock
    assert not (venv / "finished").exists()
    assert any("scripts that finish the installation of tool are not run" in text for text in texts(image.differences))


def test_records_tell_nothing_of_this_machine(channel: str, engine: ProcessEngine, packaging: HostPackaging) -> None:
    spec = spec_of(channel, "python", "six")
    build(engine, spec)
    records = list((engine_folder(engine, spec) / "conda-meta").glob("*.json"))
    assert records
    for record in records:
        assert str(packaging.conda_cache) not in record.read_text()


def engine_folder(engine: ProcessEngine, spec: ImageSpec) -> Path:
    image = engine.find_image(spec.digest)
    assert image
    return Path(image.reference) / "venv"


def test_a_package_that_is_not_there_has_near_names(channel: str, engine: ProcessEngine) -> None:
    error = refusal(engine, spec_of(channel, "python", "numpi"))
    assert "there is no conda package 'numpi': did you mean numpy?" in error.message


def test_a_version_that_is_not_there_is_told_with_those_that_are(channel: str, engine: ProcessEngine) -> None:
    error = refusal(engine, spec_of(channel, "python", "numpy=1.23"))
    assert "no version of conda package 'numpy' fits; the newest there are: 1.26.4" in error.message


def test_a_package_of_another_platform(channel: str, engine: ProcessEngine) -> None:
    error = refusal(engine, spec_of(channel, "python", "only-windows"))
    assert "conda package 'only-windows' has no build for linux-" in error.message
    assert "only for win-64" in error.message


def test_a_conflict_is_told_with_its_chain(channel: str, engine: ProcessEngine) -> None:
    error = refusal(engine, spec_of(channel, "python", "needs-old", "numpy=1.26"))
    assert "cannot be installed together" in error.message
    assert "needs-old" in error.message and "numpy <1.20" in error.message


def test_the_libc_of_the_container_counts(channel: str, engine: ProcessEngine) -> None:
    error = refusal(engine, spec_of(channel, "python", "new-libc"))
    assert "__glibc >=9" in error.message


def test_a_channel_that_is_not_there(engine: ProcessEngine, tmp_path: Path) -> None:
    error = refusal(engine, spec_of(f"file://{tmp_path}/none", "python"))
    assert error.message.startswith(f"there is no conda channel at file://{tmp_path}/none")


def test_an_environment_needs_a_python(channel: str, engine: ProcessEngine) -> None:
    assert "include no Python" in refusal(engine, spec_of(channel, "tool")).message


def test_a_conflict_of_the_server_with_a_conda_package_is_found_before_the_build(
    channel: str, engine: ProcessEngine
) -> None:
    error = refusal(engine, spec_of(channel, "python", "flask=2.2.5", pip=(f"{SERVER}==1.5.1",)))
    assert f"{SERVER}" in error.message and "flask==2.2.5" in error.message
    assert "conda" in error.hint


def test_pip_may_replace_what_nobody_has_pinned(channel: str, engine: ProcessEngine) -> None:
    spec = spec_of(channel, "python", "six", pip=("six==1.16.0",))
    build(engine, spec)
    (found,) = (engine_folder(engine, spec) / "lib").glob("python*/site-packages/six-*.dist-info")
    assert found.name == "six-1.16.0.dist-info"


def test_what_conda_has_is_not_installed_again(channel: str, engine: ProcessEngine) -> None:
    said = build(engine, spec_of(channel, "python", "numpy", pip=("inference-schema[numpy-support]",)))
    assert not any("numpy" in line for line in said if line.strip().startswith("+"))


def test_a_package_that_cannot_be_imported_fails_the_build(channel: str, engine: ProcessEngine) -> None:
    error = refusal(engine, spec_of(channel, "python", "broken"))
    assert "package broken cannot be imported (import broken): ModuleNotFoundError" in error.message
    assert "one_that_is_missing" in error.message


def test_a_package_for_numpy_1_beside_numpy_2_fails_the_build(channel: str, engine: ProcessEngine) -> None:
    error = refusal(engine, spec_of(channel, "python", pip=("h5py==3.10.0", "numpy==2.2.6")))
    assert "package h5py cannot be imported" in error.message
    assert "numpy<2" in error.hint


SCORE = """
import sys, os, numpy

def init():
    pass

def run(data):
    return [sys.prefix, sys.executable, numpy.__version__, os.environ["AZUREML_CONDA_ENVIRONMENT_PATH"],
            os.environ["LD_LIBRARY_PATH"], os.environ["MINE"]]
"""
CONDA_FILE = f"""
name: from-channels
channels: [mine]
dependencies:
  - python
  - mine::numpy=1.26
  - pip
  - pip: [{SERVER}]
prefix: /home/nobody/envs/x
variables: {{MINE: "yes"}}
"""


@pytest.fixture
def own(channel: str, packaging: HostPackaging) -> Iterator[dict[str, str]]:
    """A shell for an emulator of this test's own, whose channel `mine` lies in a folder."""
    with temporary_environ() as environ:
        cache = {"RATTLER_CACHE_DIR": str(packaging.conda_cache)}
        yield {**environ, "AMLEMU_CONDA_CHANNELS": f"mine={channel}", **cache}


@pytest.mark.row("container.library_path", "environment.conda_packages")
@pytest.mark.parametrize("name", ["process", pytest.param("docker", marks=pytest.mark.docker)])
def test_a_deployment_is_served_from_the_conda_environment(own: dict[str, str], tmp_path: Path, name: str) -> None:
    (tmp_path / "score.py").write_text(SCORE)
    (tmp_path / "conda.yml").write_text(CONDA_FILE)
    environ = {**own, "AMLEMU_ENGINE": name}
    shown = json_of(environ, "environment", "show", tmp_path / "conda.yml")
    assert shown["conda_dependencies"] == ["python", "mine::numpy=1.26", "pip"]
    endpoint = json_of(environ, "deploy", "--entry", tmp_path / "score.py", "--name", "conda", "--conda", "auto")
    (deployment,) = endpoint["deployments"]
    assert not any("PyPI" in text for text in deployment["differences"])
    answer = json.loads(amlemu(environ, "invoke", "conda", "--data", "1").stdout)
    python = f"{ENVIRONMENT_FOLDER}/bin/python"
    assert answer == [ENVIRONMENT_FOLDER, python, "1.26.4", ENVIRONMENT_FOLDER, f"{ENVIRONMENT_FOLDER}/lib", "yes"]


@pytest.mark.docker
def test_an_image_holds_the_same_packages(channel: str, packaging: HostPackaging) -> None:
    engine = connect_docker_engine("conda-tests", packaging)
    try:
        spec = spec_of(channel, "python", "numpy=1.26", "tool", pip=(SERVER,))
        build(engine, spec)
        assert engine.find_image(spec.digest)
        failure = refusal(engine, spec_of(channel, "python", "broken"))
        assert "package broken cannot be imported (import broken)" in failure.message
        code = (
            f"import os, numpy, azureml_inference_server_http; assert os.path.exists('{ENVIRONMENT_FOLDER}/finished');"
            "print(numpy.__version__, os.environ['LD_LIBRARY_PATH'])"
        )
        said = engine._client.containers.run(
            f"amlemu/environment:{spec.digest[:16]}", ["-c", code], entrypoint="python", remove=True
        )
        assert said.decode().split() == ["1.26.4", f"{ENVIRONMENT_FOLDER}/lib"]
    finally:
        engine.prune(set())
        engine.close()
