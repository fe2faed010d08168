"""The pure parts of the Docker engine, and its decisions about what the outside answers; no Docker is needed."""

from __future__ import annotations

import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest
import requests

from emulator.containers.data_collection import SINK_FOLDER
from emulator.containers.spec import ContainerSpec
from emulator.difference import texts
from emulator.engines import Log
from emulator.engines.docker.cli import run_command
from emulator.engines.docker.connection import check_engine, find_endpoint, has_buildx
from emulator.engines.docker.container import (
    Network,
    address_of,
    container_of,
    create_arguments,
    gpu_request,
    network_of,
    start_failure,
)
from emulator.engines.docker.errors import docker_errors
from emulator.engines.docker.logs import frames
from emulator.errors import (
    BadArgument,
    EngineUnavailable,
    OperationCanceled,
    OutOfQuota,
    ResourceNotFound,
    ResourceNotReady,
)
from emulator.system.text_lines import split_lines

UNIX = "http+docker://localhost"
BRIDGE, PUBLISHED = Network(publish=False), Network(publish=True)

SPEC = ContainerSpec(
    name="amlemu-e-blue-w-1-0",
    image="d" * 64,
    layout="/state/layouts/e/blue/1",
    working_dir="/var/azureml-app/code",
    environment_variables={"SECRET": "s3cret"},
    labels={"amlemu.endpoint": "e"},
)


def changed(**changes: Any) -> ContainerSpec:
    return ContainerSpec(**(vars(SPEC) | changes))


# Where a scoring server answers


@pytest.mark.parametrize(
    ("info", "url", "platform", "publish"),
    [
        ({"OperatingSystem": "Debian GNU/Linux 12", "SecurityOptions": ["name=seccomp"]}, UNIX, "linux", False),
        ({"OperatingSystem": "Debian GNU/Linux 12", "SecurityOptions": ["name=rootless"]}, UNIX, "linux", True),
        ({"OperatingSystem": "Docker Desktop"}, UNIX, "linux", True),
        ({"OperatingSystem": "Debian GNU/Linux 12"}, "http://192.168.1.5:2375", "linux", True),
        ({"OperatingSystem": "Docker Desktop"}, UNIX, "darwin", True),
        ({"OperatingSystem": "Alpine Linux"}, "http+docker://localnpipe", "win32", True),
        ({"OperatingSystem": "Debian GNU/Linux 12"}, "http+docker://ssh", "linux", True),
        ({"OperatingSystem": "Debian GNU/Linux 12", "SecurityOptions": None}, UNIX, "linux", False),
    ],
)
def test_ports_are_published_only_where_the_bridge_is_out_of_reach(
    info: dict[str, Any], url: str, platform: str, publish: bool
) -> None:
    assert network_of(info, url, platform).publish is publish


def test_the_address_on_the_bridge() -> None:
    old = {"NetworkSettings": {"IPAddress": "172.17.0.2", "Networks": {}}}
    new = {"NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.3"}}}}
    assert address_of(old, BRIDGE, 5001) == ("172.17.0.2", 5001)
    assert address_of(new, BRIDGE, 5001) == ("172.17.0.3", 5001)
    assert address_of({"NetworkSettings": {"Networks": {"bridge": {"IPAddress": ""}}}}, BRIDGE, 5001) == ("", 0)


def test_the_published_address() -> None:
    bound = {"NetworkSettings": {"Ports": {"5001/tcp": [{"HostIp": "127.0.0.1", "HostPort": "49153"}]}}}
    assert address_of(bound, PUBLISHED, 5001) == ("127.0.0.1", 49153)
    assert address_of({"NetworkSettings": {"Ports": {"5001/tcp": None}}}, PUBLISHED, 5001) == ("", 0)


# What is asked of the engine


def test_a_container_is_created_with_few_rights() -> None:
    arguments = create_arguments(SPEC, "amlemu/environment:x", "w", BRIDGE)
    assert arguments["cap_drop"] == ["ALL"]
    assert arguments["security_opt"] == ["no-new-privileges"]
    [mount] = arguments["mounts"]
    assert mount == {"Target": "/var/azureml-app", "Source": SPEC.layout, "Type": "bind", "ReadOnly": True}
    assert arguments["environment"] == {"SECRET": "s3cret"}
    assert arguments["ports"] == {}
    assert "s3cret" not in str(arguments["labels"])
    assert arguments["labels"]["amlemu.workspace"] == "w"
    assert not {"user", "restart_policy", "privileged", "network_mode"} & arguments.keys()


def test_code_and_models_may_be_writable() -> None:
    [mount] = create_arguments(changed(read_only=False), "i", "w", BRIDGE)["mounts"]
    assert mount["ReadOnly"] is False


def test_what_a_container_hands_over_has_a_folder_that_it_may_write_to() -> None:
    _, mount = create_arguments(changed(sink="/state/sinks/e/blue/1/0"), "i", "w", BRIDGE)["mounts"]
    assert mount == {"Target": SINK_FOLDER, "Source": "/state/sinks/e/blue/1/0", "Type": "bind", "ReadOnly": False}


def test_limits_are_in_the_engines_units() -> None:
    arguments = create_arguments(changed(memory_bytes=2**30, cpus=1.5, pids_limit=64), "i", "w", BRIDGE)
    assert (arguments["mem_limit"], arguments["memswap_limit"]) == (2**30, 2**30)
    assert (arguments["nano_cpus"], arguments["pids_limit"]) == (1_500_000_000, 64)


def test_ports_are_published_on_this_machine_only() -> None:
    spec = changed(debug_port=5678)
    assert create_arguments(spec, "i", "w", BRIDGE)["ports"] == {"5678/tcp": ("127.0.0.1", 5678)}
    published = create_arguments(spec, "i", "w", PUBLISHED)["ports"]
    assert published == {"5678/tcp": ("127.0.0.1", 5678), "5001/tcp": ("127.0.0.1", None)}


def test_another_scoring_port_is_told_to_the_server() -> None:
    arguments = create_arguments(changed(port=6001), "i", "w", BRIDGE)
    assert arguments["environment"]["AMLEMU_PORT"] == "6001"
    assert arguments["labels"]["amlemu.port"] == "6001"


def test_a_server_of_its_own_is_told_no_port() -> None:
    arguments = create_arguments(changed(port=8501, launched=False), "i", "w", BRIDGE)
    assert arguments["environment"] == {"SECRET": "s3cret"}


@pytest.mark.row("custom.command")
@pytest.mark.parametrize(
    ("user", "dropped"), [("1000:1000", "ALL"), ("nginx", "ALL"), ("", "NET_RAW"), ("0:0", "NET_RAW")]
)
def test_root_keeps_the_rights_that_docker_gives(user: str, dropped: str) -> None:
    arguments = create_arguments(SPEC, "i", "w", BRIDGE, user=user)
    assert arguments["cap_drop"] == [dropped]
    assert arguments["security_opt"] == ["no-new-privileges"]
    assert "user" not in arguments


def test_models_appear_at_their_mount_path_alone() -> None:
    mounts = create_arguments(changed(model_mount="/models"), "i", "w", BRIDGE)["mounts"]
    assert [(m["Target"], m["Type"], m["Source"], m["ReadOnly"]) for m in mounts] == [
        ("/var/azureml-app", "bind", SPEC.layout, True),
        ("/models", "bind", f"{SPEC.layout}/azureml-models", True),
        ("/var/azureml-app/azureml-models", "tmpfs", None, True),
    ]


def test_every_port_that_is_asked_at_is_reached() -> None:
    spec = changed(port=8501, other_ports=(8080, 8081), launched=False)
    assert create_arguments(spec, "i", "w", BRIDGE)["ports"] == {}
    published = create_arguments(spec, "i", "w", PUBLISHED)
    assert published["ports"] == {f"{port}/tcp": ("127.0.0.1", None) for port in (8501, 8080, 8081)}
    attributes = inspected(Running=True, Status="running", ExitCode=0)
    attributes["Config"]["Labels"] = published["labels"]
    bridged = container_of(attributes, BRIDGE)
    assert bridged.port == 8501
    assert [bridged.at(port).port for port in (8080, 8501, 5001)] == [8080, 8501, 8501]
    ports = {f"{port}/tcp": [{"HostPort": str(port + 20000)}] for port in (8501, 8080, 8081)}
    attributes["NetworkSettings"]["Ports"] = ports
    reached = container_of(attributes, PUBLISHED)
    assert (reached.port, reached.other_ports) == (28501, {8080: 28080, 8081: 28081})


def test_gpus() -> None:
    assert gpu_request("all")["Count"] == -1
    assert gpu_request("2")["Count"] == 2
    assert gpu_request("device=0,1")["DeviceIDs"] == ["0", "1"]
    for wrong in ("", "some", "0", "-1", "device="):
        with pytest.raises(BadArgument, match="gpus"):
            gpu_request(wrong)


def test_why_a_container_does_not_start() -> None:
    taken = start_failure(changed(debug_port=5678), "Bind for 127.0.0.1:5678 failed: port is already allocated")
    assert isinstance(taken, BadArgument)
    assert "5678" in taken.message
    gpus = start_failure(changed(gpus="all"), 'could not select device driver "" with capabilities: [[gpu]]')
    assert isinstance(gpus, BadArgument)
    assert "NVIDIA Container Toolkit" in gpus.hint
    assert isinstance(start_failure(SPEC, "write /x: no space left on device"), OutOfQuota)
    assert isinstance(start_failure(SPEC, "runc: something"), EngineUnavailable)
    no_command = start_failure(SPEC, 'runc create failed: exec: "serve": executable file not found in $PATH: unknown')
    assert isinstance(no_command, ResourceNotReady)


def inspected(**state: Any) -> dict[str, Any]:
    return {
        "Id": "abc",
        "Name": "/amlemu-e-blue-w-1-0",
        "Config": {"Labels": {"amlemu.endpoint": "e"}, "User": "1000:1000"},
        "State": state,
        "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
    }


def test_what_the_engine_says_of_a_container() -> None:
    running = container_of(inspected(Running=True, Status="running", ExitCode=0), BRIDGE)
    assert (running.name, running.host, running.port, running.exit_code) == (SPEC.name, "172.17.0.2", 5001, None)
    killed = container_of(inspected(Running=False, Status="exited", ExitCode=137, OOMKilled=True), BRIDGE)
    assert (killed.running, killed.host, killed.port) == (False, "", 0)
    assert (killed.exit_code, killed.oom_killed) == (137, True)
    lost_a_worker = container_of(inspected(Running=True, Status="running", ExitCode=0, OOMKilled=True), BRIDGE)
    assert (lost_a_worker.running, lost_a_worker.oom_killed) == (True, False)
    ended_later = container_of(inspected(Running=False, Status="exited", ExitCode=3, OOMKilled=True), BRIDGE)
    assert (ended_later.exit_code, ended_later.oom_killed) == (3, False)
    created = container_of(inspected(Running=False, Status="created", ExitCode=0), BRIDGE)
    assert (created.running, created.exit_code) == (False, None)
    assert created.differences == ()


def test_a_container_that_runs_as_root_is_a_difference() -> None:
    attributes = inspected(Running=True, Status="running", ExitCode=0)
    attributes["Config"]["User"] = ""
    (difference,) = texts(container_of(attributes, BRIDGE).differences)
    assert "the image's user is root" in difference


# Logs


def test_lines_of_pieces_that_end_anywhere() -> None:
    data = "é one\r\ntwo\n\nthree".encode()
    for size in range(1, len(data) + 1):
        pieces = [data[i : i + size] for i in range(0, len(data), size)]
        assert list(split_lines(pieces)) == ["é one", "two", "", "three"]


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert list(split_lines([b"a\xffb\n", b"\xc3"])) == ["a\ufffdb", "\ufffd"]


def test_frames_of_both_streams() -> None:
    data = struct.pack(">BxxxL", 1, 3) + b"out" + struct.pack(">BxxxL", 2, 4) + b"errs" + b"\x01\x00"
    position = 0

    def read(count: int) -> bytes:
        nonlocal position
        piece = data[position : position + count]
        position += len(piece)
        return piece

    assert list(frames(read)) == [b"out", b"errs"]


# The docker command


def run_python(code: str, log: Log, canceled: threading.Event | None = None) -> int:
    return run_command([sys.executable, "-c", code], {"FROM_TEST": "1"}, log, canceled or threading.Event())


def test_a_command_is_heard_line_by_line() -> None:
    lines: list[str] = []
    code = "import os, sys; print('out', os.environ['FROM_TEST']); print('err', file=sys.stderr); sys.exit(3)"
    assert run_python(code, lines.append) == 3
    assert sorted(lines) == ["err", "out 1"]


def test_a_command_that_will_not_end_is_killed(tmp_path: Path) -> None:
    canceled = threading.Event()
    # It ignores SIGTERM, and its child would hold the pipe open.
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(15, 1); time.sleep(60)']);"
        "print('ready', flush=True); time.sleep(60)"
    )
    began = time.monotonic()
    with pytest.raises(OperationCanceled):
        run_python(code, lambda line: canceled.set(), canceled)
    assert time.monotonic() - began < 10


def test_a_canceled_command_is_not_started() -> None:
    canceled = threading.Event()
    canceled.set()
    with pytest.raises(OperationCanceled):
        run_python("raise SystemExit(9)", print, canceled)


def test_a_missing_command_is_named() -> None:
    with pytest.raises(EngineUnavailable, match="no-such-docker"):
        run_command(["no-such-docker"], {}, print, threading.Event())


def cli(buildx: int, version: str) -> Callable[..., int]:
    def run(args: Sequence[str], variables: Mapping[str, str], log: Log, canceled: threading.Event) -> int:
        log(version)
        return buildx if "buildx" in args else 0

    return run


def test_buildx_is_needed_from_docker_23_on() -> None:
    assert has_buildx(cli(0, "Docker version 28.2.2, build x"), {}) is True
    assert has_buildx(cli(1, "Docker version 20.10.24+dfsg1, build x"), {}) is False
    with pytest.raises(EngineUnavailable, match="buildx") as caught:
        has_buildx(cli(1, "Docker version 28.2.2, build x"), {})
    assert "install" in caught.value.hint


# The engine itself


def engine_of(**version: str) -> Any:
    return SimpleNamespace(version=lambda: version)


def test_an_engine_that_cannot_run_the_images_is_refused() -> None:
    check_engine(engine_of(ApiVersion="1.41", Version="20.10.24", Os="linux"))
    with pytest.raises(EngineUnavailable, match=r"18\.06.* is too old"):
        check_engine(engine_of(ApiVersion="1.38", Version="18.06", Os="linux"))
    with pytest.raises(EngineUnavailable, match="windows containers"):
        check_engine(engine_of(ApiVersion="1.47", Version="27.0", Os="windows"))


def test_docker_host_wins_over_contexts() -> None:
    endpoint = find_endpoint({"DOCKER_HOST": "tcp://localhost:2375", "DOCKER_CONTEXT": "no-such-context"})
    assert (endpoint.url, endpoint.builder, endpoint.variables) == (None, "default", {})


def test_a_context_that_is_not_there_is_named() -> None:
    with pytest.raises(EngineUnavailable, match="no-such-context"):
        find_endpoint({"DOCKER_CONTEXT": "no-such-context"})


def answer(status: int) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    return response


@pytest.mark.parametrize(
    ("error", "translated"),
    [
        (docker.errors.NotFound("x", answer(404), "No such container: x"), ResourceNotFound),
        (docker.errors.ImageNotFound("x", answer(404), "No such image: x"), ResourceNotFound),
        (docker.errors.APIError("x", answer(500), "write: no space left on device"), OutOfQuota),
        (docker.errors.APIError("x", answer(500), "something"), EngineUnavailable),
        (docker.errors.DockerException("no socket"), EngineUnavailable),
        (requests.exceptions.ConnectionError("refused"), EngineUnavailable),
        (requests.exceptions.ReadTimeout("no answer"), EngineUnavailable),
        (ConnectionResetError("gone"), EngineUnavailable),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_librarys_errors_become_ours(error: Exception, translated: type[Exception]) -> None:
    with pytest.raises(translated) as caught, docker_errors("container x"):
        raise error
    assert caught.value.__cause__ is error
    assert caught.value.target == "container x"  # type: ignore[attr-defined]


def test_our_own_errors_pass_unchanged() -> None:
    mine = BadArgument("mine")
    with pytest.raises(BadArgument) as caught, docker_errors():
        raise mine
    assert caught.value is mine
