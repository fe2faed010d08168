"""The control API of a house on a real server and a free port, and a client of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from core_support import ADMIN, House

from emulator.azure_paths import WORKSPACE_PATH
from emulator.control_api import Services, all_restored, control_server, engine_answers
from emulator.control_api.bounded_streams import STREAMS
from emulator.control_api.http_server import CONNECTIONS
from emulator.routing.metrics import EndpointMetrics
from emulator.workspace.operations import Operations


class Served:
    """A house behind its door; what is asked has the admin's `token`, or none when that is ''."""

    def __init__(
        self,
        house: House,
        public_host: str = "",
        streams: int = STREAMS,
        most_connections: int = CONNECTIONS,
        token: str = ADMIN,
    ) -> None:
        self.house = house
        self.reported: list[BaseException] = []
        self.shutdowns: list[bool] = []
        self.metrics: list[EndpointMetrics] = []
        self.blocking_conditions: list[str] = []
        numbers = iter(range(1_000_000))
        self.operations = Operations(lambda: f"op{next(numbers)}", self.reported.append, house.effects.now)
        self.services = Services(
            workspace=house.workspace,
            operations=self.operations,
            public_host=public_host,
            shared_port=18081,
            describe=lambda: {"version": "0", "home": str(house.store.home)},
            shutdown=self.shutdowns.append,
            metrics=lambda: self.metrics,
            abandoned=lambda endpoint, deployment: sum(
                one.abandoned.get(deployment, 0) for one in self.metrics if one.endpoint == endpoint
            ),
            report=self.reported.append,
            conditions=(
                all_restored(house.workspace.restoring),
                engine_answers(house.engine.check),
                lambda: "; ".join(self.blocking_conditions),
            ),
        )
        sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._server = control_server(self.services, sock, streams, most_connections)
        self.port = int(self._server.effective_port)
        self.url = f"http://127.0.0.1:{self.port}"
        self._session = requests.Session()
        self._session.trust_env = False
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()

    def end(self) -> None:
        """End the server and its threads, whoever is still connected."""
        self._session.close()
        # Its loop ends when it has nothing to look at; only then is anything closed.
        self._server.trigger.pull_trigger(self._server._map.clear)
        self._thread.join(10)
        assert not self._thread.is_alive()
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        self._server.task_dispatcher.shutdown()
        self._server.close()

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """A request below the workspace's path, or of the server itself when `path` begins with `//`."""
        full = path[1:] if path.startswith("//") else WORKSPACE_PATH + path
        answer = self._session.request(method, self.url + full, timeout=10, **more)
        assert self.reported == [], "a bug was reported"
        return answer

    def error(self, method: str, path: str, **more: Any) -> tuple[int, str, str]:
        """Status, code and message of an error."""
        answer = self.ask(method, path, **more)
        told = answer.json()["error"]
        return answer.status_code, told["code"], told["message"]


@contextmanager
def serving(
    house: House,
    public_host: str = "",
    streams: int = STREAMS,
    most_connections: int = CONNECTIONS,
    token: str = ADMIN,
) -> Iterator[Served]:
    served = Served(house, public_host, streams, most_connections, token)
    try:
        yield served
    finally:
        served.end()
