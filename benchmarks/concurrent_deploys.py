"""How long many deploys at once take, beside the same containers started by the Docker Engine alone.

    .venv/bin/python benchmarks/concurrent_deploys.py [--count 50] [--rounds N] [--json FILE]

Both sides start the same image with the same mounts, variables and limits, all at the same time, and wait until each
server has answered `GET /` with 200.  They alternate, and medians are compared; what is deployed goes before the next
side begins.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import docker
from docker.types import LogConfig, Mount

from emulator.client.client import Client
from emulator.config.admin_token import read_admin_token
from emulator.containers.spec import SCORING_PORT

SCORE = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"
REQUIREMENTS = "azureml-inference-server-http==1.5.1\n"
BOUND = 1.3
AMLEMU = [sys.executable, "-m", "emulator"]
_LABEL = "amlemu.benchmark"
_FIRST_PORT, _PORTS = 21700, 200
_POLL_SECONDS = 0.05
_READY_SECONDS = 300.0


@dataclass(frozen=True)
class Round:
    """One side of a round: seconds until all served, of each by itself, and what went wrong."""

    all_seconds: float
    each_seconds: list[float]
    errors: list[str]


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="amlemu-bench-") as folder, _emulator(Path(folder)) as environ:
        bench = Bench(Path(folder) / "code", environ, options.count)
        bench.prepare()
        rounds = [(bench.engine_alone(), bench.amlemu()) for _ in range(options.rounds)]
    sides = {
        name: list(of_side) for name, of_side in zip(("engine alone", "amlemu"), zip(*rounds, strict=True), strict=True)
    }
    if options.json:
        told = {name: [asdict(one) for one in of_side] for name, of_side in sides.items()}
        options.json.write_text(json.dumps({"count": options.count, "bound": BOUND, "sides": told}, indent=1))
    return _print(sides, options.count)


def _print(sides: Mapping[str, list[Round]], count: int) -> int:
    """Medians, their ratio and the verdict; the exit code."""
    totals = {}
    for name, rounds in sides.items():
        totals[name] = statistics.median(one.all_seconds for one in rounds)
        each = statistics.median(seconds for one in rounds for seconds in one.each_seconds)
        print(f"{name:13} all {count} serve after {totals[name]:6.2f} s, one after {each:6.2f} s (medians)")
    errors = [error for rounds in sides.values() for one in rounds for error in one.errors]
    ratio = totals["amlemu"] / totals["engine alone"]
    holds = ratio <= BOUND and not errors
    verdict = "holds" if holds else "MISSED"
    print(f"{count} deploys at once / engine alone: {ratio:.2f} x (bound {BOUND:g}), errors {len(errors)}: {verdict}")
    for error in errors[:5]:
        print(f"  {error}")
    return 0 if holds else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


@contextmanager
def _emulator(folder: Path) -> Iterator[Mapping[str, str]]:
    """An emulator on Docker with a home of its own, ended and cleaned up with the context."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AMLEMU_")} | {
        "AMLEMU_HOME": str(folder / "home"),
        "AMLEMU_ENGINE": "docker",
        "AMLEMU_PORT": str(_free_port()),
        "AMLEMU_GATEWAY_PORT": str(_free_port()),
        "AMLEMU_ENDPOINT_PORTS": f"{_FIRST_PORT}-{_FIRST_PORT + _PORTS - 1}",
    }
    _run(environ, "up", "--detach")
    try:
        yield environ
    finally:
        _run(environ, "delete", "--all", "--yes")
        _run(environ, "prune")
        _run(environ, "down")


def _run(environ: Mapping[str, str], *words: str) -> str:
    done = subprocess.run([*AMLEMU, *words], env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"amlemu {' '.join(words)} failed:\n{done.stderr}")
    return done.stdout


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Bench:
    """The two sides, for `count` containers each."""

    def __init__(self, code: Path, environ: Mapping[str, str], count: int) -> None:
        self._code = code
        self._environ = environ
        self._count = count
        self._url = f"http://127.0.0.1:{environ['AMLEMU_PORT']}"
        self._like: dict[str, Any] = {}

    def prepare(self) -> None:
        """Build the image, and take down how a container of a deployment is started."""
        self._code.mkdir()
        (self._code / "score.py").write_text(SCORE)
        (self._code / "requirements.txt").write_text(REQUIREMENTS)
        self._deploy("like")
        workspace = json.loads(Path(self._environ["AMLEMU_HOME"], "workspace.json").read_text())["id"]
        with _docker() as client:
            (served,) = client.containers.list(filters={"label": f"amlemu.workspace={workspace}"})
            self._like = _arguments(served.attrs)

    def amlemu(self) -> Round:
        """Deploy that many endpoints through the control API, each with a client of its own that follows it."""
        names = [f"bench-{number}" for number in range(self._count)]
        try:
            return _at_once([partial(self._deploy, name) for name in names])
        finally:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(self._delete, names))

    def engine_alone(self) -> Round:
        """Create, start and wait for that many containers with the engine's own SDK."""
        with _docker() as client:
            try:
                return _at_once([lambda: _start(client, self._like)] * self._count)
            finally:
                left = client.containers.list(all=True, filters={"label": _LABEL})
                with ThreadPoolExecutor(8) as pool:
                    list(pool.map(lambda container: container.remove(force=True, v=True), left))

    def _client(self) -> Client:
        return Client(self._url, read_admin_token(Path(self._environ["AMLEMU_HOME"])))

    def _deploy(self, name: str) -> None:
        request = {"code": str(self._code), "scoring_script": "score.py"}
        with self._client() as client:
            client.deploy(name, "blue", request, lambda _kind, _text: None)

    def _delete(self, name: str) -> None:
        with self._client() as client:
            client.delete_endpoint(name)


def _at_once(works: list[Callable[[], None]]) -> Round:
    """Do all of it at the same time."""
    each: list[float] = []
    errors: list[str] = []
    began = time.perf_counter()

    def timed(work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # counted, whatever it is
            errors.append(f"{type(error).__name__}: {error}")
        each.append(time.perf_counter() - began)

    with ThreadPoolExecutor(len(works)) as pool:
        list(pool.map(timed, works))
    return Round(time.perf_counter() - began, each, errors)


@contextmanager
def _docker() -> Iterator[docker.DockerClient]:
    client = docker.from_env(timeout=120, max_pool_size=100)
    try:
        yield client
    finally:
        client.close()


def _arguments(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """How to create the same container again, but for its name and labels."""
    config, host = attributes["Config"], attributes["HostConfig"]
    mounts = [
        Mount(target=m["Destination"], source=m["Source"], type=m["Type"], read_only=not m["RW"])
        for m in attributes["Mounts"]
    ]
    return {
        "image": config["Image"],
        "environment": config["Env"],
        "working_dir": config["WorkingDir"],
        "mounts": mounts,
        "cap_drop": host["CapDrop"],
        "security_opt": host["SecurityOpt"],
        "log_config": LogConfig(type=host["LogConfig"]["Type"], config=host["LogConfig"]["Config"]),
        "pids_limit": host["PidsLimit"] or None,
        "mem_limit": host["Memory"] or None,
        "nano_cpus": host["NanoCpus"] or None,
        "labels": {_LABEL: "1"},
    }


def _start(client: docker.DockerClient, arguments: Mapping[str, Any]) -> None:
    container = client.containers.create(**arguments)
    container.start()
    container.reload()
    networks = container.attrs["NetworkSettings"]["Networks"].values()
    _wait_for_200(next(network["IPAddress"] for network in networks), SCORING_PORT)


def _wait_for_200(host: str, port: int) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(host, port, timeout=10)
        try:
            connection.request("GET", "/")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass  # not yet
        finally:
            connection.close()
        time.sleep(_POLL_SECONDS)
    raise TimeoutError(f"nothing answered at {host}:{port}")


if __name__ == "__main__":
    sys.exit(main())
