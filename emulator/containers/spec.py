"""A deployment, its models and its image turned into what a container engine starts.

Sources: the rows container.* and layout.*.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from emulator.containers.data_collection import (
    SINK_FOLDER,
    SINK_VARIABLE,
    collection_differences,
    collection_variables,
    needs_sink,
)
from emulator.containers.size import NO_LIMIT, ContainerSize
from emulator.difference import Difference, differs, fails_in_cloud
from emulator.entities import AZUREML_ROUTES, CodeConfiguration, Model, OnlineDeployment, Route
from emulator.environments import MLFLOW_FOLDER, MLFLOW_SCRIPT
from emulator.profiles import profile_of
from emulator.secret import revealed

APP_ROOT = "/var/azureml-app"
MODELS_FOLDER = "azureml-models"
SCORING_PORT = 5001
EMPTY_BYTES = 4096
"""The size of the file system that hides a folder of the layout: the least there is."""

LABEL_WORKSPACE = "amlemu.workspace"
LABEL_ENDPOINT = "amlemu.endpoint"
LABEL_DEPLOYMENT = "amlemu.deployment"
LABEL_GENERATION = "amlemu.generation"
LABEL_INSTANCE = "amlemu.instance"

# Variables that the platform sets; nobody documents who wins when the user sets them too
# (row container.user_variables_win).
PLATFORM_VARIABLES = (
    "AML_APP_ROOT",
    "AZUREML_ENTRY_SCRIPT",
    "AZUREML_SOURCE_DIRECTORY",
    "AZUREML_MODEL_DIR",
    "SERVICE_NAME",
    "SERVICE_PATH_PREFIX",
    "SCORING_TIMEOUT_MS",
)
DEBUG_PORT_VARIABLE = "AMLEMU_DEBUG_PORT"


@dataclass(frozen=True)
class ContainerSpec:
    """One scoring container, the same for every engine.

    `layout` is the host folder that the container sees at /var/azureml-app, read-only unless `read_only` is False;
    `sink` is one that it may write to, seen at SINK_FOLDER.  `working_dir` is absolute inside, None for the image's
    own.  `environment_variables` may hold secrets: engines neither print nor label them.  `image` is the digest of an
    Image.  `port` is where requests go, `other_ports` are those that probes ask at besides; `launched` says that
    amlemu's launcher listens there, which is told the port.  `model_mount` is where the layout's folder of models
    appears inside once more.  `memory_bytes`, `cpus` and `pids_limit` None mean the engine's default.
    """

    name: str
    image: str
    layout: str
    working_dir: str | None
    environment_variables: Mapping[str, str] = field(repr=False)
    labels: Mapping[str, str]
    port: int = SCORING_PORT
    other_ports: tuple[int, ...] = ()
    launched: bool = True
    model_mount: str | None = None
    debug_port: int | None = None
    read_only: bool = True
    memory_bytes: int | None = None
    cpus: float | None = None
    pids_limit: int | None = None
    gpus: str | None = None
    sink: str | None = None


def container_specs(
    deployment: OnlineDeployment,
    models: Sequence[Model],
    layout: str,
    workspace_id: str,
    size: ContainerSize = NO_LIMIT,
    sinks: str = "",
) -> tuple[ContainerSpec, ...]:
    """One specification for each instance of `deployment`, whose files lie in the host folder `layout`; what a
    container hands over comes into a folder of its own below `sinks`.
    """
    configuration, profile = deployment.code_configuration, profile_of(deployment.target)
    working_dir = (
        profile.container.working_dir(code_name(deployment, configuration), configuration.scoring_script)
        if configuration and not deployment.own_command  # which expects the image's own
        else MLFLOW_FOLDER
        if no_code_model(deployment, models)
        else None
    )
    platform, users = platform_variables(deployment, models), revealed(deployment.environment_variables)
    variables = platform | users if profile.container.user_variables_win else users | platform
    if deployment.debug_port:
        variables[DEBUG_PORT_VARIABLE] = str(deployment.debug_port)
    if needs_sink(deployment):
        variables[SINK_VARIABLE] = SINK_FOLDER
    scoring_port, *other_ports = ports_of(deployment)
    stem = f"amlemu-{deployment.endpoint_name}-{deployment.name}-{workspace_id}-{deployment.generation}"
    return tuple(
        ContainerSpec(
            name=f"{stem}-{instance}",
            image=deployment.image,
            layout=layout,
            working_dir=working_dir,
            environment_variables=variables,
            labels=_labels(deployment, workspace_id, instance),
            port=scoring_port,
            other_ports=tuple(other_ports),
            launched=not deployment.own_command,
            model_mount=model_mount(deployment),
            # Two instances cannot listen on one port of the host: the first has the debugger.
            debug_port=deployment.debug_port if instance == 0 else None,
            # As it was laid out, whatever the settings say now: hard links must never be written to.
            read_only=deployment.read_only_mounts,
            cpus=size.cpus,
            memory_bytes=size.memory_bytes,
            gpus=deployment.gpus,
            sink=f"{sinks}/{instance}" if needs_sink(deployment) else None,
        )
        for instance in range(deployment.instance_count)
    )


def code_name(deployment: OnlineDeployment, configuration: CodeConfiguration) -> str:
    """Return where the code folder lies below /var/azureml-app: its base name, which the container keeps."""
    # Resolved: the last part of a path may be '..', which names nothing below the layout.
    name = PurePosixPath(posixpath.normpath(configuration.code.replace("\\", "/"))).name
    name = "code" if name in ("", "..") else name
    return profile_of(deployment.target).layout.code_folder(name)


def platform_variables(deployment: OnlineDeployment, models: Sequence[Model]) -> dict[str, str]:
    """Return the variables that the target's cloud sets."""
    profile = profile_of(deployment.target).container
    variables = _script_variables(deployment)
    variables["AZUREML_MODEL_DIR"] = _model_dir(deployment, models)
    variables |= no_code_variables(deployment, models)
    set_ones = {name: value for name, value in variables.items() if value is not None}
    timeout_ms = deployment.request_settings.request_timeout_ms
    set_ones |= profile.service_variables(deployment.endpoint_name, timeout_ms)
    return set_ones | collection_variables(deployment)


def ports_of(deployment: OnlineDeployment) -> tuple[int, ...]:
    """Return every port of the container that is asked at, the one for requests first."""
    return (deployment.inference_config or AZUREML_ROUTES).ports


def scoring_path(deployment: OnlineDeployment) -> str:
    """Return where the container takes requests; with it ends the scoring_uri (row custom.scoring_uri)."""
    return (deployment.inference_config or AZUREML_ROUTES).scoring_route.path


def probe_route(deployment: OnlineDeployment, kind: Literal["liveness", "readiness"]) -> Route:
    """Where that probe asks: as the environment's inference_config says, else the target's own (row probes.path)."""
    config = deployment.inference_config
    if config is None:
        return Route(port=SCORING_PORT, path=profile_of(deployment.target).probes.path)
    return config.liveness_route if kind == "liveness" else config.readiness_route


def models_folder(deployment: OnlineDeployment) -> str:
    """Return where models lie below /var/azureml-app: a mount path that is below it is part of the layout itself."""
    place = PurePosixPath(deployment.model_mount_path or "/")
    return str(place.relative_to(APP_ROOT)) if place.is_relative_to(APP_ROOT) else MODELS_FOLDER


def path_at_mount(path: str, mount: str) -> str:
    """Return where a file of the layout is seen when models are mounted at `mount`.

    >>> path_at_mount("azureml-models/m/1/m.pkl", "/models"), path_at_mount("src/score.py", "/models")
    ('/models/m/1/m.pkl', 'src/score.py')
    """
    folder, _, rest = path.partition("/")
    return f"{mount.rstrip('/')}/{rest}" if folder == MODELS_FOLDER else path


def model_mount(deployment: OnlineDeployment) -> str | None:
    """Return where models are mounted, None where they lie in the layout itself (row custom.model_mount_path)."""
    path = deployment.model_mount_path
    return None if path is None or PurePosixPath(path).is_relative_to(APP_ROOT) else path


@dataclass(frozen=True)
class LayoutMount:
    """A folder of the layout and the path at which a container sees it.

    `folder` is '.' for the whole layout, and None where an empty folder hides what the layout has at that path.
    """

    path: str
    folder: str | None


def layout_mounts(model_mount: str | None) -> tuple[LayoutMount, ...]:
    """How a container sees its layout: with models at `model_mount` and nowhere else (row custom.model_mount_path).

    A script that looks for them at their usual path fails in the cloud, too.
    """
    whole = LayoutMount(APP_ROOT, ".")
    if model_mount is None:
        return (whole,)
    return whole, LayoutMount(model_mount, MODELS_FOLDER), LayoutMount(f"{APP_ROOT}/{MODELS_FOLDER}", None)


def _model_dir(deployment: OnlineDeployment, models: Sequence[Model]) -> str | None:
    profile = profile_of(deployment.target).container
    ids = tuple((m.name, m.version) for m in models)
    if deployment.model_mount_path is None or not ids:
        return profile.model_dir(ids)
    return profile.mounted_model_dir(deployment.model_mount_path, ids)


def _script_variables(deployment: OnlineDeployment) -> dict[str, str | None]:
    """Return what leads to the script; nothing for a container without one."""
    configuration = deployment.code_configuration
    if configuration is None:
        return {}
    profile = profile_of(deployment.target).container
    code, script = code_name(deployment, configuration), configuration.scoring_script
    explicit = deployment.explicit_source_dir
    return {
        "AML_APP_ROOT": profile.app_root(code, script),
        "AZUREML_ENTRY_SCRIPT": profile.entry_script(code, script, explicit_source_dir=explicit),
        "AZUREML_SOURCE_DIRECTORY": profile.source_directory(code, explicit_source_dir=explicit),
    }


def no_code_model(deployment: OnlineDeployment, models: Sequence[Model]) -> Model | None:
    """Return the MLflow model that is scored by the script of the image, because the deployment has none."""
    if deployment.code_configuration or deployment.inference_config or len(models) != 1:
        return None
    return models[0] if models[0].type == "mlflow_model" else None


def no_code_variables(deployment: OnlineDeployment, models: Sequence[Model]) -> dict[str, str]:
    """Return what leads to the image's own script and tells it which model; nothing with a script of the user's."""
    model, profile = no_code_model(deployment, models), profile_of(deployment.target)
    if model is None:
        return {}
    model_dir = profile.container.model_dir(((model.name, model.version),)) or ""
    script = {"AML_APP_ROOT": MLFLOW_FOLDER, "AZUREML_ENTRY_SCRIPT": MLFLOW_SCRIPT}
    return script | profile.mlflow.variables(model_dir, model.path)


def container_differences(deployment: OnlineDeployment, models: Sequence[Model]) -> list[Difference]:
    """Return where what is asked for departs from what the target's cloud would take."""
    profile = profile_of(deployment.target)
    found: list[Difference] = []
    limit = profile.container.max_models
    if limit is not None and len(models) > limit:
        text = (
            f"{deployment.target} endpoints take {'one model' if limit == 1 else f'{limit} models'} per deployment:"
            f" {len(models)} are laid out as $MODEL_NAME/$VERSION, as v1 services (aci, aks) have them"
        )
        found.append(fails_in_cloud("models.too_many", text))
    most_bytes = profile.rules.max_model_bytes
    if most_bytes is not None and sum(m.size for m in models) > most_bytes:
        text = f"{deployment.target} takes models below {most_bytes / 1e9:g} GB only"
        found.append(fails_in_cloud("models.too_large", text))
    if deployment.inference_config and not profile.rules.takes_custom_containers:
        text = f"{deployment.target} takes no custom container: the routes of inference_config are v2's"
        found.append(fails_in_cloud("container.custom", text))
    set_ones = {*PLATFORM_VARIABLES, *no_code_variables(deployment, models)}
    taken = sorted(set_ones & deployment.environment_variables.keys())
    if taken and deployment.target != "local":
        text = f"{', '.join(taken)} set by the deployment: whether the cloud lets it win is not documented"
        found.append(differs("container.platform_variables", text))
    return found + collection_differences(deployment)


def _labels(deployment: OnlineDeployment, workspace_id: str, instance: int) -> dict[str, str]:
    return {
        LABEL_WORKSPACE: workspace_id,
        LABEL_ENDPOINT: deployment.endpoint_name,
        LABEL_DEPLOYMENT: deployment.name,
        LABEL_GENERATION: str(deployment.generation),
        LABEL_INSTANCE: str(instance),
    }
