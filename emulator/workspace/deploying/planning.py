"""Check a deployment and resolve its settings before anything is built or started."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from emulator.diagnosis import check_script
from emulator.difference import Difference, differs, fails_in_cloud, only_here, texts
from emulator.entities import (
    AssetReference,
    CodeConfiguration,
    DeploymentRequest,
    Environment,
    Model,
    ModelRequest,
    OnlineDeployment,
    OnlineRequestSettings,
    ProbeSettings,
    Target,
    is_arm_id,
    parse_reference,
)
from emulator.environments import read_override_config
from emulator.errors import BadArgument, OutOfQuota, ResourceNotReady, with_code
from emulator.names import V1_TARGETS, is_against_the_rule
from emulator.profiles import profile_of
from emulator.store import Placement, placements
from emulator.store.reach import Reach, context_reach
from emulator.store.trees import named_path, scoring_code_tree

_DEBUGGER = "debugpy"
_ADDED_DEBUGGER = only_here("debug.debugpy", "debugpy is in the environment, because of --debug")
_NO_PROBES = only_here(
    "debug.no_probes", "failed probes change nothing, because of --debug: a breakpoint makes them fail"
)
_OF_DEBUGGING = (_ADDED_DEBUGGER, _NO_PROBES)


@dataclass(frozen=True)
class Plan:
    """A resolved deployment: exact models, an environment, the code's files.

    `own_models` are models of the request itself, to be registered with it.  `image` is the digest of the environment's
    image.
    """

    request: DeploymentRequest
    target: Target
    models: tuple[Model, ...]
    own_models: tuple[ModelRequest, ...]
    environment: Environment
    image: str
    code: tuple[Placement, ...]
    left_out: tuple[str, ...]
    request_settings: OnlineRequestSettings
    probes: Mapping[str, ProbeSettings]


def plain_request(request: DeploymentRequest) -> DeploymentRequest:
    """Return the request with a code folder that ends in a name, which the container keeps."""
    return request.model_copy(update={"code": str(named_path(Path(request.code)))}) if request.code else request


def script_path(code: CodeConfiguration) -> Path:
    """Return the path of the scoring script on this machine."""
    return Path(code.code) / PurePosixPath(code.scoring_script)


def check_limits(request: DeploymentRequest, target: Target, others: int) -> None:
    """Raise BadArgument or OutOfQuota above the target's limits; `others` counts the endpoint's other deployments.

    Rows names.together, limits.instances, limits.deployments.
    """
    rules = profile_of(target).rules
    resource = f"deployment {request.name} of endpoint {request.endpoint_name}"
    together = len(request.endpoint_name) + len(request.name)
    if rules.longest_names_together is not None and together > rules.longest_names_together:
        most = rules.longest_names_together
        message = f"the names of endpoint and deployment have {together} characters together; {target} takes {most}"
        raise BadArgument(message, target=resource)
    if rules.max_instances is not None and request.instance_count > rules.max_instances:
        message = f"{request.instance_count} instances; a deployment of target {target} takes {rules.max_instances}"
        raise BadArgument(message, target=resource, hint=f"give --instance-count {rules.max_instances} or less")
    if rules.max_deployments is not None and others >= rules.max_deployments:
        count = "one deployment" if others == 1 else f"{others} deployments"
        message = f"endpoint '{request.endpoint_name}' has {count}, the most that {target} takes"
        raise OutOfQuota(message, target=resource, hint="delete one, or deploy under the name of an existing one")


def check_registries(request: DeploymentRequest, target: Target) -> None:
    """Raise BadArgument for assets of a registry where the target takes none.

    Row registry.other_registries; for Kubernetes in the words of the SDK's `exit_if_registry_assets`.
    """
    references = _references(request)
    if profile_of(target).rules.takes_registry_assets or not any(reference.registry for reference in references):
        return
    refused = next(reference for reference in references if reference.registry)
    caller = "K8SDeployment" if target == "kubernetes" else f"target {target}"
    message = f"Registry reference for {refused.kind}s is not supported for {caller}"
    register = "give --environment its file" if refused.kind == "environment" else f"azureml:{refused}"
    hint = f"copy it from registry '{refused.registry}' to the workspace, and name it there: {register}"
    raise BadArgument(message, target=f"{refused.kind} {refused}", hint=hint)


def registry_differences(request: DeploymentRequest) -> list[Difference]:
    """Return the differences of models from registries; environments carry their own."""
    return [difference for r in _references(request) if r.kind == "model" for difference in r.differences]


def _references(request: DeploymentRequest) -> list[AssetReference]:
    found = [parse_reference(text, "model") for text in request.models if isinstance(text, str)]
    environment = request.environment
    if isinstance(environment, str) and (is_arm_id(environment) or not Path(environment).is_absolute()):
        found.append(parse_reference(environment, "environment"))
    return found


def check_scoring_script(code: CodeConfiguration, environment: Environment, target: Target, reach: Reach) -> None:
    """Raise BadArgument for a missing or badly named script, ResourceNotReady for one that cannot load.

    The script of a custom container is not checked.
    """
    path = script_path(code)
    source = reach.read(path, "scoring script")
    if environment.runs_own_command and environment.inference_config:
        return  # R, for example (row custom.script_variables)
    if path.suffix != ".py":
        raise BadArgument(f"the scoring script '{path.name}' must be a .py file", target=code.scoring_script)
    if not profile_of(target).rules.takes_script(path.stem):
        message = (
            f"'{path.name}' cannot be an entry script of target {target}: its name must be that of a Python module"
        )
        raise BadArgument(message, target=code.scoring_script, hint="letters, digits and '_' only, no digit first")
    # Not parsed where the container's Python is newer than this one, or unknown (the user's own image).
    if environment.python_version is None or _minor(environment.python_version) > sys.version_info[1]:
        return
    problem = check_script(source, code.scoring_script)
    if problem:
        told = ResourceNotReady(str(problem), target=f"scoring script {code.scoring_script}", hint=problem.hint)
        raise with_code(told, profile_of(target).start.code_of(problem.stage))


def _minor(python_version: str) -> int:
    return int(python_version.rpartition(".")[2])


def plan_code(
    request: DeploymentRequest, target: Target, reach: Reach
) -> tuple[tuple[Placement, ...], tuple[str, ...]]:
    """Return where each file of the code goes below /var/azureml-app, and what was left out.

    Rows layout.script_alone, layout.code_folder, layout.ignore_files, layout.tool_folders.
    """
    configuration = request.code_configuration
    if configuration is None:
        return (), ()
    path, layout = script_path(configuration), profile_of(target).layout
    if not request.explicit_source_dir and (places := layout.script_alone(path.name)):
        reach.check_link(path)
        return tuple(Placement(place, path) for place in places), ()
    folder = Path(configuration.code)
    tree = scoring_code_tree(
        folder,
        configuration.scoring_script,
        ignore_files=layout.ignore_files,
        tool_folders=layout.takes_tool_folders,
        reach=reach,
    )
    return tuple(placements(tree, layout.code_folder(folder.name))), tree.left_out


def with_debugger(environment: Environment, *, wanted: bool) -> Environment:
    """Return the environment with debugpy where the debugger is wanted, with its differences."""
    if not wanted:
        return environment
    added = () if any(r.startswith(_DEBUGGER) for r in environment.requirements) else (_DEBUGGER,)
    told = (_ADDED_DEBUGGER,) if added else ()
    return environment.model_copy(
        update={
            "requirements": (*environment.requirements, *added),
            "differences": (*environment.differences, *told, _NO_PROBES),
        }
    )


def without_debugger(environment: Environment) -> Environment:
    """Return the environment from which `with_debugger` made this one."""
    added = _ADDED_DEBUGGER.text in texts(environment.differences)
    return environment.model_copy(
        update={
            "requirements": environment.requirements[:-1] if added else environment.requirements,
            "differences": tuple(d for d in environment.differences if d.text not in texts(_OF_DEBUGGING)),
        }
    )


def told_of_failed_create(
    request: DeploymentRequest, before: OnlineDeployment | None, target: Target
) -> DeploymentRequest:
    """Return the request, with a difference after a failed create (row deployment.failed_create_is_final)."""
    failed = before is not None and before.provisioning_state == "Failed" and not before.serving
    if not failed or not profile_of(target).rules.failed_create_is_final:
        return request
    text = (
        f"deployment {request.name} is created anew after its first create failed: in the cloud it is unrecoverable"
        " then, and has to be deleted first"
    )
    told = fails_in_cloud("deployment.failed_create", text)
    return request.model_copy(update={"differences": (*request.differences, told)})


def name_differences(request: DeploymentRequest) -> list[Difference]:
    """Return a difference for each name that the cloud would refuse (row names.endpoint)."""
    odd = [name for name in (request.endpoint_name, request.name) if is_against_the_rule(name)]
    return [
        fails_in_cloud("names.refused", f"the cloud refuses the name '{name}': letters, digits and '-' only")
        for name in odd
    ]


def version_differences(models: Sequence[Model]) -> list[Difference]:
    """Return a difference for versions that the scoring server cannot parse."""
    odd = [model.id for model in models if not model.version.isdecimal()]
    if not odd or len(models) < 2:
        return []
    text = f"{', '.join(odd)}: the scoring server expects whole numbers as versions, and logs a traceback otherwise"
    return [differs("models.version_not_a_number", text)]


def with_override_file(environment: Environment, target: Target) -> Environment:
    """Return the environment with the routes of a file in its build context (row custom.override_file).

    Raises BadDocument for an invalid file.
    """
    name, build = profile_of(target).rules.override_file, environment.build
    if name is None or build is None or environment.inference_config:
        return environment
    reach = context_reach(Path(build.path))
    if not reach.holds_file(name):
        return environment
    config = read_override_config(reach.read(name), name)
    return environment.model_copy(update={"inference_config": config})


def check_own_image(
    request: DeploymentRequest, environment: Environment, target: Target, serving: OnlineDeployment | None
) -> None:
    """Raise BadArgument for settings that do not fit a custom container; `serving` is the deployment to be updated.

    Rows custom.model_mount_path, custom.routes_may_change.
    """
    resource = f"deployment {request.name} of endpoint {request.endpoint_name}"
    config = environment.inference_config
    needs_none = environment.no_code or (config is not None and environment.runs_own_command)
    if request.scoring_script is None and not needs_none:
        raise _no_script(request, target, resource)
    if request.model_mount_path is not None and config is None:
        message = "model_mount_path is for custom containers, whose environment has inference_config"
        raise BadArgument(message, target=resource, hint="leave it out: AZUREML_MODEL_DIR says where the model is")
    if request.debug_port is not None and environment.runs_own_command:
        message = "the debugger comes with amlemu's launcher, and this environment's image starts its server itself"
        raise BadArgument(message, target=resource, hint="leave --debug out, or name packages in conda_file")
    if serving and serving.inference_config != config and not profile_of(target).rules.routes_may_change:
        message = f"Cannot override existing endpoint: InferenceLiveness (target {target} keeps inference_config)"
        raise BadArgument(message, target=resource, hint="delete the deployment first, or deploy under another name")


def _no_script(request: DeploymentRequest, target: Target, resource: str) -> BadArgument:
    message = "there is no scoring script"
    if target in V1_TARGETS and request.models:
        # azureml-core's Model.deploy without an InferenceConfig; the server in such an image is Azure's own.
        message += ", and what v1 makes of a model alone (ONNX, scikit-learn, TensorFlow) is not emulated"
        hint = "write init() and run(data) and name the script with --entry; an MLflow model needs none on managed"
        return BadArgument(message, target=resource, hint=hint)
    message += ", and the environment's container needs one"
    hint = "name the script with --entry, or say in the environment's inference_config where its container answers"
    return BadArgument(message, target=resource, hint=hint)


def resolve_request_settings(asked: OnlineRequestSettings, target: Target) -> OnlineRequestSettings:
    """Return the request settings with the target's defaults; raise BadArgument above its longest time-out."""
    profile = profile_of(target).scoring
    timeout = asked.request_timeout_ms or profile.default_timeout_ms
    if timeout is not None and profile.longest_timeout_ms is not None and timeout > profile.longest_timeout_ms:
        raise BadArgument(
            f"request_timeout_ms is {timeout}, and target {target} takes {profile.longest_timeout_ms} at most",
            target="request_settings.request_timeout_ms",
        )
    waited = asked.max_queue_wait_ms if asked.max_queue_wait_ms is not None else profile.default_queue_wait_ms
    return OnlineRequestSettings(
        request_timeout_ms=None if profile.default_timeout_ms is None else timeout,
        max_concurrent_requests_per_instance=asked.max_concurrent_requests_per_instance
        or profile.default_max_concurrent,
        max_queue_wait_ms=None if profile.default_queue_wait_ms is None else waited,
    )


def request_settings_differences(asked: OnlineRequestSettings, target: Target) -> list[Difference]:
    """Return a difference for each setting that has no effect in the target's cloud."""
    profile = profile_of(target).scoring
    found = []
    if asked.request_timeout_ms is not None and profile.default_timeout_ms is None:
        text = f"request_timeout_ms has no effect: target {target} has no front door"
        found.append(differs("request_settings.timeout", text))
    if target == "aci" and asked.request_timeout_ms not in (None, profile.default_timeout_ms):
        text = "the time-out of ACI cannot be set in the cloud: it is 60 s there"
        found.append(differs("request_settings.timeout", text))
    if asked.max_queue_wait_ms is not None and profile.default_queue_wait_ms is None:
        text = f"max_queue_wait_ms has no effect: the front door of target {target} has no queue"
        found.append(differs("request_settings.queue_wait", text))
    return found


def probe_settings(request: DeploymentRequest, target: Target) -> dict[str, ProbeSettings]:
    """Return `liveness_probe` and `readiness_probe` with the target's defaults.

    Raises BadArgument for a liveness probe that wants several successes (row probes.liveness_success_threshold).
    """
    profile = profile_of(target).probes
    liveness = (request.liveness_probe or ProbeSettings()).over(profile.liveness)
    readiness = (request.readiness_probe or ProbeSettings()).over(profile.readiness)
    if liveness.success_threshold != profile.liveness_success_threshold:
        message = f"liveness_probe.success_threshold must be {profile.liveness_success_threshold}"
        raise BadArgument(f"{message}, not {liveness.success_threshold}", target=f"deployment {request.name}")
    return {"liveness_probe": liveness, "readiness_probe": readiness}
