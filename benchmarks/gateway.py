"""What the gateway costs in front of a real azureml-inference-server-http.

    .venv/bin/python benchmarks/gateway.py [--json FILE] [--rounds N] [--seconds S] [--workers N]
                                           [--server-python PYTHON]

Measures the scoring server directly and through the gateway, turn and turn about in one run, because the machine's
own speed changes from minute to minute; only the ratios of one run mean something.  Reported are medians over the
rounds of

* throughput kept with 8 keep-alive connections (target: at least 0.95 of direct),
* latency added to the median with one connection (target: at most 0.3 ms),
* throughput with 8 connections while 500 other clients keep idle connections to the gateway.

Throughput comes from `wrk` when it is there (`apt-get install wrk`), else from a small asyncio and httptools client.
Latency comes from a client on a plain socket, whose clock starts when it wants to ask: azmlinfsrv closes each
connection after its answer, so asking it directly includes connecting to it, which wrk leaves out.  Each load runs in
a process of its own.

Beside the ratios stands the gateway's own processor time for each request.  With as many workers as cores, or more,
the scoring server takes every core, and whatever the gateway uses is missing from it: read `kept` together with that.

`--server-python` is an interpreter that has azureml-inference-server-http; without it one is made with uv in the
user's cache.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httptools
from scoring_server import SERVER, free_port, scoring_server, server_python

from emulator.gateway import Gateway
from emulator.profiles import profile_of
from emulator.routing.routes import DeploymentRoute, EndpointRoute, Instance

KEY = "benchmark-key"
BODY = b'{"data": [[1, 2, 3, 4]]}'
CONNECTIONS = 8
IDLE_CLIENTS = 500
KEPT_AT_LEAST = 0.95
ADDED_AT_MOST_MS = 0.3

SCORE = """
import json


def init():
    pass


def run(data):
    return {"result": [sum(row) for row in json.loads(data)["data"]]}
"""

WRK_SCRIPT = """
wrk.method = "POST"
wrk.body = '%s'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %s"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\n{"requests": %%d, "seconds": %%.6f, "p50_ms": %%.6f, "errors": %%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What one load run measured."""

    requests: float
    requests_per_second: float
    p50_ms: float


@dataclass(frozen=True)
class Result:
    """Medians over the rounds."""

    generator: str
    cores: int
    workers: int
    rounds: int
    direct_rps: float
    through_rps: float
    kept: float
    gateway_cpu_ms: float
    direct_p50_ms: float
    through_p50_ms: float
    added_ms: float
    with_idle_rps: float
    kept_with_idle: float


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the result there too")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each load run")
    parser.add_argument("--workers", type=int, default=4, help="WORKER_COUNT of the scoring server")
    parser.add_argument("--server-python", type=Path, help="interpreter with azureml-inference-server-http")
    parser.add_argument("--load", nargs=3, metavar=("PORT", "CONNECTIONS", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        port, connections, seconds = int(options.load[0]), int(options.load[1]), float(options.load[2])
        print(
            json.dumps(
                _one_by_one(port, seconds) if connections == 1 else asyncio.run(_many(port, connections, seconds))
            )
        )
        return
    result = measure(options.server_python or server_python(SERVER), options.workers, options.rounds, options.seconds)
    print(report(result))
    if options.json:
        options.json.write_text(json.dumps(asdict(result), indent=2) + "\n")


def measure(python: Path, workers: int, rounds: int, seconds: float) -> Result:
    """Start server and gateway, run the rounds."""
    wrk = shutil.which("wrk")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server_port = stack.enter_context(_server(python, workers, folder))
        gateway_port = stack.enter_context(gateway_to(server_port))
        script = folder / "post.lua"
        script.write_text(WRK_SCRIPT % (BODY.decode(), KEY))

        def load(port: int, connections: int) -> Load:
            if wrk and connections > 1:
                return _wrk(wrk, script, port, connections, seconds)
            return _python(port, connections, seconds)

        load(server_port, CONNECTIONS)  # warm-up
        load(gateway_port, CONNECTIONS)
        taken = [_round(load, server_port, gateway_port) for _ in range(rounds)]
    medians = {name: round(statistics.median(one[name] for one in taken), 4) for name in taken[0]}
    cores = len(os.sched_getaffinity(0))
    return Result(generator="wrk" if wrk else "asyncio", cores=cores, workers=workers, rounds=rounds, **medians)


def _round(load: Any, direct: int, through: int) -> dict[str, float]:
    one_direct, one_through = load(direct, 1), load(through, 1)
    many_direct = load(direct, CONNECTIONS)
    cpu = time.process_time()
    many_through = load(through, CONNECTIONS)
    cpu = time.process_time() - cpu
    with idle_clients(through, IDLE_CLIENTS):
        with_idle = load(through, CONNECTIONS)
    return {
        "direct_rps": many_direct.requests_per_second,
        "through_rps": many_through.requests_per_second,
        "with_idle_rps": with_idle.requests_per_second,
        "gateway_cpu_ms": cpu / many_through.requests * 1000,
        "kept": many_through.requests_per_second / many_direct.requests_per_second,
        "kept_with_idle": with_idle.requests_per_second / many_direct.requests_per_second,
        "direct_p50_ms": one_direct.p50_ms,
        "through_p50_ms": one_through.p50_ms,
        "added_ms": one_through.p50_ms - one_direct.p50_ms,
    }


def report(result: Result) -> str:
    """The table that is printed."""
    lines = [
        f"azmlinfsrv with {result.workers} workers on {result.cores} cores; load from {result.generator};"
        f" medians of {result.rounds} rounds",
        f"{'':34}{'direct':>10}{'gateway':>10}{'':>4}",
        f"{f'requests/s, {CONNECTIONS} connections':34}{result.direct_rps:10.0f}{result.through_rps:10.0f}"
        f"    kept {result.kept:.2f} (target {KEPT_AT_LEAST} or more)",
        f"{f'the same, {IDLE_CLIENTS} idle clients':34}{'':10}{result.with_idle_rps:10.0f}"
        f"    kept {result.kept_with_idle:.2f}",
        f"{'p50 in ms, 1 connection':34}{result.direct_p50_ms:10.2f}{result.through_p50_ms:10.2f}"
        f"    added {result.added_ms:.2f} (target {ADDED_AT_MOST_MS} or less)",
        f"{'processor ms of one request':34}{'':10}{result.gateway_cpu_ms:10.2f}",
    ]
    return "\n".join(lines)


# What is measured.


@contextmanager
def _server(python: Path, workers: int, folder: Path) -> Iterator[int]:
    """A running azmlinfsrv with a small undecorated script; its port."""
    script = folder / "score.py"
    script.write_text(SCORE)
    with scoring_server(python, script, folder / "server.log", workers=workers) as port:
        yield port


@contextmanager
def gateway_to(port: int) -> Iterator[int]:
    """A gateway with one managed endpoint in front of that port; the endpoint's port."""
    gateway = Gateway("127.0.0.1", 0, lambda _endpoint, _line: None)
    gateway.start()
    try:
        instances = (Instance("blue-1", "127.0.0.1", port),)
        deployment = DeploymentRoute("blue", 100, instances, max_concurrent=4, timeout_ms=5000)
        route = EndpointRoute("benchmark", free_port(), profile_of("managed"), (KEY,), (deployment,))
        gateway.put(route)
        yield route.port
    finally:
        gateway.stop(5.0)


@contextmanager
def idle_clients(port: int, count: int) -> Iterator[None]:
    """Clients that have had one answer and keep their connection without using it."""
    with ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port))))
            client.sendall(b"OPTIONS /score HTTP/1.1\r\nHost: x\r\n\r\n")
            if not client.recv(4096).startswith(b"HTTP/1.1 405"):
                raise RuntimeError("an idle client got no answer")
        yield


# What makes the load.


def _wrk(wrk: str, script: Path, port: int, connections: int, seconds: float) -> Load:
    url = f"http://127.0.0.1:{port}/score"
    command = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script), url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return _load(json.loads(output.strip().rpartition("\n")[2]))


def _python(port: int, connections: int, seconds: float) -> Load:
    command = [sys.executable, __file__, "--load", str(port), str(connections), str(seconds)]
    return _load(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def _load(figures: dict[str, float]) -> Load:
    if figures["errors"]:
        raise RuntimeError(f"{figures['errors']:.0f} requests failed")
    return Load(figures["requests"], figures["requests"] / figures["seconds"], figures["p50_ms"])


class _Client(asyncio.Protocol):
    """Sends one request after another; a new connection where the server ends the old one, as wrk does."""

    def __init__(self, done: list[float], stop_at: float, port: int) -> None:
        self.done, self.stop_at, self.port = done, stop_at, port
        self.finished = asyncio.get_running_loop().create_future()
        self.errors = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self._ask()

    def _ask(self) -> None:
        self.parser: Any = httptools.HttpResponseParser(self)
        self.began = time.perf_counter()
        self.transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        self.done.append(now - self.began)
        self.errors += self.parser.get_status_code() != 200
        if now >= self.stop_at:
            self.transport.close()
            self.finished.set_result(None)
        elif self.parser.should_keep_alive():
            asyncio.get_running_loop().call_soon(self._ask)
        else:
            self.transport.close()
            opening = asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self.port)
            task = asyncio.get_running_loop().create_task(opening)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


_REQUEST = (
    b"POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (KEY.encode(), len(BODY), BODY)
)


async def _many(port: int, connections: int, seconds: float) -> dict[str, float]:
    """Throughput of several connections."""
    done: list[float] = []
    began = time.perf_counter()
    clients = [_Client(done, began + seconds, port) for _ in range(connections)]
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.create_connection(partial(_same, client), "127.0.0.1", port) for client in clients))
    await asyncio.gather(*(client.finished for client in clients))
    return _figures(done, time.perf_counter() - began, sum(client.errors for client in clients))


def _same(client: _Client) -> _Client:
    return client


def _one_by_one(port: int, seconds: float) -> dict[str, float]:
    """Latency of one request after another, from wanting to ask to the end of the answer."""
    done: list[float] = []
    errors = 0
    sock: socket.socket | None = None
    began = now = time.perf_counter()
    while now < began + seconds:
        asked = now
        if sock is None:
            sock = socket.create_connection(("127.0.0.1", port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(_REQUEST)
        answer = _Whole()
        while not answer.complete:
            data = sock.recv(65536)
            if not data:
                raise RuntimeError("the connection ended in the middle of an answer")
            answer.parser.feed_data(data)
        now = time.perf_counter()
        done.append(now - asked)
        errors += answer.parser.get_status_code() != 200
        if not answer.parser.should_keep_alive():
            sock.close()
            sock = None
            now = time.perf_counter()
    if sock is not None:
        sock.close()
    return _figures(done, now - began, errors)


class _Whole:
    """Knows when an answer is complete."""

    def __init__(self) -> None:
        self.complete = False
        self.parser: Any = httptools.HttpResponseParser(self)

    def on_message_complete(self) -> None:
        self.complete = True


def _figures(done: list[float], seconds: float, errors: int) -> dict[str, float]:
    return {"requests": len(done), "seconds": seconds, "p50_ms": statistics.median(done) * 1000, "errors": errors}


if __name__ == "__main__":
    main()
