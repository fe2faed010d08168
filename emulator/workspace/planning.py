"""Everything that can be known to be wrong with a deployment before anything is built or started."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from emulator.diagnosis import check_script
from emulator.entities import DeploymentRequest, Environment, Model, ProbeSettings, Target
from emulator.errors import BadArgument, ResourceNotReady
from emulator.profiles import profile_of
from emulator.store import Placement, code_tree, placements
from emulator.store.sources import read_text
from emulator.store.trees import named_path

# Sent whole by v1 (contract/v1 §7); v2's upload honours the ignore file (contract/managed T27).
_HONOURS_IGNORE_FILE: frozenset[Target] = frozenset({"managed", "kubernetes"})
_DEBUGGER = "debugpy"
_NO_PROBES = "failed probes change nothing, because of --debug: a breakpoint makes them fail"


@dataclass(frozen=True)
class Plan:
    """A deployment whose words are all resolved: exact models, an environment, the code's files."""

    request: DeploymentRequest
    target: Target
    models: tuple[Model, ...]
    environment: Environment
    code: tuple[Placement, ...]
    left_out: tuple[str, ...]
    probes: Mapping[str, ProbeSettings]


def plain_request(request: DeploymentRequest) -> DeploymentRequest:
    """The request with a code folder whose last part is a name, which the container keeps."""
    return request.model_copy(update={"code": str(named_path(Path(request.code)))})


def script_path(request: DeploymentRequest) -> Path:
    """The scoring script on this machine."""
    return Path(request.code) / PurePosixPath(request.scoring_script)


def check_scoring_script(request: DeploymentRequest, environment: Environment) -> None:
    """Raise BadArgument without a script, ResourceNotReady for one that no server could load."""
    path = script_path(request)
    source = read_text(path, "scoring script")
    if path.suffix != ".py":
        raise BadArgument(f"the scoring script '{path.name}' must be a .py file", target=request.scoring_script)
    # A newer Python than this one may know syntax that this one refuses: then the container decides.
    if _minor(environment.python_version) > sys.version_info[1]:
        return
    problem = check_script(source, request.scoring_script)
    if problem:
        hint = "a scoring script defines init() and run(data)"
        raise ResourceNotReady(problem, target=f"scoring script {request.scoring_script}", hint=hint)


def _minor(python_version: str) -> int:
    return int(python_version.rpartition(".")[2])


def plan_code(request: DeploymentRequest, target: Target) -> tuple[tuple[Placement, ...], tuple[str, ...]]:
    """Where each file of the code goes below /var/azureml-app, and what was left out.

    LocalWebservice without a source directory places the script alone, as main.py and under its own name
    (contract/v1 §8); everything else keeps the folder's name.
    """
    path = script_path(request)
    if target == "local" and not request.explicit_source_dir:
        return tuple(dict.fromkeys((Placement("main.py", path), Placement(path.name, path)))), ()
    folder = Path(request.code)
    tree = code_tree(folder, honour_ignore_file=target in _HONOURS_IGNORE_FILE)
    if request.scoring_script not in {file.path for file in tree.files}:
        message = f"the ignore file of '{folder}' leaves the scoring script out, or it is never part of the code"
        raise BadArgument(message, target=request.scoring_script)
    return tuple(placements(tree, folder.name)), tree.left_out


def probe_settings(request: DeploymentRequest, target: Target) -> dict[str, ProbeSettings]:
    """The deployment's `liveness_probe` and `readiness_probe`, filled up with the target's defaults.

    Raises BadArgument for a liveness probe that wants several successes (contract/managed §5.2).
    """
    profile = profile_of(target).probes
    liveness = (request.liveness_probe or ProbeSettings()).over(profile.liveness)
    readiness = (request.readiness_probe or ProbeSettings()).over(profile.readiness)
    if liveness.success_threshold != profile.liveness_success_threshold:
        message = f"liveness_probe.success_threshold must be {profile.liveness_success_threshold}"
        raise BadArgument(f"{message}, not {liveness.success_threshold}", target=f"deployment {request.name}")
    return {"liveness_probe": liveness, "readiness_probe": readiness}


def with_debugger(environment: Environment, *, wanted: bool) -> Environment:
    """The environment as it is when the server is to run under the debugger: debugpy is in it, and it says so."""
    if not wanted:
        return environment
    added = () if any(r.startswith(_DEBUGGER) for r in environment.requirements) else (_DEBUGGER,)
    told = ("debugpy is in the environment, because of --debug",) if added else ()
    return environment.model_copy(
        update={
            "requirements": (*environment.requirements, *added),
            "differences": (*environment.differences, *told, _NO_PROBES),
        }
    )


def version_differences(models: Sequence[Model]) -> list[str]:
    """What the server in the container will stumble over in the models' versions."""
    odd = [model.id for model in models if not model.version.isdecimal()]
    if not odd or len(models) < 2:
        return []
    return [f"{', '.join(odd)}: the scoring server expects whole numbers as versions, and logs a traceback otherwise"]
