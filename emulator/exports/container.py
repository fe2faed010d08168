"""The container of a deployment, for compose and Kubernetes: image, variables, port, probes, size, mounts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from emulator.containers.size import ContainerSize, asked_size
from emulator.containers.spec import SCORING_PORT, LayoutMount, code_name, layout_mounts, model_mount
from emulator.entities import OnlineDeployment, ProbeSettings, Route
from emulator.errors import BadArgument
from emulator.exports.result import Change, DeploymentCopy, cloud_name
from emulator.exports.source import DeploymentSource, EndpointSource
from emulator.profiles import profile_of

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
LAYOUT = "app"
"""The folder, in a deployment's own, that the container sees at /var/azureml-app."""


@dataclass(frozen=True)
class ExportedContainer:
    """One deployment's container.

    `platform` are the cloud's variables, `users` the deployment's own as they are told, without the `odd` names that
    neither a Secret nor a shell can hold.  `mounts` are those of the layout, which is the folder LAYOUT of the
    deployment's own.
    """

    source: DeploymentSource
    name: str
    image: str
    platform: dict[str, str]
    users: dict[str, str]
    odd: tuple[str, ...]
    working_dir: str | None
    port: int
    liveness: tuple[Route, ProbeSettings]
    readiness: tuple[Route, ProbeSettings]
    size: ContainerSize
    mounts: tuple[LayoutMount, ...]

    @property
    def deployment(self) -> OnlineDeployment:
        """The deployment as it is stored."""
        return self.source.deployment

    @property
    def is_ours(self) -> bool:
        """Whether the image is one that amlemu builds, with Python and a user of its own."""
        return self.source.environment.python_version is not None


def exported_containers(source: EndpointSource, image: str | None) -> tuple[ExportedContainer, ...]:
    """Each deployment's container; `image` is what the user has named, None for the one that runs here.

    BadArgument where there is no image, because no container runs here.
    """
    return tuple(_container(one, image) for one in source.deployments)


def _container(source: DeploymentSource, image: str | None) -> ExportedContainer:
    deployment, config = source.deployment, source.environment.inference_config
    script = deployment.code_configuration
    profile = profile_of(deployment.target).container
    users = dict(source.variables)
    platform = dict(source.platform_variables)
    if profile.user_variables_win:
        platform = {name: value for name, value in platform.items() if name not in users}
    else:
        users = {name: value for name, value in users.items() if name not in platform}
    ours = Route(port=SCORING_PORT, path="/")
    return ExportedContainer(
        source=source,
        name=cloud_name(source.name),
        image=image or _image(source),
        platform=platform,
        users={name: value for name, value in users.items() if _NAME.fullmatch(name)},
        odd=tuple(name for name in users if not _NAME.fullmatch(name)),
        working_dir=profile.working_dir(code_name(deployment, script), script.scoring_script) if script else None,
        port=config.scoring_route.port if config else SCORING_PORT,
        liveness=(config.liveness_route if config else ours, deployment.liveness_probe),
        readiness=(config.readiness_route if config else ours, deployment.readiness_probe),
        size=asked_size(deployment, deployment.target),
        mounts=layout_mounts(model_mount(deployment)),
    )


def _image(source: DeploymentSource) -> str:
    if source.image and source.deployment.engine != "process":
        return source.image
    message = f"deployment {source.name} has no image: it runs on the {source.deployment.engine} engine"
    raise BadArgument(message, hint="deploy it on Docker, or name an image with --image")


def layout_copies(containers: Sequence[ExportedContainer]) -> tuple[DeploymentCopy, ...]:
    """Everything below /var/azureml-app, each deployment's in its own folder."""
    return tuple(DeploymentCopy(one.source.name, f"{one.name}/{LAYOUT}") for one in containers)


def changes_of_front_door(source: EndpointSource, containers: Sequence[ExportedContainer], file: str) -> list[Change]:
    """The changes for lack of amlemu's front door, which is not exported."""
    endpoint = source.endpoint
    found = [
        f"auth_mode: {endpoint.auth_mode}: the container asks nobody for a key: put something in front that does",
        "time-outs, queues and status codes of the cloud are the front door's: the container has none of them",
    ]
    if len(source.deployments) > 1:
        shares = ", ".join(f"{name}={percent}" for name, percent in endpoint.traffic.items()) or "none"
        found.append(f"traffic: {shares}: nothing splits it: each deployment has an address of its own")
    odd = [name for one in containers for name in one.odd]
    found += [f"variable {name!r} has a name that cannot be handed on: it is left out" for name in odd]
    found += [f"deployment {name} has never served, and is left out" for name in source.left_out]
    return [Change(file, text) for text in found]


def shell_name(deployment: str, name: str, *, alone: bool) -> str:
    """The shell's variable for a value; where a deployment is not alone each has its own.

    >>> shell_name("blue", "A.B", alone=False), shell_name("blue", "1", alone=True)
    ('blue_A_B', '_1')
    """
    plain = re.sub(r"\W", "_", name if alone else f"{deployment}_{name}", flags=re.ASCII)
    return f"_{plain}" if plain[0].isdigit() else plain
