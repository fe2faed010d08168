"""`deploy.sh`: the `az ml` commands for an exported folder, in their order."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emulator.exports.container import shell_name
from emulator.exports.migration import Kind
from emulator.exports.parts import Part

# Of other names neither --set nor a shell knows how to speak.
_SETTABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Traffic:
    """Percent by deployment, live and mirrored."""

    live: Mapping[str, int]
    mirror: Mapping[str, int]


def az_ml_script(endpoint: str, kind: Kind, parts: Sequence[Part], traffic: Traffic) -> str:
    """The script; the values that were not exported come to it as variables of the shell."""
    models = dict.fromkeys(part.model.file for part in parts if part.model and part.model.file)
    environments = dict.fromkeys(part.environment_file for part in parts if part.environment)
    compute = kind == "kubernetes"
    lines = [
        "#!/bin/sh",
        f"# Deploys endpoint {endpoint} to the workspace of `az configure --defaults group=… workspace=…`.",
        "# Written by amlemu.  The same on this machine, from this folder:",
        *(f"#   {line}" for line in amlemu_commands(parts, traffic)),
        "set -eu",
        'cd "$(dirname "$0")"',
        *([': "${COMPUTE:?the name of the attached cluster}"'] if compute else []),
        *_checks(parts),
        *(f"az ml model create --file {file}" for file in models),
        *(f"az ml environment create --file {file}" for file in environments),
        "az ml online-endpoint create --file endpoint.yml" + (' --set compute="azureml:$COMPUTE"' if compute else ""),
        *(_create(part, parts) for part in parts),
        *_update_traffic(endpoint, traffic),
    ]
    return "\n".join(lines) + "\n"


def amlemu_commands(parts: Sequence[Part], traffic: Traffic) -> list[str]:
    """How amlemu deploys the folder: in one command, or in one each where `--set` would give all the same values.

    Traffic is in the last command where it is not simply the first deployment's.
    """
    together = not any(map(_hidden, parts)) or len(parts) == 1
    groups = [parts] if together else [(part,) for part in parts]
    commands = []
    for group in groups:
        words = ["amlemu", "deploy", "-f", "endpoint.yml"]
        for part in group:
            words += ["-f", part.file]
        for name in dict.fromkeys(name for part in group for name in _hidden(part)):
            words += ["--set", f"environment_variables.{name}=VALUE"]
        if group is groups[-1] and (len(parts) > 1 or traffic.mirror or not traffic.live):
            words += _traffic_words(traffic)
        commands.append(shlex.join(words))
    return commands


def _traffic_words(traffic: Traffic) -> list[str]:
    mirror = ["--set", f"endpoint.mirror_traffic={_flow(traffic.mirror)}"] if traffic.mirror else []
    return ["--set", f"endpoint.traffic={_flow(traffic.live)}", *mirror]


def _flow(percents: Mapping[str, int]) -> str:
    return "{" + ", ".join(f"{name}: {percent}" for name, percent in percents.items()) + "}"


def _hidden(part: Part) -> list[str]:
    """The variables whose values are to be given."""
    return [] if part.source.has_values else [name for name in part.source.variables if _SETTABLE.fullmatch(name)]


def _checks(parts: Sequence[Part]) -> list[str]:
    return [
        f': "${{{_shell(part, name, parts)}?the value of variable {name} of deployment {part.name}}}"'
        for part in parts
        for name in _hidden(part)
    ]


def _shell(part: Part, name: str, parts: Sequence[Part]) -> str:
    return shell_name(part.name, name, alone=len(parts) == 1)


def _create(part: Part, parts: Sequence[Part]) -> str:
    words = [f"az ml online-deployment create --file {part.file}"]
    for name in _hidden(part):
        words.append(f'--set {shlex.quote(f"environment_variables.{name}")}="${_shell(part, name, parts)}"')
    if part.deployment.cloud_settings.get("package_model"):
        words.append("--package-model")
    return " ".join(words)


def _update_traffic(endpoint: str, traffic: Traffic) -> list[str]:
    given = [("--traffic", traffic.live), ("--mirror-traffic", traffic.mirror)]
    words = [f'{flag} "{" ".join(f"{d}={p}" for d, p in percents.items())}"' for flag, percents in given if percents]
    return [f"az ml online-endpoint update --name {endpoint} {' '.join(words)}"] if words else []
