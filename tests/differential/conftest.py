"""One bare azmlinfsrv for each script, and one gateway in front of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from differential_answers import Served
from differential_requests import KEY, SCRIPTS, scripts
from gateway_support import Door
from scoring_server import scoring_server, server_python

from emulator.gateway import Gateway

REQUIREMENTS = (
    "azureml-inference-server-http==1.5.1",
    "inference-schema[numpy-support,pandas-support]",
    "numpy",
    "pandas",
)
# Servers that start at the same time: as many as the smallest machine has cores.
_TOGETHER = 2


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[int]]]:
    """The port of each script's server, to be waited for: they start a few at a time, while tests run already."""
    logs: Path = tmp_path_factory.mktemp("servers")
    python = server_python(*REQUIREMENTS)
    with ExitStack() as stack:
        running = stack.enter_context(ThreadPoolExecutor(_TOGETHER))

        def start(script: str) -> int:
            server = scoring_server(python, SCRIPTS / f"{script}.py", logs / f"{script}.log")
            return stack.enter_context(server)

        yield {script: running.submit(start, script) for script in scripts()}


@pytest.fixture(scope="session")
def served(servers: dict[str, Future[int]]) -> Iterator[Callable[[str], Served]]:
    """Finds the ports of a script; its endpoints are made when it is first asked for."""
    gateway = Gateway("127.0.0.1", 0, lambda _endpoint, _line: None)
    gateway.start()
    door, known = Door(gateway), dict[str, Served]()

    def of(script: str) -> Served:
        if script not in known:
            port = servers[script].result(120)
            name = script.replace("_", "-")
            local = door.serve(port, name=f"{name}-local", target="local", keys=())
            managed = door.serve(port, name=f"{name}-managed", target="managed", keys=(KEY,))
            known[script] = Served(port, local.port, managed.port, local.profile, managed.profile)
        return known[script]

    yield of
    gateway.stop(2.0)
