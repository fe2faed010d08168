"""The pure parts of the Docker engine, and its decisions about what the outside answers; no Docker is needed."""

from __future__ import annotations

import struct
import subprocess
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

from emulator.engines import Log
from emulator.engines.docker_build import (
    DockerHost,
    build_command,
    place,
    provide_base_image,
    write_context,
    write_secrets,
)
from emulator.engines.docker_build_log import BuildLog, build_failure
from emulator.engines.docker_cli import run_command
from emulator.engines.docker_connection import check_engine, find_endpoint, has_buildx
from emulator.engines.docker_container import (
    Network,
    address_of,
    container_of,
    create_arguments,
    gpu_request,
    network_of,
    start_failure,
)
from emulator.engines.docker_errors import docker_errors
from emulator.engines.docker_logs import frames, split_lines
from emulator.engines.docker_pull import RegistrySilent, pull_failure, pull_image
from emulator.engines.packages import HostPackaging
from emulator.entities import Environment
from emulator.environments import ImageSpec, image_spec
from emulator.errors import (
    BadArgument,
    EngineUnavailable,
    ImageBuildFailure,
    OperationCanceled,
    OutOfQuota,
    ResourceNotFound,
)
from emulator.scoring_container import ContainerSpec

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


def inspected(**state: Any) -> dict[str, Any]:
    return {
        "Id": "abc",
        "Name": "/amlemu-e-blue-w-1-0",
        "Config": {"Labels": {"amlemu.endpoint": "e"}},
        "State": state,
        "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
    }


def test_what_the_engine_says_of_a_container() -> None:
    running = container_of(inspected(Running=True, Status="running", ExitCode=0), BRIDGE)
    assert (running.name, running.host, running.port, running.exit_code) == (SPEC.name, "172.17.0.2", 5001, None)
    killed = container_of(inspected(Running=False, Status="exited", ExitCode=137, OOMKilled=True), BRIDGE)
    assert (killed.running, killed.host, killed.port) == (False, "", 0)
    assert (killed.exit_code, killed.oom_killed) == (137, True)
    created = container_of(inspected(Running=False, Status="created", ExitCode=0), BRIDGE)
    assert (created.running, created.exit_code) == (False, None)


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


# Builds

UV_NO_SOLUTION = """\
#9 [stage-0 2/3] RUN --mount=type=cache,id=amlemu-uv if [ -f x ]; then . x; fi && pip
#9 0.312 Using Python 3.11.7 environment at: /azureml-envs/amlemu
#9 0.512   \u00d7 No solution found when resolving dependencies:
#9 0.512   ╰─▶ Because scikit-lern was not found in the package registry and you require
#9 0.512       scikit-lern, we can conclude that your requirements are unsatisfiable.
#9 ERROR: process "/bin/sh -c if [ -f …" did not complete successfully: exit code: 1
------
 > [stage-0 2/3] RUN ...:
0.512   \u00d7 No solution found when resolving dependencies:
------
Dockerfile:6
--------------------
   6 | >>> RUN --mount=type=cache
--------------------
ERROR: failed to solve: process "/bin/sh -c if [ -f …" did not complete successfully: exit code: 1
"""


def logged(text: str, secrets: Sequence[str] = ()) -> BuildLog:
    log = BuildLog(lambda line: None, secrets)
    for line in text.splitlines():
        log.write(line)
    return log


def test_a_build_log_is_readable() -> None:
    lines = logged(UV_NO_SOLUTION).lines
    assert lines[0] == "RUN if [ -f x ]; then . x; fi && pip"
    assert lines[1] == "Using Python 3.11.7 environment at: /azureml-envs/amlemu"
    assert len([line for line in lines if "No solution found" in line]) == 1
    assert not any(line.startswith(("#", "---")) for line in lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (UV_NO_SOLUTION, "no package 'scikit-lern'"),
        ("#9 0.3 error: No interpreter found for Python 3.7 in managed installations", "no Python 3.7"),
        ("#9 0.3 E: Unable to locate package libgomp9", "no Debian package 'libgomp9'"),
        ("#9 0.3 /bin/sh: 1: apt-get: not found", "no apt-get"),
        ("#9 0.3   \u00d7 Failed to build `dlib==19.24.0`", "dlib==19.24.0 could not be installed"),
        ("#9 0.3   \u00d7 Failed to download `a==1`\n#9 0.3   ├─▶ dns error: failed to lookup", "does not answer"),
        ("#9 0.3 error: something new\nERROR: failed to solve: exit code: 2", "error: something new"),
        ("ERROR: failed to solve: dockerfile parse error", "dockerfile parse error"),
        ("", "no output"),
    ],
)
def test_what_a_failed_build_is_told_as(text: str, words: str) -> None:
    error = build_failure(logged(text).lines)
    assert isinstance(error, ImageBuildFailure)
    assert words in error.message


def test_the_tail_of_a_failed_build_is_its_end() -> None:
    error = build_failure([f"line {n}" for n in range(100)])
    assert error.log_tail.splitlines() == [f"line {n}" for n in range(60, 100)]


def test_a_full_disk_and_a_lost_engine_are_no_faults_of_the_environment() -> None:
    full = build_failure(logged("#9 9.9 error: Failed to write: No space left on device (os error 28)").lines)
    assert isinstance(full, OutOfQuota)
    gone = build_failure(["RUN pip", "ERROR: failed to receive status: rpc error: code = Unavailable desc = EOF"])
    assert isinstance(gone, EngineUnavailable)


def test_no_secret_passes_the_log() -> None:
    text = (
        "#9 0.1 error: https://bob:s3cret%21@index.example/simple/ refused s3cret!\n"
        "#9 0.1 Looking at https://other:token@host/x\n"
        "#9 0.1 s3cret%21"
    )
    lines = logged(text, ["https://bob:s3cret%21@index.example/simple", "unsafe-best-match"]).lines
    assert not [line for line in lines if "s3cret" in line or "token" in line]
    assert "https://****@index.example/simple/ refused ****" in lines[0]


def packaging(folder: Path, **changes: Any) -> HostPackaging:
    uv = folder / "uv-binary"
    uv.write_bytes(b"uv")
    uv.chmod(0o755)
    fields: dict[str, Any] = {
        "uv": uv,
        "uv_for_linux": uv,
        "ca_bundle": None,
        "variables": {},
        "build_variables": {},
        "wheel_folders": (),
    }
    return HostPackaging(**(fields | changes))


def a_spec(**changes: Any) -> ImageSpec:
    environment = Environment(name="e", python_version="3.11", requirements=("six",), **changes)
    return image_spec(environment, "launcher")


def test_the_context_holds_what_the_dockerfile_mounts(tmp_path: Path) -> None:
    wheels = tmp_path / "folder"
    wheels.mkdir()
    (wheels / "torch-2.1.0+cpu-cp311-cp311-linux_x86_64.whl").write_bytes(b"torch")
    (wheels / "other-1.0-py3-none-any.whl").write_bytes(b"other")
    write_context(tmp_path / "context", a_spec(), "torch==2.1.0+cpu\n", packaging(tmp_path, wheel_folders=(wheels,)))
    found = {str(p.relative_to(tmp_path / "context")) for p in (tmp_path / "context").rglob("*") if p.is_file()}
    assert found == {
        "launch.py",
        "packages/requirements.lock",
        "packages/uv",
        "packages/wheels/torch-2.1.0+cpu-cp311-cp311-linux_x86_64.whl",
    }
    assert (tmp_path / "context/packages/uv").stat().st_mode & 0o111


def test_without_a_uv_for_linux_the_build_gets_its_own(tmp_path: Path) -> None:
    write_context(tmp_path / "context", a_spec(), "six==1.0\n", packaging(tmp_path, uv_for_linux=None))
    assert not (tmp_path / "context/packages/uv").exists()
    assert "pip install" in a_spec().dockerfile


def test_a_file_is_placed_without_a_copy(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("x")
    (tmp_path / "link").symlink_to(source)
    place(tmp_path / "link", tmp_path / "target")
    assert (tmp_path / "target").stat().st_ino == source.stat().st_ino
    assert not (tmp_path / "target").is_symlink()


def test_secrets_are_files_that_a_shell_reads_back(tmp_path: Path) -> None:
    value = 'https://bob:it\'s $HOME "quoted"@host/simple'
    secrets = write_secrets(tmp_path, packaging(tmp_path, build_variables={"UV_DEFAULT_INDEX": value}))
    assert secrets["packaging"].stat().st_mode & 0o777 == 0o600
    script = f'. {secrets["packaging"]}; printf %s "$UV_DEFAULT_INDEX"'
    assert subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout == value
    assert write_secrets(tmp_path / "none", packaging(tmp_path)) == {}


def test_the_command_of_a_build(tmp_path: Path) -> None:
    spec = a_spec()
    secrets = {"ca": Path("/ca.pem")}
    args = build_command(spec, "amlemu/python:3.11", {"a": "b"}, secrets, tmp_path, "desktop-linux")
    assert args[:5] == ["docker", "buildx", "build", "--builder=desktop-linux", "--load"]
    assert "--build-arg=BASE_IMAGE=amlemu/python:3.11" in args
    assert "--secret=id=ca,src=/ca.pem" in args
    assert f"--tag=amlemu/environment:{spec.digest[:16]}" in args
    assert args[-1] == str(tmp_path / "context")
    assert build_command(spec, "x", {}, {}, tmp_path, None)[:2] == ["docker", "build"]


# Base images


def refusing(reason: str) -> Callable[..., int]:
    """A docker command that fails with this last line."""

    def run(args: Sequence[str], variables: Mapping[str, str], log: Log, canceled: threading.Event) -> int:
        log(reason)
        return 1

    return run


def silent(args: Sequence[str], variables: Mapping[str, str], log: Log, canceled: threading.Event) -> int:
    """A docker command that says nothing until it is interrupted."""
    if not canceled.wait(10):
        raise AssertionError("nobody interrupted it")
    raise OperationCanceled("interrupted")


def succeeding(args: Sequence[str], variables: Mapping[str, str], log: Log, canceled: threading.Event) -> int:
    log("Status: Downloaded newer image")
    return 0


def host_with(run: Callable[..., int], *images: str) -> DockerHost:
    """An engine that has these images."""

    def get(name: str) -> object:
        if name not in images:
            raise docker.errors.ImageNotFound("no such image")
        return object()

    client: Any = SimpleNamespace(images=SimpleNamespace(get=get))
    return DockerHost(client, run, {}, "default", lambda: True)


def base_image(host: DockerHost, spec: ImageSpec) -> tuple[str, tuple[str, ...]]:
    found = provide_base_image(spec, host, lambda line: None, threading.Event())
    return found.name, found.differences


def never(*_: object) -> int:
    raise AssertionError("nothing is to be run")


DNS = 'Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: lookup r on x:53: no such host'
DENIED = (
    "Error response from daemon: pull access denied for nosuch, repository does not exist or may require"
    " 'docker login': denied: requested access to the resource is denied"
)


def test_a_local_base_image_is_not_pulled() -> None:
    assert base_image(host_with(never, "ubuntu:22.04"), a_spec(image="ubuntu:22.04")) == ("ubuntu:22.04", ())


def test_a_base_image_is_pulled() -> None:
    assert base_image(host_with(succeeding), a_spec()) == ("python:3.11-slim-bookworm", ())


@pytest.mark.parametrize("image", [None, "mcr.microsoft.com/azureml/x:1"])
def test_where_no_registry_answers_the_stand_in_is_a_difference(image: str | None) -> None:
    stand_in = "amlemu/python:3.11-slim-bookworm"
    name, differences = base_image(host_with(refusing(DNS), stand_in), a_spec(image=image))
    assert name == stand_in
    asked = image or "python:3.11-slim-bookworm"
    assert differences == (f"base image {asked} could not be pulled: {stand_in} (a local stand-in) was used",)


def test_without_a_stand_in_the_command_that_makes_one_is_named() -> None:
    with pytest.raises(EngineUnavailable, match="no such host") as caught:
        base_image(host_with(refusing(DNS)), a_spec())
    assert "amlemu images 3.11" in caught.value.hint


def test_a_registry_that_refuses_an_image_of_ours_leaves_the_stand_in() -> None:
    limited = "Error response from daemon: toomanyrequests: You have reached your pull rate limit"
    stand_in = "amlemu/python:3.11-slim-bookworm"
    for reason in (limited, DENIED):
        assert base_image(host_with(refusing(reason), stand_in), a_spec())[0] == stand_in


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (DENIED, "it needs a login"),
        ("Error response from daemon: manifest for a:b not found: manifest unknown", "has no image a:b"),
        ('Error response from daemon: Head "https://r/v2/x": unauthorized: authentication required', "give out"),
        ("Error response from daemon: no matching manifest for linux/arm64/v8 in the manifest list", "has no image"),
        ("invalid reference format: repository name must be lowercase", "cannot be the name"),
    ],
)
def test_an_image_that_the_user_named_and_a_registry_refused_is_an_error(reason: str, words: str) -> None:
    host = host_with(refusing(reason), "amlemu/python:3.11-slim-bookworm")
    with pytest.raises(ImageBuildFailure, match=words) as caught:
        base_image(host, a_spec(image="a:b"))
    assert caught.value.hint


@pytest.mark.parametrize(
    "reason",
    [
        DNS,
        'Get "https://r/v2/": dial tcp 10.0.0.1:443: connect: connection refused',
        'Get "https://r/v2/": net/http: request canceled (Client.Timeout exceeded while awaiting headers)',
        'Get "https://r/v2/": context deadline exceeded',
        'Get "https://r/v2/": proxyconnect tcp: Forbidden',
        'Get "https://r/v2/": x509: certificate signed by unknown authority',
        "received unexpected HTTP status: 503 Service Unavailable",
    ],
)
def test_what_counts_as_no_answer(reason: str) -> None:
    assert isinstance(pull_failure("a:b", reason), RegistrySilent)


def test_a_pull_may_fail_for_the_engines_own_reasons() -> None:
    assert isinstance(pull_failure("a:b", "write /var/lib/docker/x: no space left on device"), OutOfQuota)
    assert isinstance(pull_failure("a:b", "Cannot connect to the Docker daemon at unix:///x"), EngineUnavailable)


def test_a_registry_that_says_nothing_is_given_up() -> None:
    began = time.monotonic()
    with pytest.raises(RegistrySilent, match="no registry answered"):
        pull_image("a:b", silent, {}, lambda line: None, threading.Event(), answer_seconds=0.2)
    assert time.monotonic() - began < 2


def test_a_pull_is_canceled() -> None:
    canceled = threading.Event()
    canceled.set()
    with pytest.raises(OperationCanceled):
        pull_image("a:b", silent, {}, lambda line: None, canceled)


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
