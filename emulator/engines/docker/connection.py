"""Find the Docker Engine that the docker command talks to, and check the command and the engine."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import docker
import docker.errors
from docker.context import ContextAPI

from emulator.engines.docker.cli import RunCommand
from emulator.engines.docker.errors import docker_errors
from emulator.errors import EngineUnavailable

# Of Docker 19.03: the oldest that knows BuildKit's secrets and device requests.
MINIMUM_API = (1, 40)
_TIMEOUT_SECONDS = 30
# Every container is stopped at the same time when the emulator ends.
_MOST_CONNECTIONS = 64
# From 23.0 on the docker command leaves BuildKit to its plugin buildx.
_FIRST_WITHOUT_BUILDKIT = 23
_BUILDX_HINT = "install it: apt install docker-buildx (Debian, Ubuntu), or docker-buildx-plugin of docker.com"


@dataclass(frozen=True)
class Endpoint:
    """One engine, for the SDK (`url`, `tls`) and for the docker command (`variables`, `builder`).

    `url` None leaves the choice to the SDK: DOCKER_HOST and its TLS variables, or the default socket.
    """

    url: str | None = None
    tls: Any = field(default=None, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    builder: str = "default"


def find_endpoint(environ: Mapping[str, str]) -> Endpoint:
    """Return the engine that `docker` itself would use: DOCKER_HOST, else DOCKER_CONTEXT, else the current context."""
    if environ.get("DOCKER_HOST"):
        return Endpoint()
    name = environ.get("DOCKER_CONTEXT")
    with docker_errors():
        try:
            context = ContextAPI.get_context(name) if name else ContextAPI.get_current_context()
        except Exception as error:  # the SDK raises a bare Exception for a damaged file
            raise EngineUnavailable(f"the docker context cannot be read: {error}", hint="docker context ls") from error
    if context is None:
        raise EngineUnavailable(f"there is no docker context '{name}'", hint="docker context ls")
    if context.Name == "default":
        return Endpoint()
    return Endpoint(context.Host, context.TLSConfig, {"DOCKER_CONTEXT": context.Name}, context.Name)


def connect(endpoint: Endpoint, timeout_seconds: int = _TIMEOUT_SECONDS) -> docker.DockerClient:
    """A client that has spoken to the engine once, to agree on an API version; EngineUnavailable when it is silent."""
    with docker_errors():
        if endpoint.url is None:
            return docker.from_env(timeout=timeout_seconds, max_pool_size=_MOST_CONNECTIONS)
        return docker.DockerClient(
            base_url=endpoint.url,
            tls=endpoint.tls or False,
            timeout=timeout_seconds,
            max_pool_size=_MOST_CONNECTIONS,
        )


def has_buildx(run: RunCommand, variables: Mapping[str, str]) -> bool:
    """Return whether images can be built with buildx; False when the docker command has BuildKit itself.

    Raises EngineUnavailable when it has neither, or when there is no docker command.
    """
    silent = threading.Event()
    lines: list[str] = []
    if run(["docker", "buildx", "version"], variables, lines.append, silent) == 0:
        return True
    lines.clear()
    run(["docker", "--version"], variables, lines.append, silent)
    version = re.search(r"version (\d+)\.", " ".join(lines))
    if version and int(version[1]) < _FIRST_WITHOUT_BUILDKIT:
        return False
    raise EngineUnavailable("the plugin 'buildx' of the docker command is missing: images need it", hint=_BUILDX_HINT)


def check_engine(client: docker.DockerClient) -> None:
    """Raise EngineUnavailable unless the engine answers, is new enough, and runs Linux containers."""
    with docker_errors():
        version: dict[str, Any] = client.version()
    api = tuple(int(part) for part in str(version.get("ApiVersion", "0.0")).split("."))
    if api < MINIMUM_API:
        message = f"Docker Engine {version.get('Version')} is too old: 19.03 or newer is needed"
        raise EngineUnavailable(message, hint="update Docker, or use --engine process")
    if version.get("Os") != "linux":
        message = f"the Docker Engine runs {version.get('Os')} containers, and Azure ML's are Linux containers"
        raise EngineUnavailable(message, hint="switch Docker Desktop to Linux containers")
