"""Many callers of the control API at once: those who follow keep nobody else waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from core_support import ADMIN, House
from fake_engine import Behaviour
from served import Served, serving

from emulator.client.client import Client
from emulator.control_api.api_version import API_VERSION
from emulator.control_api.bounded_streams import STREAMS, bounded_streams
from emulator.control_api.pools import ROOMS
from emulator.errors import OutOfQuota

DEPLOYS = 60


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def test_many_deploys_at_once_go_on_side_by_side_and_all_finish(tmp_path: Path) -> None:
    """All of them are followed while all of their containers start; meanwhile everybody else is answered."""
    house = House(tmp_path, ports=range(18100, 18100 + DEPLOYS))
    answers = threading.Event()
    house.engine.behaviour = Behaviour(answers=answers)
    request = {"code": str(house.code), "scoring_script": "score.py"}
    steps: list[str] = []

    def deploy(number: int) -> str:
        with Client(served.url, ADMIN) as client:
            made = client.deploy(f"many-{number}", "blue", request, lambda _kind, text: steps.append(text))
            return str(made["deployments"][0]["provisioning_state"])

    with serving(house) as served, ThreadPoolExecutor(DEPLOYS) as pool:
        deploys = pool.map(deploy, range(DEPLOYS))
        try:
            until(lambda: len(house.engine.containers()) == DEPLOYS)
            with Client(served.url, ADMIN) as client:
                assert client.describe(timeout_seconds=5)["version"] == "0"
        finally:
            answers.set()
        assert list(deploys) == ["Succeeded"] * DEPLOYS
        assert sum(text.startswith("waiting for") for text in steps) == DEPLOYS
    house.settle()


def test_followers_of_logs_leave_threads_to_others(house: House) -> None:
    """Four may follow; a fifth follower is told so, until one goes."""
    house.deploy()
    with serving(house, streams=4) as served, Client(served.url, ADMIN) as client, ExitStack() as stack:
        logs = [stack.enter_context(Follower(served)) for _ in range(4)]
        with pytest.raises(OutOfQuota, match="4 callers follow") as refused:
            list(client.get_logs("iris", follow=True))
        assert "runs on" in refused.value.hint
        answer = served.ask("GET", "/onlineEndpoints/iris/logs?follow=true")
        assert (answer.status_code, answer.headers["x-amlemu-api-version"]) == (507, API_VERSION)
        assert client.get_endpoint("iris")["name"] == "iris"
        logs[0].close()
        until(lambda: can_follow(served))


class Follower:
    """One who has read the first line of a log, and waits for more."""

    def __init__(self, served: Served) -> None:
        self._client = Client(served.url, ADMIN)
        self._lines = self._client.get_logs("iris", follow=True)
        next(self._lines)

    def __enter__(self) -> Follower:
        return self

    def close(self) -> None:
        self._lines.close()  # type: ignore[attr-defined]

    def __exit__(self, *_: object) -> None:
        self.close()
        self._client.__exit__()


def can_follow(served: Served) -> bool:
    try:
        with Follower(served):
            return True
    except OutOfQuota:
        return False


class Answer:
    """An answer of unknown length."""

    def __init__(self, closed: list[str]) -> None:
        self._closed = closed

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"line"])

    def close(self) -> None:
        self._closed.append("closed")


def test_only_answers_of_unknown_length_are_counted() -> None:
    closed: list[str] = []
    statuses: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", environ["headers"])
        return [b"whole"] if environ["headers"] else Answer(closed)

    def ask(*headers: tuple[str, str]) -> Any:
        return bounded({"headers": list(headers)}, lambda status, _headers: statuses.append(status[:3]))

    bounded = bounded_streams(app, 1)
    first = ask()
    assert b"OutOfQuota" in b"".join(ask()) and closed == ["closed"]  # what is refused is not left open
    assert list(ask(("content-length", "5"))) == [b"whole"]
    assert list(first) == [b"line"]
    first.close()
    assert list(ask()) == [b"line"]
    assert statuses == ["200", "507", "200", "200"] and len(closed) == 2


def test_threads_are_left_beside_the_followers() -> None:
    assert 0 < STREAMS < ROOMS["streams"].threads
