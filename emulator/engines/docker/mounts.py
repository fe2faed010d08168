"""Translate paths of an emulator that runs in a container to mounts that the engine understands.

The engine mounts what lies on its own machine.  A path of our container is there too, in the volume or in the folder
that is mounted where the path begins: the engine tells which, once we know which of its containers we are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import docker
import docker.errors
from docker.types import Mount

from emulator.engines.docker.errors import docker_errors
from emulator.errors import EngineUnavailable

MakeMount = Callable[[str, str, bool], Mount]
"""Takes where a container sees a folder, the folder's path as this process knows it, and whether it is read-only."""

# Of Docker 26: the first that mounts a folder of a volume.
_FIRST_WITH_SUBPATH = (1, 45)
# Docker keeps a container's hostname and hosts in a folder with the container's id; Podman likewise.
_OF_CONTAINER = re.compile(r"/(?:containers|overlay-containers)/([0-9a-f]{64})/")
_OF_CGROUP = re.compile(r"/(?:docker[/-]|libpod-)([0-9a-f]{64})")


@dataclass(frozen=True)
class OwnContainer:
    """The container that we run in: what is mounted in it, by `docker inspect`, and the network of scoring containers.

    `subpaths` is whether the engine can mount a folder of a volume.
    """

    network: str
    mounts: tuple[Mapping[str, Any], ...]
    subpaths: bool

    def mount(self, target: str, path: str, read_only: bool) -> Mount:
        """A MakeMount for paths of this container; EngineUnavailable for one that no other container can see."""
        found = self._covering(path)
        rest = str(PurePosixPath(path).relative_to(found["Destination"]))
        if found["Type"] == "volume" and self.subpaths:
            return _of_volume(target, str(found["Name"]), rest, read_only)
        # A volume's own folder is on the engine's machine as well.
        return bind_mount(target, str(PurePosixPath(found["Source"], rest)), read_only)

    def is_in_volume(self, path: str) -> bool:
        """Return whether a path lies in a volume, and so on the engine's own disk."""
        return bool(self._covering(path)["Type"] == "volume")

    def _covering(self, path: str) -> Mapping[str, Any]:
        """Return the mount that a path lies in: the deepest one."""
        place = PurePosixPath(path)
        covering = [mount for mount in self.mounts if place.is_relative_to(str(mount["Destination"]))]
        found = max(covering, key=lambda mount: len(PurePosixPath(mount["Destination"]).parts), default=None)
        if found is None or found["Type"] not in ("bind", "volume") or not found.get("Source"):
            raise EngineUnavailable(
                f"{path} lies in the emulator's own container alone, where no other container can see it",
                target=f"folder {path}",
                hint="mount a volume, or a folder of the engine's machine, at AMLEMU_HOME",
            )
        return found


def bind_mount(target: str, path: str, read_only: bool) -> Mount:
    """A MakeMount for paths of the engine's own machine."""
    return Mount(target=target, source=path, type="bind", read_only=read_only)


def _of_volume(target: str, name: str, subpath: str, read_only: bool) -> Mount:
    mount = Mount(target=target, source=name, type="volume", read_only=read_only, no_copy=True)
    if subpath != ".":
        mount["VolumeOptions"]["Subpath"] = subpath
    return mount


def container_ids(mountinfo: str, cgroup: str, hostname: str) -> list[str]:
    """What may be our container's id, the likeliest first, by /proc/self/mountinfo, /proc/self/cgroup and the hostname.

    The hostname is the beginning of the id unless somebody has chosen another.
    """
    # Not by where other files are mounted from: they may belong to another container.
    own = [line for line in mountinfo.splitlines() if re.search(r" /etc/(hostname|hosts|resolv\.conf) ", line)]
    found = [*_OF_CONTAINER.findall("\n".join(own)), *_OF_CGROUP.findall(cgroup)]
    if re.fullmatch("[0-9a-f]{12}", hostname):
        found.append(hostname)
    return list(dict.fromkeys(found))


def find_own_container(client: docker.DockerClient, ids: Iterable[str], network: str, home: str) -> OwnContainer:
    """Return the first of these ids that the engine knows.

    Raises EngineUnavailable when it knows none, when that container is not on `network`, as whoever speaks to scoring
    containers there must be, and when `home` is not mounted in it.
    """
    for container_id in ids:
        with docker_errors():
            try:
                attributes = client.containers.get(container_id).attrs
            except docker.errors.NotFound:
                continue
        return own_container(attributes, client.api.api_version, network, home)
    raise EngineUnavailable(
        "the Docker Engine does not know the container that this emulator runs in",
        hint="AMLEMU_NETWORK is for an emulator in a container of this very engine: leave it empty elsewhere",
    )


def own_container(attributes: Mapping[str, Any], api_version: str, network: str, home: str) -> OwnContainer:
    """Return the container that `docker inspect` described, checked; `api_version` is what the engine and we speak."""
    networks = (attributes.get("NetworkSettings") or {}).get("Networks") or {}
    if network not in networks:
        message = f"the emulator's container is not on the network '{network}', where scoring containers are to be"
        hint = f"AMLEMU_NETWORK names one of its own: {', '.join(sorted(networks)) or 'it has none'}"
        raise EngineUnavailable(message, target=f"network {network}", hint=hint)
    version = tuple(int(part) for part in api_version.split("."))
    own = OwnContainer(network, _mounts(attributes), version >= _FIRST_WITH_SUBPATH)
    own.is_in_volume(home)
    return own


def _mounts(attributes: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    found: Sequence[Mapping[str, Any]] = attributes.get("Mounts") or ()
    # What is in memory is not always in that list, and hides what lies below it all the same.
    in_memory = (attributes.get("HostConfig") or {}).get("Tmpfs") or {}
    return (*found, *({"Type": "tmpfs", "Destination": place} for place in in_memory))
