"""The Docker engine: the contract of every engine, and what only Docker has."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

pytest.register_assert_rewrite("engine_contract")

from engine_contract import EngineContract

from emulator.engines.docker import DockerEngine, connect_docker_engine
from emulator.engines.packages import HostPackaging, read_host_packaging

pytestmark = pytest.mark.docker


@pytest.fixture(scope="session")
def packaging() -> HostPackaging:
    return read_host_packaging(os.environ)


@pytest.fixture(scope="session")
def connect(packaging: HostPackaging) -> Callable[[str], DockerEngine]:
    return lambda workspace_id: connect_docker_engine(workspace_id, packaging)


class TestDockerKeepsTheContract(EngineContract):
    pass
