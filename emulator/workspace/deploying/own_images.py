"""What can be known to be wrong with a deployment that brings an image of its own, before anything is started."""

from __future__ import annotations

from pathlib import Path

from emulator.entities import DeploymentRequest, Environment, OnlineDeployment, Target
from emulator.environments import read_override_config
from emulator.errors import BadArgument
from emulator.names import V1_TARGETS
from emulator.profiles import profile_of
from emulator.store.reach import context_reach


def with_override_file(environment: Environment, target: Target) -> Environment:
    """The environment with the routes that a file in its build context names (row custom.override_file).

    BadDocument for a file that makes no sense.
    """
    name, build = profile_of(target).rules.override_file, environment.build
    if name is None or build is None or environment.inference_config:
        return environment
    reach = context_reach(Path(build.path))
    if not reach.holds_file(name):
        return environment
    config = read_override_config(reach.read(name), name)
    return environment.model_copy(update={"inference_config": config})


def _no_script(request: DeploymentRequest, target: Target, resource: str) -> BadArgument:
    message = "there is no scoring script"
    if target in V1_TARGETS and request.models:
        # azureml-core's Model.deploy without an InferenceConfig; the server in such an image is Azure's own.
        message += ", and what v1 makes of a model alone (ONNX, scikit-learn, TensorFlow) is not emulated"
        hint = "write init() and run(data) and name the script with --entry; an MLflow model needs none on managed"
        return BadArgument(message, target=resource, hint=hint)
    message += ", and the environment is no container that does without"
    hint = "name the script with --entry, or say in the environment's inference_config where its container answers"
    return BadArgument(message, target=resource, hint=hint)


def check_own_image(
    request: DeploymentRequest, environment: Environment, target: Target, serving: OnlineDeployment | None
) -> None:
    """Raise BadArgument for what does not go together; `serving` is the deployment that would be updated.

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
