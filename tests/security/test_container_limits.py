"""A script gone wrong takes its container and not the machine: limits that hold where a deployment says nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import pytest
import requests
from amlemu_process import Environ, amlemu, json_of, temporary_environ, until
from projects import project

from emulator.config import read_settings
from emulator.containers.size import DEFAULT_LIMITS, DefaultLimits
from emulator.containers.spec import ContainerSpec
from emulator.engines.docker.container import Network, create_arguments
from emulator.errors import BadArgument, EmulatorError

MIB, GIB = 2**20, 2**30


@pytest.mark.parametrize(
    ("machine", "limit"), [(64 * GIB, 56 * GIB), (16 * GIB, 14 * GIB), (2 * GIB, 1536 * MIB), (512 * MIB, 256 * MIB)]
)
def test_the_machine_keeps_an_eighth_and_at_least_512_mib(machine: int, limit: int) -> None:
    assert DEFAULT_LIMITS.memory_on(machine) == limit
    assert DEFAULT_LIMITS.pids_limit == 4096


def test_limits_that_were_chosen() -> None:
    assert DefaultLimits(4 * GIB).memory_on(16 * GIB) == 4 * GIB
    assert DefaultLimits(32 * GIB).memory_on(16 * GIB) == 16 * GIB, "never more than there is"
    assert DefaultLimits(0, 0).memory_on(16 * GIB) is None
    assert DefaultLimits(0, 0).pids_limit is None


def arguments(**fields: Any) -> dict[str, Any]:
    spec = ContainerSpec("n", "digest", "/layout", None, {}, {}, **fields)
    return create_arguments(spec, "i", "w", Network(False), memory_bytes=GIB, pids_limit=4096)


def test_what_a_deployment_says_goes_before() -> None:
    plain, sized = arguments(), arguments(memory_bytes=2 * GIB, pids_limit=100)
    assert (plain["mem_limit"], plain["memswap_limit"], plain["pids_limit"]) == (GIB, GIB, 4096)
    assert (sized["mem_limit"], sized["memswap_limit"], sized["pids_limit"]) == (2 * GIB, 2 * GIB, 100)
    assert plain["log_config"]["Config"] == {"max-size": "16m", "max-file": "2"}, "a log does not fill the disk"


def settings_of(tmp_path: Path, toml: str = "", **environ: str) -> tuple[int | None, int]:
    (tmp_path / "amlemu.toml").write_text(toml)
    found = read_settings({"AMLEMU_HOME": str(tmp_path), "HOME": str(tmp_path), **environ}, tmp_path)
    return found.container_memory, found.container_pids


@pytest.mark.parametrize(
    ("text", "size"),
    [("auto", None), ("none", 0), ("0", 0), ("4g", 4 * GIB), ("512MiB", 512 * MIB), ("1073741824", GIB)],
)
def test_sizes_as_they_may_be_written(tmp_path: Path, text: str, size: int | None) -> None:
    assert settings_of(tmp_path, AMLEMU_CONTAINER_MEMORY=text) == (size, 4096)
    assert settings_of(tmp_path, f'container_memory = "{text}"') == (size, 4096)


def test_numbers_in_a_file_and_the_order_of_both(tmp_path: Path) -> None:
    toml = "container_memory = 1073741824\ncontainer_pids = 100\n"
    assert settings_of(tmp_path, toml) == (GIB, 100)
    assert settings_of(tmp_path, toml, AMLEMU_CONTAINER_PIDS="none", AMLEMU_CONTAINER_MEMORY="2g") == (2 * GIB, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AMLEMU_CONTAINER_MEMORY", "much"),
        ("AMLEMU_CONTAINER_MEMORY", "-1"),
        ("AMLEMU_CONTAINER_MEMORY", "1.5g"),
        ("AMLEMU_CONTAINER_MEMORY", "1k"),
        ("AMLEMU_CONTAINER_MEMORY", "9" * 18 + "t"),
        ("AMLEMU_CONTAINER_MEMORY", "9" * 5000),
        ("AMLEMU_CONTAINER_PIDS", "-1"),
        ("AMLEMU_CONTAINER_PIDS", "1"),
        ("AMLEMU_CONTAINER_PIDS", "many"),
        ("AMLEMU_CONTAINER_PIDS", "99999999999"),
    ],
)
def test_a_limit_that_is_none_is_told_of(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(BadArgument, match=name):
        settings_of(tmp_path, **{name: value})


@pytest.mark.parametrize("toml", ["container_memory = true", "container_pids = 4096.5", "container_pids = []"])
def test_a_limit_of_another_type_is_told_of(tmp_path: Path, toml: str) -> None:
    with pytest.raises(EmulatorError, match="one fault"):
        settings_of(tmp_path, toml)


# With Docker: a fork bomb and a memory hog, each within bounds of its own


SCRIPT = """
import json, os, signal, time

def take(mebibytes):
    block = bytearray(mebibytes * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    return len(block)

def bomb(most):
    children = []
    try:
        for _ in range(most):
            child = os.fork()
            if child == 0:
                time.sleep(20)
                os._exit(0)
            children.append(child)
    except OSError as error:
        return [len(children), error.strerror]
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return [len(children), ""]

def init():
    if os.environ.get("TAKE"):
        take(int(os.environ["TAKE"]))

def run(body):
    asked = json.loads(body)
    return bomb(asked["bomb"]) if "bomb" in asked else take(asked["mebibytes"])
"""


@pytest.fixture(scope="module")
def environ() -> Iterator[Environ]:
    limits = {"AMLEMU_CONTAINER_MEMORY": "300m", "AMLEMU_CONTAINER_PIDS": "100"}
    with temporary_environ(engine="docker", **limits) as environ:
        amlemu(environ, "up", "--detach")
        yield environ


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project(tmp_path_factory.mktemp("limits"), SCRIPT)


@pytest.fixture(scope="module")
def uri(environ: Environ, code: Path) -> str:
    words = ("deploy", "--name", "held", "--entry", code, "--instance-count", "2")
    return str(json_of(environ, *words)["scoring_uri"])


def score(environ: Environ, uri: str, body: Mapping[str, int]) -> requests.Response:
    key = json_of(environ, "keys", "held")["primaryKey"]
    return requests.post(uri, json=dict(body), headers={"Authorization": f"Bearer {key}"}, timeout=60)


@pytest.mark.docker
def test_each_instance_has_the_limits(environ: Environ, uri: str) -> None:
    workspace = json_of(environ, "status")["workspace_id"]
    client = docker.from_env()
    try:
        held = client.containers.list(filters={"label": f"amlemu.workspace={workspace}"})
        told = [container.attrs["HostConfig"] for container in held]
    finally:
        client.close()
    assert uri
    assert [(host["Memory"], host["MemorySwap"], host["PidsLimit"]) for host in told] == [
        (300 * MIB, 300 * MIB, 100)
    ] * 2
    assert all(host["LogConfig"]["Config"]["max-size"] for host in told)


@pytest.mark.docker
def test_a_fork_bomb_ends_at_the_limit_and_the_deployment_serves_on(environ: Environ, uri: str) -> None:
    started, why = score(environ, uri, {"bomb": 200}).json()
    assert 0 < started < 100 and "unavailable" in why
    assert score(environ, uri, {"mebibytes": 1}).json() == MIB


@pytest.mark.docker
def test_a_memory_hog_is_killed_and_told_of_without_an_instance_type(environ: Environ, uri: str) -> None:
    assert score(environ, uri, {"mebibytes": 600}).status_code == 424
    events = until(lambda: [e for e in log_of(environ) if "out of memory" in e], "the event", 20)
    assert "(limit: 300 MiB)" in events[0]
    (deployment,) = json_of(environ, "show", "held")["deployments"]
    assert not [text for text in deployment["differences"] if "instance_type" in text or "memory" in text]
    assert until(lambda: score(environ, uri, {"mebibytes": 1}).status_code == 200, "another worker serves", 30)


def log_of(environ: Environ) -> list[str]:
    return amlemu(environ, "logs", "held", "--events", code=None).stdout.splitlines()


@pytest.mark.docker
def test_a_hog_in_init_fails_the_deployment_as_out_of_memory(environ: Environ, code: Path) -> None:
    done = amlemu(environ, "deploy", "--name", "hog", "--entry", code, "--env", "TAKE=600", code=None)
    assert done.returncode not in (0, 1)
    told = " ".join((done.stdout + done.stderr).split())
    assert "ran out of memory: its limit is 300 MiB, as for every container without one of its own" in told
    assert "AMLEMU_CONTAINER_MEMORY" in told and "instance_type" not in told


@pytest.mark.docker
def test_doctor_shows_the_limits(environ: Environ) -> None:
    (limits,) = [f for f in json_of(environ, "doctor") if f["name"] == "container limits"]
    assert limits["found"].startswith("300 MiB of memory, 100 processes")
