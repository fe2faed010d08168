"""Everything that can be known to be wrong with a deployment before anything is built or started."""

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
from emulator.errors import BadArgument, OutOfQuota, ResourceNotReady, with_code
from emulator.names import is_against_the_rule
from emulator.profiles import profile_of
from emulator.store import Placement, placements
from emulator.store.reach import Reach
from emulator.store.trees import named_path, scoring_code_tree

_DEBUGGER = "debugpy"
_ADDED_DEBUGGER = only_here("debug.debugpy", "debugpy is in the environment, because of --debug")
_NO_PROBES = only_here(
    "debug.no_probes", "failed probes change nothing, because of --debug: a breakpoint makes them fail"
)
_OF_DEBUGGING = (_ADDED_DEBUGGER, _NO_PROBES)


@dataclass(frozen=True)
class Plan:
    """A deployment whose words are all resolved: exact models, an environment, the code's files.

    `own_models` are the request's own, which do not exist before the deployment is made; `image` is the digest of what
    the environment's image is made of.
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
    """The request with a code folder whose last part is a name, which the container keeps."""
    return request.model_copy(update={"code": str(named_path(Path(request.code)))}) if request.code else request


def script_path(code: CodeConfiguration) -> Path:
    """The scoring script on this machine."""
    return Path(code.code) / PurePosixPath(code.scoring_script)


def check_limits(request: DeploymentRequest, target: Target, others: int) -> None:
    """Raise BadArgument or OutOfQuota for what the target would not take; `others` is how many deployments there are.

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
        raise OutOfQuota(message, target=resource, hint="delete one, or deploy under the name of one that is there")


def check_registries(request: DeploymentRequest, target: Target) -> None:
    """Raise BadArgument for assets of a registry where the target takes only the workspace's own.

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
    """Which models the cloud would take from elsewhere; environments bring their own differences."""
    return [difference for r in _references(request) if r.kind == "model" for difference in r.differences]


def _references(request: DeploymentRequest) -> list[AssetReference]:
    found = [parse_reference(text, "model") for text in request.models if isinstance(text, str)]
    environment = request.environment
    if isinstance(environment, str) and (is_arm_id(environment) or not Path(environment).is_absolute()):
        found.append(parse_reference(environment, "environment"))
    return found


def check_scoring_script(code: CodeConfiguration, environment: Environment, target: Target, reach: Reach) -> None:
    """Raise BadArgument without a script or for a name that is refused, ResourceNotReady for one that cannot load.

    What a custom container does with its script is nobody else's business.
    """
    path = script_path(code)
    source = reach.read(path, "scoring script")
    if environment.runs_own_command and environment.inference_config:
        return  # R, for one: what it is is the container's to know (contract/managed §6.1)
    if path.suffix != ".py":
        raise BadArgument(f"the scoring script '{path.name}' must be a .py file", target=code.scoring_script)
    if not profile_of(target).rules.takes_script(path.stem):
        message = (
            f"'{path.name}' cannot be an entry script of target {target}: its name must be that of a Python module"
        )
        raise BadArgument(message, target=code.scoring_script, hint="letters, digits and '_' only, no digit first")
    # A newer Python than this one may know syntax that this one refuses, and what runs in an image of the user's own
    # is not known: then the container decides.
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
    """Where each file of the code goes below /var/azureml-app, and what was left out.

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
    """The environment as it is when the server is to run under the debugger: debugpy is in it, and it says so."""
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
    """The environment that `with_debugger` was given."""
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
    """The request, with a difference where the cloud would not take it (row deployment.failed_create_is_final)."""
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
    """Names that are taken here and against the cloud's rule (row names.endpoint)."""
    odd = [name for name in (request.endpoint_name, request.name) if is_against_the_rule(name)]
    return [
        fails_in_cloud("names.refused", f"the cloud refuses the name '{name}': letters, digits and '-' only")
        for name in odd
    ]


def version_differences(models: Sequence[Model]) -> list[Difference]:
    """What the server in the container will stumble over in the models' versions."""
    odd = [model.id for model in models if not model.version.isdecimal()]
    if not odd or len(models) < 2:
        return []
    text = f"{', '.join(odd)}: the scoring server expects whole numbers as versions, and logs a traceback otherwise"
    return [differs("models.version_not_a_number", text)]
