"""How an image build is prepared and understood: its log, context, secrets and base image; no Docker is needed."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from emulator.difference import texts
from emulator.engines import Log
from emulator.engines.docker.build import (
    DockerHost,
    build_command,
    link_or_copy,
    provide_base_image,
    write_context,
    write_secrets,
)
from emulator.engines.docker.build_log import BuildLog, build_failure
from emulator.engines.docker.pull import RegistryUnreachable, pull_failure, pull_image
from emulator.engines.packaging.python_packages import HostPackaging
from emulator.entities import Environment
from emulator.environments import ImageSpec, image_spec
from emulator.errors import (
    EngineUnavailable,
    ImageBuildFailure,
    OperationCanceled,
    OutOfQuota,
)

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


def test_our_own_steps_are_in_words() -> None:
    text = """\
#5 [2/4] RUN --mount=type=secret apt-get -o "$ca" update
#6 [3/4] RUN --mount=type=cache $uv pip install --requirements /run/amlemu/packages/requirements.lock
#7 exporting to image
#7 exporting layers 1.5s done
"""
    words = ["installing the Debian packages", "installing and compiling the Python packages", "exporting the image"]
    assert logged(text).lines == words


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
        "packages/check_imports.py",
        "packages/compile.py",
        "packages/imports.json",
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
    link_or_copy(tmp_path / "link", tmp_path / "target")
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
    return found.name, texts(found.differences)


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
    assert isinstance(pull_failure("a:b", reason), RegistryUnreachable)


def test_a_pull_may_fail_for_the_engines_own_reasons() -> None:
    assert isinstance(pull_failure("a:b", "write /var/lib/docker/x: no space left on device"), OutOfQuota)
    assert isinstance(pull_failure("a:b", "Cannot connect to the Docker daemon at unix:///x"), EngineUnavailable)


def test_a_registry_that_says_nothing_is_given_up() -> None:
    began = time.monotonic()
    with pytest.raises(RegistryUnreachable, match="no registry answered"):
        pull_image("a:b", silent, {}, lambda line: None, threading.Event(), answer_seconds=0.2)
    assert time.monotonic() - began < 2


def test_a_pull_is_canceled() -> None:
    canceled = threading.Event()
    canceled.set()
    with pytest.raises(OperationCanceled):
        pull_image("a:b", silent, {}, lambda line: None, canceled)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "#9 9.9       error: [Errno 2] No such file or directory: 'gcc'",
            "compiler (gcc) in the base image",
        ),
        ("#9 9.9       error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory", "no compiler (gcc)"),
        ("#9 9.9       unable to execute 'g++': No such file or directory", "there is no compiler (gcc)"),
        ("#9 9.9       /bin/sh: 1: gcc: not found", "there is no compiler (gcc)"),
        (
            "#9 9.9       ../meson.build:1:0: ERROR: Unknown compiler(s): [['cc'], ['gcc']]",
            "there is no compiler (gcc)",
        ),
        ("#9 9.9   cause: Git executable not found. Ensure that Git is installed and available.", "there is no git in"),
        ("#9 9.9       make: not found", "is built with make, which is not in the base image"),
    ],
)
def test_a_tool_that_a_build_lacks_is_named(said: str, told: str) -> None:
    error = build_failure(logged(f"#9 9.8 error: Failed to build `psutil==5.8.0`\n{said}").lines)
    assert told in str(error)
    assert "a version that has a wheel" in str(error.hint)
