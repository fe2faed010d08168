"""How long the control API takes with many endpoints: the time of one `show`, of a list of all, of the metrics page.

    .venv/bin/python benchmarks/control_api.py [--endpoints N] [--requests N]

A real emulator runs in a process of its own, with the process engine and a home of its own in which each endpoint has
one deployment; requests go over one connection that is kept.  The deployments serve nobody: what a container answers is
no matter of the control API.
"""

from __future__ import annotations

import argparse
import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from emulator.azure_paths import OWN_PATH, WORKSPACE_PATH
from emulator.client.client import Client
from emulator.entities import CodeConfiguration, EndpointKeys, OnlineDeployment, OnlineEndpoint
from emulator.errors import EmulatorError
from emulator.store import Store

WARM_UP = 5
TOKEN = "a-token-of-the-benchmark"
START_SECONDS = 120.0
SHOWN = f"{WORKSPACE_PATH}/onlineEndpoints/endpoint-7"
LISTED = f"{WORKSPACE_PATH}/onlineEndpoints"


@dataclass(frozen=True)
class Question:
    """What is asked, how often, and how long the median answer may take; None where there is no bound."""

    name: str
    path: str
    requests: int
    at_most_ms: float | None


def main() -> None:
    """Measure and print; exit code 1 where a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoints", type=int, default=500)
    parser.add_argument("--requests", type=int, default=400, help="how often one endpoint is shown")
    options = parser.parse_args()
    questions = (
        Question("show one endpoint", SHOWN, options.requests, 5.0),
        Question(f"list {options.endpoints} endpoints", LISTED, max(20, options.requests // 10), 50.0),
        Question("metrics", f"{OWN_PATH}/metrics", max(20, options.requests // 10), None),
        Question("health", f"{OWN_PATH}/health", options.requests, None),
        Question("ready", f"{OWN_PATH}/ready", options.requests, None),
    )
    with tempfile.TemporaryDirectory(prefix="amlemu-benchmark-") as folder:
        control, gateway, *ports = free_ports(options.endpoints + 2)
        fill(Path(folder), ports)
        with emulator(Path(folder), control, gateway) as port:
            kept = [measured(port, question) for question in questions]
    sys.exit(0 if all(kept) else 1)


def free_ports(count: int) -> list[int]:
    """That many ports, no two the same."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def fill(home: Path, ports: Sequence[int]) -> None:
    """A store with an endpoint for each of the ports."""
    store = Store(home)
    for number, port in enumerate(ports):
        name = f"endpoint-{number}"
        endpoint = OnlineEndpoint(
            name=name,
            port=port,
            traffic={"blue": 100},
            provisioning_state="Succeeded",
            created_at="2026-01-01T00:00:00.000+00:00",
        )
        store.put_keys(name, EndpointKeys(primary_key=f"primary-{number}", secondary_key=f"secondary-{number}"))
        store.put_endpoint(endpoint)
        store.put_deployment(deployment(name))


def deployment(endpoint_name: str) -> OnlineDeployment:
    """One that does not serve, with as many words as one that does."""
    return OnlineDeployment(
        name="blue",
        endpoint_name=endpoint_name,
        generation=1,
        models=("my_model:1", "my_other_model:3"),
        code_configuration=CodeConfiguration(code="/home/me/project/src", scoring_script="score.py"),
        environment="sklearn:1",
        environment_source="conda.yml",
        image="0" * 64,
        image_reference="amlemu/env:000000000000",
        engine="process",
        target="managed",
        environment_variables={"LOG_LEVEL": "info"},
        differences=("conda packages come from PyPI", "no private network"),
        provisioning_state="Failed",
        error=EmulatorError("nothing is deployed").to_dict(),
        created_at="2026-01-01T00:00:00.000+00:00",
    )


@contextmanager
def emulator(home: Path, port: int, gateway_port: int) -> Iterator[int]:
    """An emulator of that home; its control port."""
    variables = {"AMLEMU_ENGINE": "process", "AMLEMU_HOME": str(home), "AMLEMU_TOKEN": TOKEN, "AMLEMU_URL": ""}
    variables |= {"AMLEMU_PORT": str(port), "AMLEMU_GATEWAY_PORT": str(gateway_port)}
    command = [sys.executable, "-m", "emulator", "up"]
    with subprocess.Popen(command, env=os.environ | variables, cwd=home, stderr=subprocess.DEVNULL) as process:
        try:
            wait(process, port)
            yield port
        finally:
            process.terminate()


def wait(process: subprocess.Popen[bytes], port: int) -> None:
    """Return when the emulator answers."""
    deadline = time.monotonic() + START_SECONDS
    with Client(f"http://127.0.0.1:{port}", TOKEN) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                client.describe(timeout_seconds=1.0)
                return
            except EmulatorError:
                time.sleep(0.05)
    raise SystemExit("the emulator did not start")


def measured(port: int, question: Question) -> bool:
    """Ask, print, and say whether the bound was kept."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        taken, size = [], 0
        for number in range(-WARM_UP, question.requests):
            began = time.perf_counter()
            connection.request("GET", question.path, headers={"Authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            size = len(answer.read())
            if answer.status != 200:
                raise SystemExit(f"{question.path} answered {answer.status}")
            if number >= 0:
                taken.append((time.perf_counter() - began) * 1000)
    median, most = statistics.median(taken), question.at_most_ms
    verdict = "" if most is None else f"(at most {most:g}: {'kept' if median <= most else 'BROKEN'})"
    ninetieth = statistics.quantiles(taken, n=10)[-1]
    times = f"p50 {median:8.2f} ms   p90 {ninetieth:8.2f} ms"
    print(f"{question.name:24} {times}   {size:>9} bytes   {verdict}", flush=True)
    return most is None or median <= most


if __name__ == "__main__":
    main()
