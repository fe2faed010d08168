"""What the gateway costs in front of a real azureml-inference-server-http.

    .venv/bin/python benchmarks/gateway.py [--json FILE] [--rounds N] [--seconds S] [--server-python PYTHON]

Measures the scoring server directly and through the gateway, turn and turn about in one run, because the machine's
own speed changes from minute to minute; only the ratios of one run mean something.  Reported are medians over the
rounds of

* throughput kept with 8 keep-alive connections (target: at least 0.9 of direct),
* latency added to the median with one connection (target: at most 0.4 ms),
* throughput with 8 connections while 500 other clients keep idle connections to the gateway.

The load comes from `wrk` when it is there (`apt-get install wrk`), else from a small asyncio and httptools client in
a process of its own.  `--server-python` is an interpreter that has azureml-inference-server-http; without it one is
made with uv in the user's cache.
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
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httptools
import platformdirs

from emulator.gateway import DeploymentRoute, EndpointRoute, Gateway, Instance
from emulator.profiles import profile_of

KEY = "benchmark-key"
BODY = b'{"data": [[1, 2, 3, 4]]}'
WORKERS = 4
CONNECTIONS = 8
IDLE_CLIENTS = 500
KEPT_AT_LEAST = 0.9
ADDED_AT_MOST_MS = 0.4

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

    requests_per_second: float
    p50_ms: float


@dataclass(frozen=True)
class Result:
    """Medians over the rounds."""

    generator: str
    rounds: int
    direct_rps: float
    through_rps: float
    kept: float
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
    parser.add_argument("--server-python", type=Path, help="interpreter with azureml-inference-server-http")
    parser.add_argument("--load", nargs=3, metavar=("URL", "CONNECTIONS", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        print(json.dumps(asyncio.run(_generate(options.load[0], int(options.load[1]), float(options.load[2])))))
        return
    result = measure(options.server_python or _server_python(), options.rounds, options.seconds)
    print(report(result))
    if options.json:
        options.json.write_text(json.dumps(asdict(result), indent=2) + "\n")


def measure(server_python: Path, rounds: int, seconds: float) -> Result:
    """Start server and gateway, run the rounds."""
    wrk = shutil.which("wrk")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server_port = stack.enter_context(scoring_server(server_python, folder))
        gateway_port = stack.enter_context(gateway_to(server_port))
        script = folder / "post.lua"
        script.write_text(WRK_SCRIPT % (BODY.decode(), KEY))

        def load(port: int, connections: int) -> Load:
            url = f"http://127.0.0.1:{port}/score"
            return _wrk(wrk, script, url, connections, seconds) if wrk else _python(url, connections, seconds)

        load(server_port, CONNECTIONS)  # warm-up
        load(gateway_port, CONNECTIONS)
        taken = [_round(load, server_port, gateway_port) for _ in range(rounds)]
    return _result("wrk" if wrk else "asyncio", taken)


def _round(load: Any, direct: int, through: int) -> dict[str, float]:
    one_direct, one_through = load(direct, 1), load(through, 1)
    many_direct, many_through = load(direct, CONNECTIONS), load(through, CONNECTIONS)
    with idle_clients(through, IDLE_CLIENTS):
        with_idle = load(through, CONNECTIONS)
    return {
        "direct_rps": many_direct.requests_per_second,
        "through_rps": many_through.requests_per_second,
        "with_idle_rps": with_idle.requests_per_second,
        "kept": many_through.requests_per_second / many_direct.requests_per_second,
        "kept_with_idle": with_idle.requests_per_second / many_direct.requests_per_second,
        "direct_p50_ms": one_direct.p50_ms,
        "through_p50_ms": one_through.p50_ms,
        "added_ms": one_through.p50_ms - one_direct.p50_ms,
    }


def _result(generator: str, taken: list[dict[str, float]]) -> Result:
    medians = {name: round(statistics.median(one[name] for one in taken), 4) for name in taken[0]}
    return Result(generator=generator, rounds=len(taken), **medians)


def report(result: Result) -> str:
    """The table that is printed."""
    lines = [
        f"azmlinfsrv with {WORKERS} workers; load from {result.generator}; medians of {result.rounds} rounds",
        f"{'':34}{'direct':>10}{'gateway':>10}{'':>4}",
        f"{f'requests/s, {CONNECTIONS} connections':34}{result.direct_rps:10.0f}{result.through_rps:10.0f}"
        f"    kept {result.kept:.2f} (target {KEPT_AT_LEAST} or more)",
        f"{f'the same, {IDLE_CLIENTS} idle clients':34}{'':10}{result.with_idle_rps:10.0f}"
        f"    kept {result.kept_with_idle:.2f}",
        f"{'p50 in ms, 1 connection':34}{result.direct_p50_ms:10.2f}{result.through_p50_ms:10.2f}"
        f"    added {result.added_ms:.2f} (target {ADDED_AT_MOST_MS} or less)",
    ]
    return "\n".join(lines)


# What is measured.


def _server_python() -> Path:
    """An interpreter with azureml-inference-server-http, made once."""
    folder = Path(platformdirs.user_cache_dir("amlemu")) / "benchmarks" / "server"
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--clear", str(folder)], check=True)
        install = [*uv, "pip", "install", "--quiet", "--python", str(python), "azureml-inference-server-http"]
        subprocess.run(install, check=True)
        (folder / ".ready").touch()
    return python


@contextmanager
def scoring_server(python: Path, folder: Path) -> Iterator[int]:
    """A running azmlinfsrv with a small undecorated script; its port."""
    (folder / "score.py").write_text(SCORE)
    port = _free_port()
    command = [str(python), "-m", "azureml_inference_server_http.amlserver"]
    command = [str(python.parent / "azmlinfsrv")] if (python.parent / "azmlinfsrv").exists() else command
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--entry_script", "score.py", "--port", str(port)],
            cwd=folder,
            env={**os.environ, "WORKER_COUNT": str(WORKERS), "AZUREML_LOG_LEVEL": "ERROR"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_healthy(port, process, folder / "server.log")
            yield port
        finally:
            process.terminate()
            process.wait(30)


def _wait_until_healthy(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2):
                return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    sys.exit(f"the scoring server did not start:\n{log.read_text()[-2000:]}")


@contextmanager
def gateway_to(port: int) -> Iterator[int]:
    """A gateway with one managed endpoint in front of that port; the endpoint's port."""
    gateway = Gateway("127.0.0.1", 0, lambda _endpoint, _line: None)
    gateway.start()
    try:
        deployment = DeploymentRoute("blue", 100, (Instance("blue-1", "127.0.0.1", port),))
        route = EndpointRoute("benchmark", _free_port(), profile_of("managed"), (KEY,), (deployment,))
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


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as sock:
        return int(sock.getsockname()[1])


# What makes the load.


def _wrk(wrk: str, script: Path, url: str, connections: int, seconds: float) -> Load:
    command = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script), url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return _load(json.loads(output.strip().rpartition("\n")[2]))


def _python(url: str, connections: int, seconds: float) -> Load:
    command = [sys.executable, __file__, "--load", url, str(connections), str(seconds)]
    return _load(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def _load(figures: dict[str, float]) -> Load:
    if figures["errors"]:
        raise RuntimeError(f"{figures['errors']:.0f} requests failed")
    return Load(figures["requests"] / figures["seconds"], figures["p50_ms"])


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


async def _generate(url: str, connections: int, seconds: float) -> dict[str, float]:
    port = int(url.rpartition(":")[2].partition("/")[0])
    done: list[float] = []
    began = time.perf_counter()
    clients = [_Client(done, began + seconds, port) for _ in range(connections)]
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.create_connection(lambda c=c: c, "127.0.0.1", port) for c in clients))  # type: ignore[misc]
    await asyncio.gather(*(client.finished for client in clients))
    return {
        "requests": len(done),
        "seconds": time.perf_counter() - began,
        "p50_ms": statistics.median(done) * 1000,
        "errors": sum(client.errors for client in clients),
    }


if __name__ == "__main__":
    main()
