"""Resolve a deployment's environment: its own, or the one of an MLflow model that has no script."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from emulator.entities import DeploymentRequest, Environment, Model, ModelRequest, Target
from emulator.environments import DEFAULT_ENVIRONMENT, as_mlflow_environment, mlflow_environment
from emulator.environments.triton import check_triton_repository
from emulator.errors import BadArgument, BadDocument
from emulator.profiles import profile_of
from emulator.store.model_folder import ModelFolder

AnyModel = Model | ModelRequest
OfDeployment = Callable[[], Environment]

_TRITON_HINT = (
    "give --environment a file with `image`, one that starts tritonserver on the models below $AZUREML_MODEL_DIR, and"
    " `inference_config`: liveness_route {port: 8000, path: /v2/health/live}, readiness_route {port: 8000, path:"
    " /v2/health/ready}, scoring_route {port: 8000, path: /}"
)


def resolve_environment(
    request: DeploymentRequest,
    target: Target,
    models: Sequence[AnyModel],
    folder_of: Callable[[AnyModel], ModelFolder],
    given: OfDeployment,
) -> Environment:
    """Return the deployment's environment; `given` reads the one that it names or that lies beside its script.

    Rows mlflow.no_code, mlflow.script_needs_environment, mlflow.flavor, triton.repository.  Raises BadArgument for a
    model that cannot be deployed like this, BadDocument for faults in its files.
    """
    mlflow = [model for model in models if model.type == "mlflow_model"]
    if request.code_configuration:
        environment = given()
        if mlflow and environment.source == DEFAULT_ENVIRONMENT.source:
            _check_script_alone(request, target, mlflow[0])
        return environment
    for model in models:
        if model.type == "triton_model":
            _check_triton(request, model, folder_of(model), given)
    return _of_mlflow(request, target, models, folder_of, given) if mlflow else given()


def _check_script_alone(request: DeploymentRequest, target: Target, model: AnyModel) -> None:
    if request.environment is None and profile_of(target).mlflow.script_needs_environment:
        message = "an MLflow model with a scoring script needs an environment: only without a script is it made for it"
        hint = "give --environment, or leave --entry out"
        raise BadArgument(message, target=f"model {model_id(model)}", hint=hint)


def _of_mlflow(
    request: DeploymentRequest,
    target: Target,
    models: Sequence[AnyModel],
    folder_of: Callable[[AnyModel], ModelFolder],
    given: OfDeployment,
) -> Environment:
    environment = None if request.environment is None else given()
    if environment and (environment.inference_config or environment.python_version is None):
        return environment  # the user's own container finds the model itself
    if not profile_of(target).mlflow.no_code:
        message = f"target {target} takes no model without a scoring script"
        raise BadArgument(message, target=f"deployment {request.name}", hint="name the script with --entry")
    if len(models) != 1:
        message = f"{len(models)} models: an MLflow model without a scoring script is deployed alone"
        raise BadArgument(message, target=f"deployment {request.name}", hint="name the script with --entry")
    (model,) = models
    folder = folder_of(model)
    try:
        if environment:
            return as_mlflow_environment(environment, folder.read)
        base_packages = profile_of(target).mlflow.base_packages
        return mlflow_environment(model_id(model), folder.files.keys(), folder.read, base_packages)
    except BadDocument as error:
        raise error.with_details(target=f"model {model_id(model)}") from error


def _check_triton(request: DeploymentRequest, model: AnyModel, folder: ModelFolder, given: OfDeployment) -> None:
    check_triton_repository(model_id(model), folder.files.keys())
    if request.environment is None or not given().inference_config:
        message = "a Triton model runs on a Triton image, and amlemu has none of its own, as the cloud has"
        raise BadArgument(message, target=f"model {model_id(model)}", hint=_TRITON_HINT)


def model_id(model: AnyModel) -> str:
    """Return the model's id for messages: of one that is not registered, its name or path."""
    return model.id if isinstance(model, Model) else model.name or model.path
