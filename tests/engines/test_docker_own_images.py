"""Images of the user's own on a real Docker Engine: run as they are, built from a Dockerfile, had from a registry."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from engine_contract import (
    SERVER,
    Listener,
    container_spec,
    environment,
    managed_layout,
    ready,
    temporary_engine,
    until,
)

from emulator.difference import texts
from emulator.engines import Container, Image
from emulator.engines.docker.build import DockerHost
from emulator.engines.docker.cli import run_command
from emulator.engines.docker.context_build import base_image_failure, context_command
from emulator.engines.docker.engine import DockerEngine, connect_docker_engine
from emulator.engines.packaging.python_packages import read_host_packaging
from emulator.entities import BuildContext, Environment
from emulator.environments import (
    AnyImageSpec,
    BaseImages,
    BuildContextSpec,
    ImageChoices,
    select_spec,
)
from emulator.errors import BadArgument, EngineUnavailable, ImageBuildFailure, ResourceNotReady
from emulator.store.build_contexts import read_context
from emulator.system.package_files import launcher_text

BASE = "amlemu/debian:bookworm-slim"
PYTHON_BASE = "amlemu/python:3.11-slim-bookworm"

# The base image has perl, and no Python: each port answers with who and where it is.
PERL_SERVER = """\
use IO::Socket::INET; use Cwd;
$SIG{TERM} = sub { exit 0 };
for my $port (@ARGV) {
    next if fork;
    my $server = IO::Socket::INET->new(LocalPort => $port, Listen => 5, ReuseAddr => 1) or die;
    while (my $client = $server->accept) {
        my $line = <$client>;
        while (my $header = <$client>) { last if $header =~ /^\\s*$/ }
        my $body = join("\\n", "port=$port", "uid=$<", "cwd=" . getcwd, map { "$_=$ENV{$_}" } sort keys %ENV);
        my $length = length $body;
        print $client "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: $length\\r\\n\\r\\n$body";
        close $client;
    }
}
1 while wait != -1;
"""
DOCKERFILE = f"""\
FROM {BASE}
COPY server.pl run /srv/
WORKDIR /srv
USER 1234:1234
ENTRYPOINT ["perl", "server.pl"]
CMD ["8501", "8080"]
"""


# Without Docker


def test_build_arguments_are_named_without_their_values() -> None:
    spec = BuildContextSpec("d" * 64, "/context", "Dockerfile", "FROM a", platform="linux/amd64")
    args = context_command(spec, Path("/context/Dockerfile"), {"a": "b"}, {"ca": Path("/ca.pem")}, ["HTTP_PROXY"], "b")
    assert args[:5] == ["docker", "buildx", "build", "--builder=b", "--load"]
    assert {"--platform=linux/amd64", "--label=a=b", "--secret=id=ca,src=/ca.pem", "--build-arg=HTTP_PROXY"} < set(args)
    assert args[-1] == "/context"


@pytest.mark.parametrize(
    ("reason", "error", "words"),
    [
        ("dial tcp: lookup registry-1.docker.io: no such host", EngineUnavailable, "could not be pulled"),
        ("pull access denied, repository does not exist or may require authorization", ImageBuildFailure, "a login"),
        ("localhost:5000/x:1: not found", ImageBuildFailure, "has no image"),
        ("unexpected status from HEAD request: 401 Unauthorized", ImageBuildFailure, "does not give out"),
    ],
)
def test_why_a_base_image_cannot_be_had(reason: str, error: type[Exception], words: str) -> None:
    lines = ["#3 [internal] load metadata for docker.io/library/nginx:1", "#2 DONE", f"#3 ERROR: {reason}"]
    found = base_image_failure(lines)
    assert isinstance(found, error)
    assert "image nginx:1" in str(found) and words in str(found)


def test_a_dockerfile_whose_syntax_cannot_be_had() -> None:
    lines = [
        "#2 resolve image config for docker.io/docker/dockerfile:1",
        "#2 ERROR: failed to do request: no such host",
    ]
    assert "image docker/dockerfile:1 is not here" in str(base_image_failure(lines))


def test_other_failures_are_not_the_base_images() -> None:
    lines = ["#3 [internal] load metadata for docker.io/library/nginx:1", "#3 DONE 0.1s", "#5 ERROR: exit code: 1"]
    assert base_image_failure(lines) is None


# With Docker


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture
def engine() -> Iterator[DockerEngine]:
    packaging = read_host_packaging(os.environ)
    with temporary_engine(lambda workspace_id: connect_docker_engine(workspace_id, packaging)) as engine:
        assert isinstance(engine, DockerEngine)
        yield engine


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return managed_layout(tmp_path / "layout")


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "server.pl").write_text(PERL_SERVER)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "run").write_text(uuid.uuid4().hex)  # a digest that no earlier run has built
    return folder


def spec_of(environment: Environment, choices: ImageChoices | None = None) -> AnyImageSpec:
    return select_spec(environment, launcher_text(), choices or ImageChoices(), read_context)[0]


def context_spec_of(folder: Path, choices: ImageChoices | None = None) -> AnyImageSpec:
    return spec_of(Environment(name="own", build=BuildContext(path=str(folder))), choices)


def make(engine: DockerEngine, spec: AnyImageSpec, listener: Listener | None = None) -> Image:
    listener = listener or Listener()
    return engine.build_image(spec, listener, listener.canceled)


def start(engine: DockerEngine, image: Image, layout: Path, **changes: Any) -> Container:
    fields = {"port": 8501, "other_ports": (8080,), "launched": False, "working_dir": None}
    container = engine.start(container_spec(image.digest, layout, **(fields | changes)))
    assert until(lambda: answers(container)), "\n".join(engine.logs(container.id))
    return container


def answers(container: Container) -> bool:
    try:
        return "port=" in told(container)
    except OSError:
        return False


def told(container: Container) -> str:
    with urllib.request.urlopen(f"http://{container.host}:{container.port}/any/path", timeout=5) as answer:
        return str(answer.read().decode())


@pytest.mark.docker
@pytest.mark.row("custom.command")
def test_an_image_is_built_and_runs_as_its_dockerfile_says(
    engine: DockerEngine, context: Path, layout: Path, client: docker.DockerClient
) -> None:
    image = make(engine, context_spec_of(context))
    container = start(engine, image, layout)
    lines = told(container).splitlines()
    assert {"port=8501", "uid=1234", "cwd=/srv"} < set(lines)
    assert not any(line.startswith("AMLEMU_") for line in lines)
    assert until(lambda: "port=8080" in told(container.at(8080)))
    seen = client.containers.get(container.id).attrs
    assert (seen["HostConfig"]["CapDrop"], texts(container.differences)) == (["ALL"], ())
    assert engine.find_image(image.digest) == image
    assert image.pinned == client.images.get(image.reference).id


@pytest.mark.docker
@pytest.mark.row("custom.command")
def test_root_stays_root(engine: DockerEngine, context: Path, layout: Path, client: docker.DockerClient) -> None:
    (context / "Dockerfile").write_text(DOCKERFILE.replace("USER 1234:1234\n", ""))
    container = start(engine, make(engine, context_spec_of(context)), layout)
    assert "uid=0" in told(container).splitlines()
    assert client.containers.get(container.id).attrs["HostConfig"]["CapDrop"] == ["NET_RAW"]
    assert texts(container.differences) == (
        "the image's user is root: it keeps Docker's default capabilities, without NET_RAW",
    )


@pytest.mark.docker
def test_an_unchanged_context_is_found(engine: DockerEngine, context: Path) -> None:
    first = make(engine, context_spec_of(context))
    listener = Listener()
    assert make(engine, context_spec_of(context), listener) == first
    assert listener.lines == []


@pytest.mark.docker
@pytest.mark.row("custom.model_mount_path")
def test_models_lie_at_their_mount_path(
    engine: DockerEngine, context: Path, layout: Path, client: docker.DockerClient
) -> None:
    container = start(engine, make(engine, context_spec_of(context)), layout, model_mount="/srv/models")
    found = client.containers.get(container.id).exec_run(["cat", "/srv/models/m/1/model.txt"])
    assert (found.exit_code, found.output) == (0, b"model")
    assert client.containers.get(container.id).exec_run(["touch", "/srv/models/x"]).exit_code != 0
    usual = client.containers.get(container.id).exec_run(["ls", "-A", "/var/azureml-app/azureml-models"])
    assert (usual.exit_code, usual.output) == (0, b"")


@pytest.mark.docker
def test_what_a_dockerfile_does_wrong_is_told(engine: DockerEngine, context: Path) -> None:
    (context / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo to be seen; exit 3\n")
    with pytest.raises(ImageBuildFailure) as caught:
        make(engine, context_spec_of(context))
    assert "to be seen" in caught.value.log_tail


@pytest.mark.docker
@pytest.mark.parametrize("built", [True, False])
def test_an_image_of_a_registry_that_is_silent(engine: DockerEngine, context: Path, built: bool) -> None:
    name = "no-such-registry.invalid/azureml/base:1"
    (context / "Dockerfile").write_text(f"FROM {name}\n")
    with pytest.raises(EngineUnavailable) as caught:
        make(engine, context_spec_of(context) if built else image_spec_of(name))
    assert "no-such-registry.invalid/azureml/base:1 is not here" in caught.value.message
    assert "base_images" in caught.value.hint


@pytest.mark.docker
def test_another_base_image_stands_in(engine: DockerEngine, context: Path, layout: Path) -> None:
    text = DOCKERFILE.replace(BASE, "no-such-registry.invalid/azureml/base:1")
    (context / "Dockerfile").write_text(text + "COPY . /all\nRUN test ! -e /all/secret.txt\n")
    (context / "secret.txt").write_text("not for the image")
    (context / "Dockerfile.dockerignore").write_text("secret.txt\n")
    choices = ImageChoices(BaseImages({"no-such-registry.invalid/*": BASE}))
    assert "port=8501" in told(start(engine, make(engine, context_spec_of(context, choices)), layout))


@pytest.mark.docker
def test_a_proxy_reaches_the_build_and_stays_out_of_the_image(
    context: Path, client: docker.DockerClient, layout: Path
) -> None:
    proxy = "http://bob:s3cret@proxy.invalid:3128"
    packaging = read_host_packaging(dict(os.environ) | {"HTTP_PROXY": proxy, "UV_INDEX_URL": "https://me:pw-42@index/"})
    proxy_step = (
        f"RUN : {uuid.uuid4().hex} && "
        + 'test "$HTTP_PROXY" = "http://bob:s3c""ret@proxy.invalid:3128" && echo "proxy: $HTTP_PROXY"'
    )
    secret_step = "RUN --mount=type=secret,id=packaging grep -q pw-4[2] /run/secrets/packaging"
    (context / "Dockerfile").write_text(f"FROM {BASE}\n{proxy_step}\n{secret_step}\n")
    listener = Listener()
    with temporary_engine(lambda workspace_id: connect_docker_engine(workspace_id, packaging)) as engine:
        assert isinstance(engine, DockerEngine)
        image = make(engine, context_spec_of(context), listener)
        assert any("proxy: http://****@proxy.invalid:3128" in line for line in listener.lines)
        assert "s3cret" not in "\n".join(listener.lines)
        config = client.images.get(image.reference).attrs["Config"]
        assert "s3cret" not in json.dumps(config) and "pw-42" not in json.dumps(
            client.images.get(image.reference).attrs
        )


@pytest.fixture
def own(context: Path, client: docker.DockerClient) -> Iterator[str]:
    """An image that the user has built."""
    name = f"amlemu-test-own:{uuid.uuid4().hex[:8]}"
    subprocess.run(["docker", "build", "-q", "-t", name, str(context)], check=True, capture_output=True)
    yield name
    client.images.remove(name, force=True)  # its name alone: a container may still run


def image_spec_of(name: str, **fields: Any) -> AnyImageSpec:
    return spec_of(Environment(name="own", image=name, **fields))


@pytest.mark.docker
@pytest.mark.row("custom.command")
def test_an_image_of_this_machine_runs_as_it_is(
    engine: DockerEngine, own: str, layout: Path, client: docker.DockerClient
) -> None:
    image = make(engine, image_spec_of(own))
    id = str(client.images.get(own).id)
    assert (f"sha256:{image.digest}", image.pinned) == (id, id)
    container = start(engine, image, layout)
    assert {"uid=1234", "cwd=/srv"} < set(told(container).splitlines())
    assert client.containers.get(container.id).attrs["Image"] == id


@pytest.mark.docker
def test_an_image_stays_when_its_name_moves_on(
    engine: DockerEngine, own: str, context: Path, layout: Path, client: docker.DockerClient
) -> None:
    before = make(engine, image_spec_of(own))
    (context / "run").write_text("changed")
    (context / "Dockerfile").write_text(DOCKERFILE + "ENV NEWER=1\n")
    subprocess.run(["docker", "build", "-q", "-t", own, str(context)], check=True, capture_output=True)
    after = make(engine, image_spec_of(own))
    assert after.digest != before.digest
    assert "NEWER=1" not in told(start(engine, before, layout))
    for container in engine.list_containers():
        engine.remove(container.id, grace_seconds=0)
    assert [line for line in engine.prune({after.digest}, dry_run=True) if "amlemu/own-" in line]
    engine.prune({after.digest})
    assert engine.find_image(before.digest) is None
    assert engine.find_image(after.digest) is not None
    engine.prune(frozenset())
    assert client.images.get(own).id == f"sha256:{after.digest}"


@pytest.mark.docker
def test_packages_go_into_an_image_with_a_user_and_a_command_of_its_own(
    engine: DockerEngine, context: Path, layout: Path
) -> None:
    name = f"amlemu-test-base:{uuid.uuid4().hex[:8]}"
    text = f'FROM {PYTHON_BASE}\nUSER nobody\nWORKDIR /tmp\nENTRYPOINT ["/bin/false"]\nCMD ["nothing"]\n'
    (context / "Dockerfile").write_text(text)
    subprocess.run(["docker", "build", "-q", "-t", name, str(context)], check=True, capture_output=True)
    try:
        image = make(engine, spec_of(environment(SERVER, image=name)))
        assert ready(engine, container_spec(image.digest, layout)).port == 5001
    finally:
        subprocess.run(["docker", "rmi", "-f", name], check=True, capture_output=True)


@pytest.mark.docker
def test_an_image_without_a_command(engine: DockerEngine, context: Path, layout: Path) -> None:
    (context / "Dockerfile").write_text(f"FROM {BASE}\nENTRYPOINT []\nCMD []\n")
    image = make(engine, context_spec_of(context))
    with pytest.raises(BadArgument, match="has no command to start"):
        engine.start(container_spec(image.digest, layout, launched=False))


@pytest.mark.docker
def test_a_command_that_is_not_there(engine: DockerEngine, context: Path, layout: Path) -> None:
    (context / "Dockerfile").write_text(f'FROM {BASE}\nCMD ["no-such-program"]\n')
    image = make(engine, context_spec_of(context))
    with pytest.raises(ResourceNotReady, match="the image's command cannot be run"):
        engine.start(container_spec(image.digest, layout, launched=False))
    assert engine.list_containers() == []


@pytest.mark.docker
def test_an_image_for_another_platform(engine: DockerEngine, own: str) -> None:
    machine = "arm64" if read_machine() == "x86_64" else "amd64"
    with pytest.raises((EngineUnavailable, ImageBuildFailure)):
        make(engine, image_spec_of(own, platform=f"linux/{machine}"))
    same = {"x86_64": "amd64", "aarch64": "arm64"}[read_machine()]
    assert make(engine, image_spec_of(own, platform=f"linux/{same}")).digest


def read_machine() -> str:
    return os.uname().machine


# A registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a registry that asks for a login: bob, with password s3cret-42."""
    program, htpasswd = shutil.which("docker-registry"), shutil.which("htpasswd")
    if program is None or htpasswd is None:
        pytest.skip("docker-registry and htpasswd (apache2-utils) are not on PATH")
    folder = tmp_path_factory.mktemp("registry")
    subprocess.run([htpasswd, "-Bbc", folder / "users", "bob", "s3cret-42"], check=True, capture_output=True)
    address = f"localhost:{free_port()}"
    (folder / "config.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\nhttp: {{addr: '{address}'}}\n"
        f"auth: {{htpasswd: {{realm: test, path: {folder}/users}}}}\n"
    )
    with subprocess.Popen(
        [program, "serve", folder / "config.yml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert until(lambda: is_open(address))
            yield address
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def is_open(address: str) -> bool:
    host, _, port = address.partition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
        return True
    return False


@pytest.fixture
def login(registry: str, tmp_path: Path) -> str:
    """A DOCKER_CONFIG that knows the login."""
    folder = tmp_path / "docker-config"
    folder.mkdir()
    known = {"auths": {registry: {"auth": base64.b64encode(b"bob:s3cret-42").decode()}}}
    (folder / "config.json").write_text(json.dumps(known))
    return str(folder)


@pytest.fixture
def pushed(registry: str, login: str, own: str) -> Iterator[str]:
    """An image that only the registry has."""
    name = f"{registry}/team/own:{uuid.uuid4().hex[:8]}"
    environ = os.environ | {"DOCKER_CONFIG": login}
    for words in (["tag", own, name], ["push", name], ["rmi", name]):
        subprocess.run(["docker", *words], check=True, capture_output=True, env=environ)
    yield name
    subprocess.run(["docker", "rmi", "-f", name], check=False, capture_output=True)


Connect = Callable[[str], contextlib.AbstractContextManager[DockerEngine]]


@contextlib.contextmanager
def engine_with(config: str) -> Iterator[DockerEngine]:
    """An engine whose docker command uses that configuration."""
    packaging = read_host_packaging(os.environ)

    def connect(workspace_id: str) -> DockerEngine:
        variables = {"DOCKER_CONFIG": config}
        host = DockerHost(docker.from_env(), run_command, variables, "default", lambda: False)
        return DockerEngine(host, workspace_id, packaging, platform="linux")

    with temporary_engine(connect) as engine:
        assert isinstance(engine, DockerEngine)
        yield engine


@pytest.mark.docker
def test_a_private_image_is_pulled_and_pinned(
    pushed: str, login: str, own: str, client: docker.DockerClient, layout: Path
) -> None:
    listener = Listener()
    with engine_with(login) as engine:
        image = make(engine, image_spec_of(pushed), listener)
        repository = pushed.rpartition(":")[0]
        assert image.pinned.startswith(f"{repository}@sha256:")
        assert make(engine, image_spec_of(image.pinned)).digest == image.digest
        assert "port=8501" in told(start(engine, image, layout))
    assert "s3cret-42" not in "\n".join(listener.lines)


@pytest.mark.docker
def test_a_dockerfile_builds_upon_a_private_image(pushed: str, login: str, context: Path) -> None:
    (context / "Dockerfile").write_text(f"FROM {pushed}\nRUN true\n")
    listener = Listener()
    with engine_with(login) as engine:
        assert make(engine, context_spec_of(context), listener).digest
    assert "s3cret-42" not in "\n".join(listener.lines)


@pytest.mark.docker
@pytest.mark.parametrize("built", [True, False])
def test_what_a_registry_refuses(
    pushed: str, registry: str, login: str, context: Path, tmp_path: Path, built: bool
) -> None:
    def refused(config: str, name: str) -> ImageBuildFailure:
        (context / "Dockerfile").write_text(f"FROM {name}\nRUN true\n")
        spec = context_spec_of(context) if built else image_spec_of(name)
        with engine_with(config) as engine, pytest.raises(ImageBuildFailure) as caught:
            make(engine, spec)
        return caught.value

    (tmp_path / "nobody").mkdir()
    denied = refused(str(tmp_path / "nobody"), pushed)
    assert f"its registry does not give out image {pushed}" in denied.message
    assert f"docker login {registry}" in denied.hint
    missing = refused(login, f"{registry}/team/none:1")
    assert f"its registry has no image {registry}/team/none:1" in missing.message
