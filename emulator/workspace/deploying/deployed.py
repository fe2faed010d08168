"""What is known of a deployment whose failure is to be explained."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from emulator.containers.spec import APP_ROOT, model_mount, path_at_mount, platform_variables
from emulator.diagnosis import Deployed
from emulator.entities import Model, OnlineDeployment
from emulator.environments import MLFLOW_FOLDER
from emulator.store import Store


def deployed_of(deployment: OnlineDeployment, models: Sequence[Model], store: Store) -> Deployed:
    """The facts of a deployment, with the files of its layout; without those where that is gone."""
    layout = store.layouts.path_of(deployment.endpoint_name, deployment.name, deployment.generation)
    mount = model_mount(deployment)
    source = deployment.environment_source
    return Deployed(
        endpoint=deployment.endpoint_name,
        deployment=deployment.name,
        target=deployment.target,
        code_roots=(APP_ROOT, str(layout), MLFLOW_FOLDER),
        files=tuple(path_at_mount(path, mount) if mount else path for path in _files(layout, store)),
        models=deployment.models,
        variables=platform_variables(deployment, models),
        own_variables=tuple(deployment.environment_variables),
        environment=source if source.endswith((".txt", ".yml", ".yaml", ".json")) else "",
    )


def _files(layout: Path, store: Store) -> tuple[str, ...]:
    with suppress(OSError):  # removed while it was looked at
        return tuple(path for path, _ in store.layouts.files(layout))
    return ()
