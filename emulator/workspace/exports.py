"""Export an endpoint: its documents and the files of its code, for a deployment elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from emulator.containers.spec import MODELS_FOLDER, code_name
from emulator.entities import CodeConfiguration, Entity, Environment, OnlineDeployment
from emulator.errors import ResourceNotFound, ResourceNotReady
from emulator.profiles import profile_of
from emulator.store.build_contexts import context_files
from emulator.store.reach import Reach, context_reach
from emulator.workspace.assets.environments import Environments
from emulator.workspace.assets.models import Models
from emulator.workspace.core import Core
from emulator.workspace.deploying.deployments import Deployments
from emulator.workspace.deploying.planning import without_debugger
from emulator.workspace.endpoints import Endpoints

Files = list[tuple[str, Callable[[], AbstractContextManager[IO[bytes]]]]]
"""Paths below the exported folder, with '/', each with a function that opens the file within that folder."""


class Exports:
    """Reads the parts of a deployment; changes nothing."""

    def __init__(
        self, core: Core, models: Models, environments: Environments, endpoints: Endpoints, deployments: Deployments
    ) -> None:
        self._core = core
        self._models, self._environments = models, environments
        self._endpoints, self._deployments = endpoints, deployments

    def document(self, name: str, *, include_values: bool) -> dict[str, Any]:
        """Return the endpoint and its deployments as plain values; `include_values` keeps their secrets.

        `left_out` names the deployments that never served and have no files.  Raises ResourceNotReady when all are.
        """
        endpoint = self._endpoints.get(name)
        there = self._deployments.list_of(name)
        laid_out = [d for d in there if self._layout(d).is_dir()]
        if not laid_out:
            message = f"no deployment of endpoint '{name}' has ever served: there is nothing to export"
            raise ResourceNotReady(message, target=f"endpoint {name}")
        return {
            "endpoint": endpoint.to_document(),
            "deployments": [self._of(d, include_values) for d in laid_out],
            "machine": asdict(self._core.engine.machine()),
            "left_out": [d.name for d in there if d not in laid_out],
        }

    def _of(self, deployment: OnlineDeployment, include_values: bool) -> dict[str, Any]:
        environment, is_registered = self._environment(deployment)
        written = Entity.revealed_document if include_values else Entity.to_document
        image = self._core.engine.find_image(deployment.image)
        return {
            "deployment": written(deployment),
            "environment": written(environment),
            "environment_is_registered": is_registered,
            "models": [self._models.resolve(text).to_document() for text in deployment.models],
            "platform_variables": self._deployments.platform_variables(deployment),
            "code_files": [path for path, _ in self.code_files(deployment)],
            "image": image.reference if image else "",
        }

    def _environment(self, deployment: OnlineDeployment) -> tuple[Environment, bool]:
        """Return the deployment's environment without the debugger, and whether it is registered with that content."""
        name, version = (*re.split("[:@]", deployment.environment, maxsplit=1), "")[:2]
        by_name = self._core.store.find_environment(name, version)
        built = self._core.store.find_image_environment(deployment.image) or by_name
        if built is None:
            message = f"it is unknown what environment {deployment.environment} was built from"
            raise ResourceNotFound(message, target=f"deployment {deployment.name}", hint="deploy again")
        plain = without_debugger(built) if deployment.debug_port else built
        if by_name and _is_pinned(plain, by_name):
            return by_name, True
        registered = self._environments.find_registered(plain, name, version)
        return registered or plain.model_copy(update={"name": name, "version": version}), registered is not None

    def code_files(self, deployment: OnlineDeployment) -> Files:
        """Return the deployed files of the code folder; none without a script."""
        configuration = deployment.code_configuration
        if configuration is None:
            return []
        layout = self._layout(deployment)
        reach = Reach(layout, layout)
        if (alone := _script_alone(deployment, configuration)) and reach.holds_file(alone[0]):
            return [(PurePosixPath(configuration.scoring_script).name, partial(reach.opened, alone[0]))]
        folder = layout / code_name(deployment, configuration)
        return _opened(
            Reach(folder, layout), (path for path, _ in self._core.store.layouts.files(folder) if _is_code(path))
        )

    def context_files(self, deployment: OnlineDeployment) -> Files:
        """Return the files of the environment's build context; none without one."""
        build = self._environment(deployment)[0].build
        if build is None:
            return []
        reach = context_reach(Path(build.path))
        return _opened(reach, (path for path, source in context_files(build) if reach.reaches(source)))

    def layout_files(self, deployment: OnlineDeployment) -> Files:
        """Return all files that the container sees at /var/azureml-app."""
        layout = self._layout(deployment)
        files = (path for path, _ in self._core.store.layouts.files(layout))
        return _opened(Reach(layout, layout), (path for path in files if "__pycache__" not in path.split("/")))

    def _layout(self, deployment: OnlineDeployment) -> Path:
        return self._core.store.layouts.path_of(deployment.endpoint_name, deployment.name, deployment.generation)


def _opened(reach: Reach, paths: Iterable[str]) -> Files:
    return [(path, partial(reach.opened, path)) for path in paths]


def _is_pinned(built: Environment, registered: Environment) -> bool:
    """Return whether `built` is the registered image, pinned by digest."""
    images = [e.image.partition("@")[0].rpartition("/")[2].partition(":")[0] for e in (built, registered) if e.image]
    return built.python_version is registered.python_version is None and len(set(images)) == 1 == len(images) - 1


def _script_alone(deployment: OnlineDeployment, configuration: CodeConfiguration) -> Sequence[str]:
    """Return where a script lies that was deployed without its folder (row layout.script_alone)."""
    script = PurePosixPath(configuration.scoring_script).name
    return () if deployment.explicit_source_dir else profile_of(deployment.target).layout.script_alone(script)


def _is_code(path: str) -> bool:
    """Return whether the path is neither a model beside the code nor Python's bytecode."""
    parts = PurePosixPath(path).parts
    return parts[0] != MODELS_FOLDER and "__pycache__" not in parts
