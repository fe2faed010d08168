"""Thousands of hostile callers and a lying container: nothing breaks, nothing leaks, nobody else notices.

The seed is in pytest's header and in every failure; `--fuzz-seed N` runs the same attempts again.
"""

from __future__ import annotations

import gc
import json
import logging
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from fuzz_attempts import KEY
from gateway_support import Door, answering, ask, container, eventually, post

from emulator.gateway import Gateway
from emulator.routing.routes import EndpointRoute

_RATE = 300.0  # attempts in a second: two cores stay responsive, so that latencies mean something
_MEGABYTE = 1024 * 1024
_SETTLED_SECONDS = 8.0
# One for each request would be five thousand; the traffic log's thread may still know the last ones.
_OBJECTS = 100
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class World:
    """The process with callers and containers."""

    process: subprocess.Popen[str]
    seed: int

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the callers' process ended (seed {self.seed})"
        return dict(json.loads(line))

    def run(self, doors: list[tuple[str, int, str]], requests: int, first: int, *, hostile: bool) -> dict[str, Any]:
        """Have so many requests made; what was found."""
        assert self.process.stdin is not None
        order = {"hostile": hostile, "seed": self.seed, "first": first, "requests": requests, "rate": _RATE}
        print(json.dumps({**order, "doors": doors}), file=self.process.stdin, flush=True)
        return self.read()


@contextmanager
def world(seed: int) -> Iterator[World]:
    command = [sys.executable, str(Path(__file__).with_name("fuzz_world.py")), str(seed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield World(process, seed)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@dataclass
class Bystander:
    """Somebody who asks another endpoint all the time."""

    port: int
    statuses: set[int] = field(default_factory=set)
    seconds: list[float] = field(default_factory=list)

    @contextmanager
    def asking(self) -> Iterator[None]:
        self.seconds.clear()
        done = threading.Event()
        thread = threading.Thread(target=self._ask, args=(done,))
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _ask(self, done: threading.Event) -> None:
        while not done.wait(0.02):
            began = time.perf_counter()
            self.statuses.add(ask(self.port, post()).status)
            self.seconds.append(time.perf_counter() - began)

    @property
    def p50_ms(self) -> float:
        return statistics.median(self.seconds) * 1000


@contextmanager
def quiet_door() -> Iterator[Door]:
    """A gateway whose traffic log is kept by nobody, so that its memory is its own."""
    gateway = Gateway("127.0.0.1", 0, lambda _endpoint, _line: None)
    gateway.start()
    try:
        yield Door(gateway)
    finally:
        gateway.stop(2.0)


def endpoints(door: Door, ports: dict[str, Any]) -> tuple[list[EndpointRoute], list[tuple[str, int, str]]]:
    """An endpoint of each kind, and what the callers must know of it."""
    keys = (KEY.decode(),)
    routes = [
        door.serve(ports["honest"], name="guarded", target="managed", keys=keys),
        door.serve(ports["honest"], name="open", target="local", keys=()),
        door.serve(ports["honest"], name="shared", target="kubernetes", keys=keys),
        door.serve(ports["liar"], name="lied-to", target="managed", keys=keys),
    ]
    kinds = ("honest", "honest", "honest", "liar")
    doors = [
        (kind, door.gateway.shared_port if route.path_prefix else route.port, route.path_prefix)
        for kind, route in zip(kinds, routes, strict=True)
    ]
    return routes, doors


def resources() -> dict[str, int]:
    process = psutil.Process()
    return {"threads": process.num_threads(), "descriptors": process.num_fds()}


def fuzz(seed: int, requests: int, caplog: pytest.LogCaptureFixture, *, memory_mb: int) -> None:
    """Honest load, then hostile load, of that many requests.

    Objects are counted for leaks; `memory_mb` bounds what the process may grow by, fragments of its memory included.
    """
    caplog.set_level(logging.WARNING)
    with quiet_door() as door, container(answering(OK)) as other, world(seed) as outside:
        routes, doors = endpoints(door, outside.read())
        bystander = Bystander(door.serve(other.port, name="bystander").port)
        with bystander.asking():
            calm = outside.run(doors[:3], 1500, 0, hostile=False)
        calm_ms = bystander.p50_ms
        outside.run(doors, 2500, 1_000_000, hostile=True)  # so that buffers are as large as they get
        before, objects, memory = settled(door, routes), objects_now(), psutil.Process().memory_info().rss
        with bystander.asking():
            found = outside.run(doors, requests, 2_000_000, hostile=True)
        print(f"seed {seed}: {found}; a bystander's p50 {calm_ms:.2f} ms before, {bystander.p50_ms:.2f} ms now")
        told = f"repeat with --fuzz-seed {seed} --fuzz-requests {requests}"
        assert found["faults"] == calm["faults"] == [], told
        assert found["requests"] >= requests
        assert bystander.statuses == {200}, told
        assert bystander.p50_ms <= calm_ms * 3 + 1, told
        left = settled(door, routes, before)
        assert all(left[name] <= before[name] for name in before), (told, before, left)
        eventually(lambda: objects_now() - objects < _OBJECTS)  # timers know some connections for seconds
        assert psutil.Process().memory_info().rss - memory < memory_mb * _MEGABYTE, told
        assert [record.getMessage() for record in caplog.records] == [], told


def settled(door: Door, routes: list[EndpointRoute], at_most: dict[str, int] | None = None) -> dict[str, int]:
    """What is in use when nothing is in flight and what is kept for some seconds has gone.

    Connections to containers are kept for a moment, and a caller that sends on behind its refusal is listened to for a
    while.  Ends as soon as no more than `at_most` is in use.
    """
    eventually(lambda: all(idle(door, route) for route in routes))
    kept, end = resources(), time.monotonic() + _SETTLED_SECONDS
    while time.monotonic() < end and not (at_most and all(kept[name] <= at_most[name] for name in kept)):
        time.sleep(0.1)
        kept = {name: min(kept[name], now) for name, now in resources().items()}
    return kept


def objects_now() -> int:
    """Requests, connections and whatever else of the gateway's own is in memory."""
    gc.collect()
    return sum(type(one).__module__.startswith("emulator.gateway.") for one in gc.get_objects())


def idle(door: Door, route: EndpointRoute) -> bool:
    return all(door.gateway.in_flight(one.id) == 0 for all_ in route.deployments for one in all_.instances)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--fuzz-seed"))


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Callable[[int], int]:
    asked = request.config.getoption("--fuzz-requests")
    return lambda usual: int(asked or usual)


def test_five_thousand_hostile_requests(
    seed: int, count: Callable[[int], int], caplog: pytest.LogCaptureFixture
) -> None:
    fuzz(seed, count(5_000), caplog, memory_mb=24)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_hundred_thousand_hostile_requests(
    seed: int, count: Callable[[int], int], caplog: pytest.LogCaptureFixture
) -> None:
    fuzz(seed + 1, count(100_000), caplog, memory_mb=96)
