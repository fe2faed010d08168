"""Every curated environment is built once on each engine, serves, and imports what its name promises."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine_contract import LAUNCHER, Listener, answers, container_spec, managed_layout, temporary_engine, until

from emulator.difference import texts
from emulator.engines import Engine
from emulator.engines.docker.engine import connect_docker_engine
from emulator.engines.packaging.python_packages import read_host_packaging
from emulator.engines.process.engine import ProcessEngine
from emulator.environments import CURATED, CuratedEnvironment, curated_environment, image_spec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

_BUILD_IMAGES = Path(__file__).resolve().parents[2] / "images/python/build"
_START_SECONDS = 180.0
# A word of a curated environment's name, and the module that whoever chooses it imports.
_PROMISED = {
    "sklearn": "sklearn",
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
    "onnxruntime": "onnxruntime",
    "pytorch": "torch",
    "tensorflow": "tensorflow",
    "mlflow": "mlflow",
}
_SCRIPT = "import {module}\n\n\ndef init():\n    print({module}.__name__)\n\n\ndef run(data):\n    return 1\n"

Connect = Callable[[str], Engine]


def promised(name: str) -> str:
    """What an environment of that name must be able to import; each can import the server that it has.

    >>> promised("AzureML-pytorch-1.9-ubuntu18.04-py37-cpu-inference"), promised("minimal-py311-inference")
    ('torch', 'azureml_inference_server_http')
    """
    return next((module for word, module in _PROMISED.items() if word in name), "azureml_inference_server_http")


@pytest.fixture(scope="module", params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def connect(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Connect:
    packaging = read_host_packaging(os.environ)
    if request.param == "docker":
        return lambda workspace_id: connect_docker_engine(workspace_id, packaging)
    home = tmp_path_factory.mktemp("process")
    return lambda workspace_id: ProcessEngine(home / workspace_id, workspace_id, packaging)


@pytest.fixture
def engine(connect: Connect) -> Iterator[Engine]:
    """An engine for one environment, whose image goes with it: all of them would fill a disk."""
    with temporary_engine(connect) as engine:
        yield engine


@pytest.mark.parametrize("curated", CURATED, ids=lambda curated: curated.name)
def test_a_curated_environment_serves_and_imports_what_its_name_promises(
    engine: Engine, curated: CuratedEnvironment, tmp_path: Path
) -> None:
    if engine.name == "docker":
        made = subprocess.run([_BUILD_IMAGES, curated.python_version], capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
    spec = image_spec(curated_environment(curated), LAUNCHER)
    listener = Listener()
    image = engine.build_image(spec, listener, listener.canceled)
    layout = managed_layout(tmp_path / "layout", _SCRIPT.format(module=promised(curated.name)))
    container = engine.start(container_spec(spec.digest, layout))
    ready = until(lambda: answers(container) or not engine.inspect(container.id).running, _START_SECONDS)
    log = "\n".join(engine.logs(container.id))
    assert ready and engine.inspect(container.id).running, log
    assert promised(curated.name) in log
    print(*texts(image.differences), sep="\n")
