"""Code of packages never runs as the emulator: what Docker's builds do with it."""

from __future__ import annotations

import json
import os
import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import docker
import pytest
from package_index import PackageIndex, serving_packages

from emulator.engines.docker.engine import DockerEngine, connect_docker_engine
from emulator.engines.packaging.python_packages import read_host_packaging
from emulator.entities import Environment
from emulator.environments import image_spec
from emulator.errors import ImageBuildFailure
from emulator.system.package_files import launcher_text

pytestmark = pytest.mark.docker

CANARY = "canary-of-the-admin-0123456789"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageIndex]:
    """Where containers of builds reach it: at this machine's address on the bridge."""
    client = docker.from_env()
    subnet = ip_network(client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Subnet"])
    client.close()
    with serving_packages(tmp_path_factory.mktemp("index"), "0.0.0.0", str(subnet[1])) as found:
        yield found


@pytest.fixture
def engine(index: PackageIndex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DockerEngine]:
    """An engine of an emulator with a token; what it builds goes with it."""
    monkeypatch.setenv("AMLEMU_TOKEN", CANARY)
    kept: Mapping[str, str] = {name: value for name, value in os.environ.items() if not re.match("(PIP|UV)_", name)}
    packaging = read_host_packaging({**kept, "HOME": str(tmp_path), "UV_DEFAULT_INDEX": index.index})
    engine = connect_docker_engine(uuid.uuid4().hex, packaging)
    yield engine
    engine.prune(frozenset())
    engine.close()


def build(engine: DockerEngine, *requirements: str) -> str:
    """The image's name."""
    environment = Environment(
        name="e", python_version="3.11", requirements=requirements, variables={"TEST_RUN": uuid.uuid4().hex}
    )
    return engine.build_image(image_spec(environment, launcher_text()), print, threading.Event()).reference


def test_a_build_backend_finds_nothing_of_the_emulator(
    engine: DockerEngine, index: PackageIndex, tmp_path: Path
) -> None:
    """As in the sandbox of a team, whose emulator has the socket and the admin's token."""
    secret = tmp_path / "token.json"
    secret.write_text(CANARY)
    paths = [secret, Path("/var/run/docker.sock"), Path("/run/docker.sock"), Path("/var/lib/amlemu")]
    index.source("looks", "1.0", paths, metadata="raise SystemExit(3)")
    with pytest.raises(ImageBuildFailure, match="Failed to build `looks") as caught:
        build(engine, "looks")
    told = f"{caught.value} {caught.value.log_tail}"
    assert CANARY not in told
    seen: list[dict[str, Any]] = [json.loads(found) for found in re.findall(r"LOOKED (\{.*\})", told)]
    assert seen[0]["uid"] == 1000
    assert "AMLEMU_TOKEN" not in seen[0]["variables"]
    assert list(seen[0]["paths"].values()) == [False] * 4


def test_a_source_is_resolved_and_built_in_containers(engine: DockerEngine, index: PackageIndex) -> None:
    index.wheel("leaf", "1.0")
    index.wheel("newer", "1.0")
    index.source("newer", "2.0", requires=["leaf"])
    image = build(engine, "newer")
    client = docker.from_env()
    try:
        program = "import newer, leaf; print('AMLEMU_TOKEN' in newer.SEEN['variables'])"
        said = client.containers.run(image, ["-c", program], entrypoint="python", remove=True)
    finally:
        client.close()
    assert said.decode().strip().endswith("False")


def test_a_repository_is_read_and_compiled_in_containers(engine: DockerEngine, index: PackageIndex) -> None:
    """The base image has neither git nor a compiler, as those of the cloud have; nothing of it is run on this side."""
    repository = index.repository("of_git", "1.0")
    image = build(engine, f"git+{repository}")
    client = docker.from_env()
    try:
        program = "import of_git, shutil; print(of_git.SEEN['uid'], bool(shutil.which('gcc')))"
        said = client.containers.run(image, ["-c", program], entrypoint="python", remove=True)
    finally:
        client.close()
    assert said.decode().split()[-2:] == ["0", "True"]


def test_a_link_that_a_package_leaves_leads_to_nothing_of_this_machine(
    engine: DockerEngine, index: PackageIndex, tmp_path: Path
) -> None:
    secret = tmp_path / "token.json"
    secret.write_text(CANARY)
    swap = f"[(os.remove(p), os.symlink({str(secret)!r}, p)) for p in ('/tmp/amlemu/stdout', '/tmp/amlemu/stderr')]"
    index.source("swaps", "1.0", metadata=swap)
    with pytest.raises(ImageBuildFailure) as caught:
        build(engine, "swaps")
    assert CANARY not in f"{caught.value} {caught.value.log_tail}"
