"""`list`, `show`, `logs`, `keys`, `traffic`, `tree`, `delete`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from emulator.cli.completion import deployment_names, endpoint_names
from emulator.cli.differences import difference_lines, differences_of
from emulator.cli.output import output_option, print_result, print_table, say, size_text

_APP_ROOT = "/var/azureml-app"


@click.command("list")
@click.option("-q", "--quiet", is_flag=True, help="Print only the names.")
@output_option
def list_command(quiet: bool, output: str) -> None:
    """List endpoints."""
    from emulator.cli.connection import connect_or_start

    with connect_or_start() as client:
        endpoints = client.list_endpoints()
    if quiet:
        for endpoint in endpoints:
            click.echo(endpoint["name"])
        return
    print_result(endpoints, output, lambda: print_endpoints(endpoints))


def print_endpoints(endpoints: Sequence[Mapping[str, Any]]) -> None:
    """Print a table of endpoints, and which of them are out of service."""
    columns, rows = endpoint_rows(endpoints)
    print_table(columns, rows, "nothing is deployed")
    for endpoint in endpoints:
        say_out_of_service(endpoint)


def say_out_of_service(endpoint: Mapping[str, Any]) -> None:
    """Print why the endpoint is out of service and what to do, if it is."""
    if why := endpoint.get("out_of_service"):
        name = endpoint["name"]
        say(f"endpoint {name} is out of service: {why}")
        say(f"  it comes back when its port is free; another: amlemu deploy --name {name} --port PORT …")


def endpoint_rows(endpoints: Sequence[Mapping[str, Any]]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Return headings and rows of a list of endpoints."""
    columns = ("NAME", "TARGET", "DEPLOYMENTS", "TRAFFIC", "SCORING URI")
    rows: list[Sequence[str]] = [
        (
            e["name"],
            e["target"],
            ", ".join(f"{d['name']} {d['provisioning_state']}" for d in e["deployments"]),
            " ".join(f"{name}={weight}" for name, weight in e["traffic"].items()),
            e["scoring_uri"],
        )
        for e in endpoints
    ]
    return columns, rows


@click.command("show")
@click.argument("endpoint", shell_complete=endpoint_names)
@output_option
def show_command(endpoint: str, output: str) -> None:
    """Show an endpoint, its deployments, and where they differ from the cloud."""
    from emulator.cli.connection import connect_or_start

    with connect_or_start() as client:
        document = client.get_endpoint(endpoint)
    print_result(document, output, lambda: _print_endpoint(document))


def _print_endpoint(endpoint: Mapping[str, Any]) -> None:
    for key in ("name", "target", "provisioning_state", "scoring_uri", "openapi_uri", "auth_mode"):
        click.echo(f"{key:20} {endpoint[key]}")
    click.echo(f"{'traffic':20} {_split_text(endpoint['traffic'])}")
    if endpoint["mirror_traffic"]:
        click.echo(f"{'mirrored':20} {_split_text(endpoint['mirror_traffic'])}")
    if endpoint.get("out_of_service"):
        click.echo(f"{'out of service':20} {endpoint['out_of_service']}")
    for damage in endpoint.get("damaged", ()):
        click.echo(f"{'damaged':20} {damage}")
    if endpoint.get("requests_abandoned"):
        click.echo(f"{'abandoned':20} {endpoint['requests_abandoned']} request(s) whose callers have gone")
    _print_differences(endpoint, "")
    for deployment in endpoint["deployments"]:
        _print_deployment(deployment)


def _print_differences(resource: Mapping[str, Any], indent: str) -> None:
    lines = difference_lines(differences_of(resource), fold=False)
    for line in ["differences:", *(f"  {line}" for line in lines)] if lines else []:
        click.echo(f"{indent}{line}")


def _print_deployment(deployment: Mapping[str, Any]) -> None:
    click.echo(f"\n{'deployment':20} {deployment['name']}: {deployment['provisioning_state']}")
    code = deployment["code_configuration"]
    for key, value in (
        ("models", ", ".join(deployment["models"]) or "none"),
        ("code", f"{code['code']} ({code['scoring_script']})" if code else "none"),
        ("environment", deployment["environment_source"] or deployment["environment"]),
        ("image", deployment["image_reference"]),
        ("engine", f"{deployment['engine']}, {deployment['instance_count']} instance(s)"),
    ):
        click.echo(f"  {key:18} {value}")
    for instance in deployment["instances"]:
        if instance["state"] != "Ready" or instance["restarts"] or instance["out_of_memory"]:
            click.echo(f"  {'instance':18} {instance['name']}: {_state_text(instance)}")
    _print_differences(deployment, "  ")
    if deployment["error"]:
        click.echo(f"  {'error':18} {deployment['error']['code']}: {deployment['error']['message']}")
        if deployment["error"].get("hint"):
            click.echo(f"  {'':18} → {deployment['error']['hint']}")


def _state_text(instance: Mapping[str, Any]) -> str:
    texts = {"NotReady": "not ready", "BackOff": "dead, waiting to be restarted"}
    restarts = instance["restarts"]
    again = f", restarted {_times(restarts)}" if restarts else ""
    kills = instance["out_of_memory"]
    killed = f", a worker was killed {_times(kills)} because memory ran out" if kills else ""
    return texts.get(instance["state"], "ready") + again + killed


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


@click.command("logs")
@click.argument("endpoint", shell_complete=endpoint_names)
@click.option("-f", "--follow", is_flag=True, help="Print new lines as they come.")
@click.option("--tail", type=click.IntRange(min=0), help="Only the last lines.")
@click.option("--deployment", help="By default the only or first one.", shell_complete=deployment_names)
@click.option("--instance", type=click.IntRange(min=0), help="Which container, counted from 0.")
@click.option("--requests", is_flag=True, help="Print the request log instead, one JSON object a line.")
@click.option("--events", is_flag=True, help="Print starts, failed probes and ends of containers instead.")
@click.option("--insights", is_flag=True, help="Print what the server sends to Application Insights instead.")
@click.option("--collected", is_flag=False, flag_value="", metavar="[COLLECTION]", help="Print collected data instead.")
def logs_command(
    endpoint: str,
    follow: bool,
    tail: int | None,
    deployment: str | None,
    instance: int | None,
    collected: str | None,
    **flags: bool,
) -> None:
    """Print the log of a deployment's container; of a failed deployment, the last one's."""
    from emulator.cli.connection import connect_or_start

    kinds = [kind for kind, wanted in {**flags, "collected": collected is not None}.items() if wanted] or ["logs"]
    if len(kinds) > 1:
        raise click.UsageError(f"--{kinds[0]} or --{kinds[1]}, not both")
    with connect_or_start() as client:
        lines = client.get_logs(endpoint, kind=kinds[0], follow=follow, tail=tail, deployment=deployment,
                                instance=instance, collection=collected or None)  # fmt: skip
        if kinds == ["requests"] and sys.stdout.isatty():
            print_request_lines(lines)
            return
        for line in lines:
            click.echo(line)


_REQUEST_COLUMNS = (("TimeGenerated", 24), ("DeploymentName", 14), ("Method", 7), ("ResponseCode", 7),
                    ("TotalDurationMs", 9), ("Path", 0), ("ResponseCodeReason", 0))  # fmt: skip


def print_request_lines(lines: Iterable[str]) -> None:
    """Print the lines of the request log as columns, each as it comes."""
    click.secho("TIME                     DEPLOYMENT     METHOD  STATUS  MS        PATH  REASON", bold=True)
    for line in lines:
        click.echo(request_line(line))


def request_line(line: str) -> str:
    """Return one line of the request log as columns; any other line unchanged."""
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict):
        return line
    texts = [("" if record.get(name) is None else str(record[name])).ljust(width) for name, width in _REQUEST_COLUMNS]
    return " ".join(texts).rstrip()


@click.command("keys")
@click.argument("endpoint", shell_complete=endpoint_names)
@click.option("--regenerate", type=click.Choice(["primary", "secondary"]), help="Replace this key first.")
@output_option
def keys_command(endpoint: str, regenerate: str | None, output: str) -> None:
    """Print the endpoint's primary key, or both with -o json; of an endpoint with tokens, a new token."""
    from emulator.cli.connection import connect_or_start

    with connect_or_start() as client:
        keys = client.regenerate_keys(endpoint, regenerate) if regenerate else client.get_credentials(endpoint)
    print_result(keys, output, lambda: click.echo(keys.get("accessToken") or keys["primaryKey"]))


@click.command("traffic")
@click.argument("endpoint", shell_complete=endpoint_names)
@click.argument("weights", nargs=-1, metavar="[DEPLOYMENT=PERCENT]...")
@click.option("--mirror", metavar="DEPLOYMENT=PERCENT", help="Mirror that share to a deployment too; 0 ends it.")
@output_option
def traffic_command(endpoint: str, weights: Sequence[str], mirror: str | None, output: str) -> None:
    """Split an endpoint's traffic: whole percents that add up to 0 or 100, as in `blue=90 green=10`.

    Without a split, print the present one.
    """
    from emulator.cli.connection import connect_or_start

    live = _percents(weights, "traffic") if weights else None
    mirrored = _percents([mirror], "--mirror") if mirror is not None else None
    with connect_or_start() as client:
        if live is None and mirrored is None:
            document = client.get_endpoint(endpoint)
        else:
            document = client.update_traffic(endpoint, live, mirrored)
    traffic, mirrored = document["traffic"], document["mirror_traffic"]
    lines = [_split_text(traffic), *([f"mirrored: {_split_text(mirrored)}"] if mirrored else [])]
    print_result(traffic, output, lambda: click.echo("\n".join(lines)))


def _percents(texts: Sequence[str], option: str) -> dict[str, int]:
    from emulator.cli.models import pairs

    given = pairs(texts, option)
    if not all(percent.isdecimal() for percent in given.values()):
        raise click.UsageError("a percent is a whole number from 0 to 100")
    return {name: int(percent) for name, percent in given.items()}


def _split_text(percents: Mapping[str, int]) -> str:
    return " ".join(f"{name}={percent}" for name, percent in percents.items()) or "none"


@click.command("tree")
@click.argument("endpoint", shell_complete=endpoint_names)
@click.option("--deployment", help="By default the only or first one.", shell_complete=deployment_names)
@output_option
def tree_command(endpoint: str, deployment: str | None, output: str) -> None:
    """Print the files as the scoring script sees them, and the variables with their paths."""
    from emulator.cli.connection import connect_or_start

    with connect_or_start() as client:
        tree = client.get_tree(endpoint, deployment)
    print_result(tree, output, lambda: _print_tree(tree))


def _print_tree(tree: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.tree import Tree

    console = Console(highlight=False)
    inside = [file for file in tree["files"] if not file["path"].startswith("/")]
    mounted = [{**file, "path": file["path"][1:]} for file in tree["files"] if file["path"].startswith("/")]
    for root, files in ((_APP_ROOT, inside), ("/", mounted)):
        folders = {"": Tree(root, guide_style="dim")}
        for file in files:
            folder, _, name = file["path"].rpartition("/")
            _folder(folders, folder).add(f"{escape(name)}  [dim]{size_text(file['size'])}[/dim]")
        if files or root == _APP_ROOT:
            console.print(folders[""])
    for name, value in tree["variables"].items():
        click.echo(f"{name}={value}")


def _folder(folders: dict[str, Any], path: str) -> Any:
    if path not in folders:
        parent, _, name = path.rpartition("/")
        folders[path] = _folder(folders, parent).add(f"{name}/")
    return folders[path]


@click.command("delete")
@click.argument("endpoints", nargs=-1, metavar="[ENDPOINT]...", shell_complete=endpoint_names)
@click.option("--deployment", help="Delete only this deployment.", shell_complete=deployment_names)
@click.option("--all", "every", is_flag=True, help="Delete every endpoint.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def delete_command(endpoints: Sequence[str], deployment: str | None, every: bool, yes: bool) -> None:
    """Delete endpoints with their containers, or one deployment of an endpoint.  Models stay registered."""
    from emulator.cli.connection import connect_or_start

    if bool(endpoints) == every:
        raise click.UsageError("name endpoints, or --all")
    if deployment and len(endpoints) != 1:
        raise click.UsageError("--deployment goes with one endpoint")
    with connect_or_start() as client:
        names = [e["name"] for e in client.list_endpoints()] if every else list(dict.fromkeys(endpoints))
        for name in () if every or len(names) == 1 else names:
            client.get_endpoint(name)  # of several either all are deleted or none
        what = f"deployment {deployment} of {names[0]}" if deployment else f"endpoint {', '.join(names)}"
        if names and not yes:
            _confirm(what)
        for name in names:
            if deployment:
                client.delete_deployment(name, deployment)
            else:
                client.delete_endpoint(name)
            say(f"deleted {what if deployment else name}")


def _confirm(what: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(f"add --yes to delete {what} without being asked")
    click.confirm(f"Delete {what}?", abort=True, err=True)
