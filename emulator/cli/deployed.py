"""What `deploy` prints at its end: the URI, the traffic, commands to try, and differences from the cloud."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from emulator.cli.differences import difference_lines, differences_of
from emulator.cli.output import program_name, say, shown_path

_HEADER = "azureml-model-deployment"
_V2 = ("managed", "kubernetes")


def print_deployed(
    endpoint: Mapping[str, Any], names: Sequence[str], *, is_from_files: bool = False, code: str | None = None
) -> None:
    """Print the result for the deployments `names`; `code` is a folder that may hold a request.json."""
    from emulator.cli.endpoints import say_out_of_service

    click.echo(endpoint["scoring_uri"])
    say_out_of_service(endpoint)
    found = differences_of(endpoint, *(d for d in endpoint["deployments"] if d["name"] in names))
    for line in difference_lines(found, fold=True):
        say(line)
    if not endpoint["deployments"]:
        return
    for line in traffic_lines(endpoint, names, is_from_files=is_from_files):
        say(line)
    for line in try_lines(endpoint, names[-1] if names else "", request_file(code)):
        say(line)


def traffic_lines(endpoint: Mapping[str, Any], names: Sequence[str], *, is_from_files: bool) -> list[str]:
    """Return the traffic split, with a note where the cloud differs or callers need a header."""
    traffic, target = endpoint["traffic"], endpoint["target"]
    split = " ".join(f"{name}={percent}" for name, percent in traffic.items()) or "none"
    lines = [f"traffic: {split}"]
    if target not in _V2:
        return lines
    if not any(traffic.values()):
        name = names[-1] if names else endpoint["deployments"][0]["name"]
        lines.append(
            f"  as in the cloud, deployment {name} has 0 %: requests without the header {_HEADER} get 404."
            f" `{program_name()} traffic {endpoint['name']} {name}=100` opens it, or --all-traffic with deploy"
        )
    elif not is_from_files and len(endpoint["deployments"]) == 1 and traffic.get(names[-1] if names else "") == 100:
        lines[0] += "    (given by deploy with flags; `az ml` and files leave it at 0 % without --all-traffic)"
    return lines


def try_lines(endpoint: Mapping[str, Any], deployment: str, data: str | None) -> list[str]:
    """Return commands that call the new deployment, whatever its traffic; `data` is a file with a request."""
    name, amlemu = endpoint["name"], program_name()
    needs_header = endpoint["target"] in _V2 and endpoint["traffic"].get(deployment, 0) != 100
    chosen = f" --deployment {deployment}" if deployment and needs_header else ""
    body = shlex.quote(f"@{data}") if data else "'{}'"
    bearer = f' -H "Authorization: Bearer $({amlemu} keys {name})"' if endpoint["auth_mode"] != "none" else ""
    header = f" -H '{_HEADER}: {deployment}'" if chosen else ""
    return [
        f"try: {amlemu} invoke {name}{chosen} --data {body}    (or curl:)",
        f"  curl {endpoint['scoring_uri']} -H 'Content-Type: application/json'{bearer}{header} -d {body}",
    ]


def request_file(code: str | None) -> str | None:
    """Find a sample request here or in the code folder; return its path as it is typed, or None."""
    folders = [Path.cwd(), *([Path(code), Path(code).parent] if code else [])]
    for folder in folders:
        for name in ("request.json", "sample-request.json", "sample_request.json"):
            if (folder / name).is_file():
                return shown_path(folder / name)
    return None
