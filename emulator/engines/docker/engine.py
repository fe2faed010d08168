"""The engine that builds images and runs scoring containers with Docker."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import docker
import docker.errors
from docker.models.containers import Container as DockerContainer
from docker.models.images import Image as DockerImage

from emulator.containers.size import DEFAULT_LIMITS, DefaultLimits
from emulator.containers.spec import LABEL_WORKSPACE, ContainerSpec
from emulator.containers.usage import Machine, Usage
from emulator.difference import read_differences
from emulator.engines import Container, Image, Log
from emulator.engines.docker.build import (
    LABEL_BUILT_BY,
    LABEL_DIFFERENCES,
    LABEL_ENVIRONMENT,
    DockerHost,
    build_environment,
    image_tag,
    leftover_folders,
)
from emulator.engines.docker.cli import run_command
from emulator.engines.docker.connection import check_engine, connect, find_endpoint, has_buildx
from emulator.engines.docker.container import Network, container_of, create_arguments, network_of, start_failure
from emulator.engines.docker.context_build import build_from_context
from emulator.engines.docker.errors import docker_errors, explanation, raise_for_answer
from emulator.engines.docker.existing_image import find_existing_image, provide_existing_image, prune_existing_images
from emulator.engines.docker.logs import LogLines
from emulator.engines.docker.mounts import OwnContainer, bind_mount, container_ids, find_own_container
from emulator.engines.docker.oom_events import OomKills, nanoseconds
from emulator.engines.docker.pull import base_images
from emulator.engines.docker.resolve import resolve_in_build
from emulator.engines.docker.usage import CGROUPS, usage_of_all, usage_of_stats
from emulator.engines.packaging.python_packages import HostPackaging
from emulator.environments import AnyImageSpec, BuildContextSpec, ExistingImageSpec
from emulator.errors import BadArgument, ResourceNotFound
from emulator.system.child_process import marked
from emulator.system.removal import remove_tree

_CONFLICT = 409
_OF_THIS_PROCESS = (Path("/proc/self/mountinfo"), Path("/proc/self/cgroup"))


def connect_docker_engine(
    workspace_id: str,
    packaging: HostPackaging,
    network: str = "",
    home: Path | None = None,
    limits: DefaultLimits = DEFAULT_LIMITS,
) -> DockerEngine:
    """Return the engine that the docker command of this user talks to; EngineUnavailable when none answers.

    DOCKER_HOST, DOCKER_CONTEXT and the current docker context choose it, in this order.  With `network` we run in a
    container of that engine ourselves, with `home` in one of its mounts, and scoring containers start on that network.
    `limits` hold for containers whose deployments say nothing of their size.
    """
    endpoint = find_endpoint(os.environ)
    client = connect(endpoint)
    buildx = functools.cache(functools.partial(_has_buildx, endpoint.variables.get("DOCKER_CONTEXT")))
    host = DockerHost(client, run_command, marked(endpoint.variables, workspace_id), endpoint.builder, buildx)
    own = find_own_container(client, _own_ids(), network, str(home)) if network else None
    return DockerEngine(host, workspace_id, packaging, platform=sys.platform, own=own, home=home, limits=limits)


def _own_ids() -> list[str]:
    """Return what may be the id of the container that this process runs in."""
    mountinfo, cgroup = (file.read_text(errors="replace") if file.exists() else "" for file in _OF_THIS_PROCESS)
    return container_ids(mountinfo, cgroup, socket.gethostname())


def _has_buildx(context: str | None) -> bool:
    return has_buildx(run_command, {"DOCKER_CONTEXT": context} if context else {})


class DockerEngine:
    """An Engine (see the protocol) on a Docker Engine.

    Images are built with the docker command, because BuildKit's cache mounts and secrets are not in the SDK; all else
    goes through the SDK.  `platform` is `sys.platform`, `cgroups` where the kernel's files of this machine are, `own`
    the container that this emulator runs in, if any, with its `home`.
    """

    name = "docker"

    def __init__(
        self,
        host: DockerHost,
        workspace_id: str,
        packaging: HostPackaging,
        *,
        platform: str,
        cgroups: Path = CGROUPS,
        own: OwnContainer | None = None,
        home: Path | None = None,
        limits: DefaultLimits = DEFAULT_LIMITS,
    ) -> None:
        self._host = host
        self._limits = limits
        self._client = host.client
        self._workspace_id = workspace_id
        self._packaging = packaging
        self._platform = platform
        self._cgroups = cgroups
        self._own = own
        self._home = home

    def check(self) -> None:
        """Raise EngineUnavailable unless the engine answers and the docker command can build."""
        check_engine(self._client)
        self._host.has_buildx()

    def base_images(self) -> list[str]:
        """Return the names of the images that environments can be built upon without a pull."""
        return base_images(self._client)

    def find_image(self, digest: str) -> Image | None:
        """The image that is tagged for this digest, if its label says so in full; else the image with this very id."""
        with docker_errors(f"image {image_tag(digest)}"):
            try:
                image = self._client.images.get(image_tag(digest))
            except docker.errors.ImageNotFound:
                return find_existing_image(self._client, digest)
        if image.labels.get(LABEL_ENVIRONMENT) != digest:
            return None
        differences = read_differences(json.loads(image.labels.get(LABEL_DIFFERENCES, "[]")))
        return Image(digest, image_tag(digest), differences, pinned=str(image.id))

    def build_image(self, spec: AnyImageSpec, log: Log, canceled: threading.Event) -> Image:
        """Build the environment, or find that it is there already."""
        if isinstance(spec, ExistingImageSpec):
            return provide_existing_image(spec, self._host, self._workspace_id, log, canceled)
        found = self.find_image(spec.digest)
        if found is not None:
            return found
        if isinstance(spec, BuildContextSpec):
            return build_from_context(spec, self._host, self._packaging, self._workspace_id, log, canceled)
        resolve = resolve_in_build(spec, self._host, self._packaging, log, canceled)
        return build_environment(spec, self._host, self._packaging, self._workspace_id, log, canceled, resolve)

    def start(self, spec: ContainerSpec) -> Container:
        """Create and start a container; what carries its name in this workspace is removed first.

        Raises BadArgument when the debug port is taken or the GPUs are not there, ResourceNotFound without the image.
        """
        with docker_errors(f"container {spec.name}"):
            _ = self._oom_kills  # which count from here on
            image, user = self._image_and_user(spec.image)
            mount = self._own.mount if self._own else bind_mount
            memory, pids = self.machine().container_bytes, self._limits.pids_limit
            arguments = create_arguments(
                spec,
                image,
                self._workspace_id,
                self._network,
                user=user,
                mount=mount,
                memory_bytes=memory,
                pids_limit=pids,
            )
            created = self._create(arguments)
            try:
                created.start()
            except docker.errors.APIError as error:
                created.remove(force=True, v=True)
                raise start_failure(spec, explanation(error)) from error
        return self.inspect(created.id or "")

    @functools.cached_property
    def _info(self) -> Mapping[str, Any]:
        with docker_errors():
            info: Mapping[str, Any] = self._client.info()
            return info

    @functools.cached_property
    def _network(self) -> Network:
        name = self._own.network if self._own else ""
        return network_of(self._info, self._client.api.base_url, self._platform, name)

    def _image_and_user(self, digest: str) -> tuple[str, str]:
        """Return the name to start that image by, and its USER."""
        found = self.find_image(digest)
        name = found.reference if found else image_tag(digest)
        try:
            config = self._client.images.get(name).attrs.get("Config") or {}
        except docker.errors.ImageNotFound as error:
            raise _image_gone(name) from error
        return name, str(config.get("User") or "")

    def _create(self, arguments: dict[str, Any]) -> DockerContainer:
        name = arguments["name"]
        try:
            return self._create_once(arguments)
        except docker.errors.APIError as error:
            if error.status_code != _CONFLICT:
                raise
            self._remove_leftover(name)
        return self._create_once(arguments)

    def _create_once(self, arguments: dict[str, Any]) -> DockerContainer:
        try:
            container: DockerContainer = self._client.containers.create(**arguments)
            return container
        except docker.errors.ImageNotFound as error:
            raise _image_gone(arguments["image"]) from error
        except docker.errors.APIError as error:
            if "no command specified" in explanation(error).lower():
                hint = "give it a CMD or an ENTRYPOINT, or name the packages of a scoring server in conda_file"
                raise BadArgument(f"the image {arguments['image']} has no command to start", hint=hint) from error
            raise

    def _remove_leftover(self, name: str) -> None:
        with contextlib.suppress(docker.errors.NotFound):
            leftover = self._client.containers.get(name)
            if leftover.labels.get(LABEL_WORKSPACE) != self._workspace_id:
                message = f"a container named {name} is there already, and it is not of this workspace"
                raise BadArgument(message, hint=f"docker rm -f {name}")
            leftover.remove(force=True, v=True)

    def inspect(self, container_id: str) -> Container:
        """Return the container as it is now."""
        with docker_errors(f"container {container_id}"):
            return container_of(self._client.containers.get(container_id).attrs, self._network)

    def list_containers(self) -> list[Container]:
        """Return every container that carries this workspace's label."""
        return [container_of(found.attrs, self._network) for found in self._ours()]

    def _ours(self) -> list[DockerContainer]:
        with docker_errors():
            label = f"{LABEL_WORKSPACE}={self._workspace_id}"
            found: list[DockerContainer] = self._client.containers.list(
                all=True, filters={"label": label}, ignore_removed=True
            )
            return found

    def running_ids(self) -> frozenset[str]:
        """Return what the engine lists as running: one request, with no look at each container."""
        label = f"{LABEL_WORKSPACE}={self._workspace_id}"
        with docker_errors():
            found = self._client.containers.list(filters={"label": label, "status": "running"}, sparse=True)
        return frozenset(container.id or "" for container in found)

    def machine(self) -> Machine:
        """The processors and the memory of the engine's machine, and what each container gets of it by default."""
        memory = int(self._info["MemTotal"])
        return Machine(int(self._info["NCPU"]), memory, self._limits.memory_on(memory))

    def usage(self, container_ids: Iterable[str]) -> Mapping[str, Usage]:
        """Measure from the kernel's files if the engine is on this machine, else ask the engine."""
        percent = self._disk_percent()
        with docker_errors():
            found = usage_of_all(container_ids, self._ask_usage, self._cgroups)
        return {id: replace(usage, disk_percent=percent) for id, usage in found.items()}

    def _ask_usage(self, container_id: str) -> Usage | None:
        try:
            stats = self._client.api.stats(container_id, stream=False, one_shot=True)
        except docker.errors.APIError as error:
            if error.status_code in (404, _CONFLICT):
                return None
            raise
        return usage_of_stats(stats, self.machine().memory_bytes)

    def _disk_percent(self) -> float | None:
        """Return how full the engine's disk is; None where it is not this machine's."""
        if self._network.publish:
            return None
        with contextlib.suppress(OSError):
            disk = shutil.disk_usage(self._place_on_disk())
            return 100.0 * disk.used / disk.total
        return None

    def _place_on_disk(self) -> Path:
        """A folder on the engine's disk: from inside a container only a volume is."""
        if self._own and self._home and self._own.is_in_volume(str(self._home)):
            return self._home
        return Path(self._info["DockerRootDir"])

    def oom_kills(self) -> Mapping[str, int]:
        """Count kills from the engine's events."""
        with docker_errors():
            return self._oom_kills.counts()

    @functools.cached_property
    def _oom_kills(self) -> OomKills:
        # The engine may have a clock of its own, as in a virtual machine.
        ahead = nanoseconds(self._client.info()["SystemTime"]) - time.time_ns()
        return OomKills(self._ask_oom_events, lambda: time.time_ns() + ahead)

    def _ask_oom_events(self, since: int, until: int) -> list[Mapping[str, Any]]:
        """Request the events directly: the SDK's stream has no timeout and does not end."""
        api = self._client.api
        label = f"{LABEL_WORKSPACE}={self._workspace_id}"
        params = {
            "filters": json.dumps({"type": ["container"], "event": ["oom"], "label": [label]}),
            "since": f"{since // 10**9}.{since % 10**9:09d}",
            "until": f"{until // 10**9}.{until % 10**9:09d}",
        }
        with api.get(f"{api.base_url}/v{api.api_version}/events", params=params, timeout=api.timeout) as answer:
            if not answer.ok:
                raise_for_answer(answer)
            return [json.loads(line) for line in answer.text.splitlines() if line]

    def logs(self, container_id: str, *, tail: int | None = None, follow: bool = False) -> Iterator[str]:
        """Return lines of stdout and stderr; closing the iterator, from any thread, closes the connection."""
        api = self._client.api
        url = f"{api.base_url}/v{api.api_version}/containers/{quote(container_id, safe='')}/logs"
        shown = "all" if tail is None else str(max(tail, 0))
        params = {"stdout": "1", "stderr": "1", "follow": str(int(follow)), "tail": shown}
        with docker_errors(f"container {container_id}"):
            # The SDK's own stream takes the time-out off a connection that it gives back to its pool.
            silence = None if follow else api.timeout
            response = api.get(url, params=params, stream=True, timeout=(api.timeout, silence))
            if not response.ok:
                with response:
                    raise_for_answer(response, f"container {container_id}")
        return LogLines(response, at_end=functools.partial(self._check_end_of_log, container_id))

    def _check_end_of_log(self, container_id: str) -> None:
        """Raise if the engine is gone, so that a broken log is not taken for the end of the container."""
        with contextlib.suppress(ResourceNotFound):
            self.inspect(container_id)

    def remove(self, container_id: str, *, grace_seconds: float = 10.0) -> None:
        """Stop and remove; succeed if it is already gone or being removed."""
        with docker_errors(f"container {container_id}"), contextlib.suppress(docker.errors.NotFound):
            container = self._client.containers.get(container_id)
            container.stop(timeout=math.ceil(grace_seconds))
            self._remove_stopped(container)

    def _remove_stopped(self, container: DockerContainer) -> None:
        try:
            container.remove(force=True, v=True)
        except docker.errors.APIError as error:
            if error.status_code != _CONFLICT:  # somebody else is removing it
                raise

    def prune(self, keep_images: Set[str], *, dry_run: bool = False) -> list[str]:
        """Remove this workspace's containers that no longer run, and the images that it built and nothing needs, and
        what killed builds have left.

        An image that another workspace's container uses stays, whoever built it.
        """
        return [
            *self._prune_containers(dry_run=dry_run),
            *self._prune_images(keep_images, dry_run=dry_run),
            *self._prune_own_images(keep_images, dry_run=dry_run),
            *self._prune_folders(dry_run=dry_run),
        ]

    def _prune_folders(self, *, dry_run: bool) -> Iterator[str]:
        for folder in leftover_folders(self._home) if self._home else ():
            if not dry_run:
                remove_tree(folder, ignore_errors=True)
            yield f"half-made build {folder.name}"

    def _prune_containers(self, *, dry_run: bool) -> Iterator[str]:
        for container in self._ours():
            if container.status in ("exited", "dead", "created"):
                if not dry_run:
                    self.remove(container.id or "", grace_seconds=0)
                yield f"container {container.name}"

    def _prune_images(self, keep: Set[str], *, dry_run: bool) -> Iterator[str]:
        with docker_errors():
            used = {c.attrs["ImageID"] for c in self._client.containers.list(all=True, sparse=True)}
            built: list[DockerImage] = self._client.images.list(
                filters={"label": [LABEL_ENVIRONMENT, f"{LABEL_BUILT_BY}={self._workspace_id}"]}
            )
            for image in built:
                if image.id not in used and not (image.tags and image.labels[LABEL_ENVIRONMENT] in keep):
                    if not dry_run:
                        self._remove_image(image)
                    yield f"image {(image.tags or [image.short_id])[0]} ({image.attrs['Size'] / 1e6:.0f} MB)"

    def _prune_own_images(self, keep: Set[str], *, dry_run: bool) -> Iterator[str]:
        with docker_errors():
            used = frozenset(c.attrs["ImageID"] for c in self._client.containers.list(all=True, sparse=True))
            yield from prune_existing_images(self._client, self._workspace_id, keep, used, dry_run=dry_run)

    def _remove_image(self, image: DockerImage) -> None:
        with contextlib.suppress(docker.errors.ImageNotFound):
            self._client.images.remove(image.id or "", force=True)

    def close(self) -> None:
        """Close the connections to the engine."""
        self._client.close()


def _image_gone(name: str) -> ResourceNotFound:
    return ResourceNotFound(f"the environment's image {name} is gone", hint="deploy again: it is built anew")
