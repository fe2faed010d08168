"""Images used as they are: found locally or pulled, pinned by digest, and kept while a deployment needs them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from typing import Any

import docker
import docker.errors
from docker.models.images import Image as DockerImage

from emulator.difference import Difference, only_here
from emulator.engines import Image, Log
from emulator.engines.docker.build import DockerHost, is_for_platform
from emulator.engines.docker.errors import docker_errors
from emulator.engines.docker.pull import RegistryUnreachable, pull_image, stand_in_differences
from emulator.environments import ExistingImageSpec
from emulator.errors import EngineUnavailable

_ID = "sha256:"
_HINT = "pull it while a registry answers, load it with docker load, or name another for it: base_images in amlemu.toml"


def provide_existing_image(
    spec: ExistingImageSpec, host: DockerHost, workspace_id: str, log: Log, canceled: threading.Event
) -> Image:
    """Return the image that the name means now: the one that is here, else pulled.

    It is tagged for this workspace, so that it stays when its name moves on.  Raises ImageBuildFailure when a registry
    answers that it cannot be had, EngineUnavailable when none answers.
    """
    found = _find(host.client, spec)
    if found is None:
        log(f"pulling {spec.name}")
        try:
            pull_image(spec.name, host.run, host.variables, log, canceled, platform=spec.platform)
        except RegistryUnreachable as error:
            raise image_unavailable(spec.name, str(error)) from error
        found = _find(host.client, spec)
    if found is None:
        message = f"image {spec.name} is not for {spec.platform or 'this engine'}, nor does its registry have it so"
        raise EngineUnavailable(message, target=f"image {spec.name}", hint="leave --platform out, or name another one")
    digest = (found.id or "").removeprefix(_ID)
    with docker_errors(f"image {spec.name}"):
        found.tag(_repository(workspace_id), digest[:16])
        machine = str(host.client.info().get("Architecture", ""))
    differences = (*_emulated(spec.name, found.attrs, machine), *stand_in_differences(host.client, spec.name))
    return Image(digest, spec.name, differences, pinned_name(spec.name, found.attrs))


def image_unavailable(name: str, reason: str) -> EngineUnavailable:
    """Return the error for an image that is not local while no registry answers."""
    message = f"image {name} is not here and could not be pulled: {reason}"
    return EngineUnavailable(message, target=f"image {name}", hint=_HINT)


def _find(client: docker.DockerClient, spec: ExistingImageSpec) -> DockerImage | None:
    with docker_errors(f"image {spec.name}"):
        try:
            image: DockerImage = client.images.get(spec.name)
        except docker.errors.ImageNotFound:
            return None
    return image if spec.platform is None or is_for_platform(image.attrs, spec.platform) else None


def pinned_name(name: str, attributes: Mapping[str, Any]) -> str:
    """Return the image's name with its repository's digest; its id where no registry has given it one.

    >>> pinned_name("localhost:5000/a:1", {"RepoDigests": ["b@sha256:3", "localhost:5000/a@sha256:4"]})
    'localhost:5000/a@sha256:4'
    """
    plain = name.partition("@")[0]
    repository = plain.rpartition(":")[0] if ":" in plain.rpartition("/")[2] else plain
    known = [text for text in attributes.get("RepoDigests") or () if text.partition("@")[0] == repository]
    return str(known[0] if known else attributes.get("Id", ""))


def _emulated(name: str, attributes: Mapping[str, Any], machine: str) -> tuple[Difference, ...]:
    made_for = str(attributes.get("Architecture") or "")
    own = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    if not own or not made_for or own == made_for:
        return ()
    text = f"image {name} is for {made_for}, which this machine ({own}) can only emulate: it is slower"
    return (only_here("image.emulated", text),)


def find_existing_image(client: docker.DockerClient, digest: str) -> Image | None:
    """Return the image of that digest, if it is still here."""
    with docker_errors(f"image {digest[:16]}"):
        try:
            image = client.images.get(_ID + digest)
        except docker.errors.ImageNotFound:
            return None
    return Image(digest, str(image.id), (), str(image.id))


def prune_existing_images(
    client: docker.DockerClient, workspace_id: str, keep: Set[str], used_ids: Set[str], *, dry_run: bool
) -> Iterator[str]:
    """Take this workspace's tag off the images that it no longer needs; one with a name of its own stays."""
    for image in client.images.list(name=_repository(workspace_id)):
        digest = (image.id or "").removeprefix(_ID)
        if digest in keep or image.id in used_ids:
            continue
        for tag in [tag for tag in image.tags if tag.startswith(f"{_repository(workspace_id)}:")]:
            if not dry_run:
                with suppress(docker.errors.ImageNotFound):
                    client.images.remove(tag)
            yield f"image {tag}"


def _repository(workspace_id: str) -> str:
    return f"amlemu/own-{workspace_id}"
