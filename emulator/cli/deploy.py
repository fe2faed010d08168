"""`deploy`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from emulator.cli.environments import conda_option
from emulator.cli.output import output_option, print_result, say

_DEBUG_PORT = 5678


@click.command("deploy")
@click.option("--name", "endpoint", help="The endpoint; by default the code folder's name, made legal.")
@click.option("--deployment", default="blue", show_default=True, help="The deployment behind the endpoint.")
@click.option("--model", "models", multiple=True, metavar="NAME[:VERSION|@latest]", help="A registered model; repeat.")
@click.option("--entry", required=True, type=click.Path(path_type=Path), help="The scoring script.")
@click.option("--source-dir", type=click.Path(path_type=Path), help="The code folder; by default the script's own.")
@click.option("--environment", metavar="FILE|NAME:VERSION", help="By default the file beside the script.")
@conda_option
@click.option("--target", type=click.Choice(["managed", "kubernetes", "aks", "aci", "local"]),
              help="Whose front door stands before it (default: managed).")  # fmt: skip
@click.option("--auth-mode", type=click.Choice(["key", "aml_token", "aad_token", "none"]),
              help="What the endpoint asks a caller for (default: what its target does).")  # fmt: skip
@click.option("--port", type=int, help="The endpoint's own port.")
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE", help="A variable; NAME alone takes yours.")
@click.option("--env-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Variables in a file.")
@click.option("--instance-count", type=int, help="How many containers.")
@click.option("--max-concurrent-requests-per-instance", type=int, help="As in the deployment's YAML.")
@click.option("--request-timeout-ms", type=int, help="As in the deployment's YAML.")
@click.option("--primary-key", help="The endpoint's primary key, for tests that must know it.")
@click.option("--gpus", help="GPUs for the container, as docker run takes them: all, 1, device=0.")
@click.option("--debug", "debug_port", type=int, is_flag=False, flag_value=_DEBUG_PORT, metavar="[PORT]",
              help=f"Run the server under debugpy (default port {_DEBUG_PORT}).")  # fmt: skip
@click.option("--watch", is_flag=True, help="Deploy again whenever a file of the code folder changes.")
@output_option
def deploy_command(watch: bool, output: str, **options: Any) -> None:
    """Deploy a scoring script with registered models, and wait until it serves.

    The same command again updates the same endpoint; what serves goes on until the new containers are ready.

    \b
      amlemu deploy --model my_model:1 --entry score.py
      amlemu deploy --model a:1 --model b:2 --entry src/score.py --environment conda.yml --target aci
    """
    from emulator.cli.connection import connect_or_start
    from emulator.cli.progress import Printer

    endpoint, request = read_options(options, os.environ)
    printer = Printer()
    with connect_or_start() as client:
        document = client.deploy(endpoint, options["deployment"], request, printer)
        printer.end(f"{endpoint} serves")
        print_result(document, output, lambda: print_deployed(document, options["deployment"]))
        if request["debug_port"]:
            say(_debugger_snippet(request))
        if watch:
            from emulator.cli.watch import watch_folder

            watch_folder(client, endpoint, options["deployment"], request)


def read_options(options: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """The endpoint's name and the request that the options make; usage errors for what is wrong here already."""
    from emulator.names import legal_endpoint_name

    code, script = _code_and_script(options["entry"], options["source_dir"])
    settings = {
        name: options[name]
        for name in ("request_timeout_ms", "max_concurrent_requests_per_instance")
        if options[name] is not None
    }
    request: dict[str, Any] = {
        "models": list(options["models"]),
        "code": str(code),
        "scoring_script": script,
        "explicit_source_dir": options["source_dir"] is not None,
        "environment": _environment(options["environment"]),
        "environment_variables": _variables(options["env_file"], options["variables"], environ),
        "request_settings": settings,
    }
    for name in ("conda", "target", "auth_mode", "port", "primary_key", "gpus", "debug_port"):
        request[name] = options[name]
    if options["instance_count"] is not None:
        request["instance_count"] = options["instance_count"]
    return options["endpoint"] or legal_endpoint_name(code.name), request


def _code_and_script(entry: Path, source_dir: Path | None) -> tuple[Path, str]:
    """The code folder, absolute, and the script's path below it."""
    if source_dir is None:
        script = Path(os.path.normpath(entry.absolute()))
        if not script.is_file():
            raise _no_script(f"the scoring script '{entry}' does not exist")
        return script.parent, script.name
    folder = Path(os.path.normpath(source_dir.absolute()))
    if not folder.is_dir():
        raise _no_script(f"the code folder '{source_dir}' does not exist")
    for script in (folder / entry, entry.absolute()):
        if script.is_file() and script.is_relative_to(folder):
            return folder, script.relative_to(folder).as_posix()
    raise _no_script(f"the scoring script '{entry}' is not in the code folder '{source_dir}'")


def _no_script(message: str) -> Exception:
    from emulator.errors import BadArgument

    return BadArgument(message, hint="--entry names the script, --source-dir the folder that goes along with it")


def _environment(text: str | None) -> str | None:
    if text is None:
        return None
    from emulator.cli.environments import named

    found = named(text)
    return found.get("file") or found["name"]


def _variables(file: Path | None, texts: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    if file is not None:
        from dotenv import dotenv_values

        found = {name: value or "" for name, value in dotenv_values(file, interpolate=False).items()}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals and name not in environ:
            raise click.UsageError(f"--env {name}: this shell has no such variable; write {name}=VALUE")
        found[name] = value if equals else environ[name]
    return found


def print_deployed(endpoint: Mapping[str, Any], deployment_name: str) -> None:
    """Where it answers, how to call it, and where it differs from the cloud."""
    deployment = next(d for d in endpoint["deployments"] if d["name"] == deployment_name)
    click.echo(endpoint["scoring_uri"])
    for difference in deployment["differences"]:
        say(f"difference: {difference}")
    name = endpoint["name"]
    say(f"try: amlemu invoke {name} --data @request.json    (or curl:)")
    bearer = f' -H "Authorization: Bearer $(amlemu keys {name})"' if endpoint["auth_mode"] != "none" else ""
    say(f"  curl {endpoint['scoring_uri']} -H 'Content-Type: application/json'{bearer} -d @request.json")


def _debugger_snippet(request: Mapping[str, Any]) -> str:
    """A VS Code launch configuration that attaches to the scoring server."""
    configuration = {
        "name": "amlemu: attach to the scoring server",
        "type": "debugpy",
        "request": "attach",
        "connect": {"host": "127.0.0.1", "port": request["debug_port"]},
        "pathMappings": [
            {"localRoot": request["code"], "remoteRoot": f"/var/azureml-app/{Path(request['code']).name}"}
        ],
        "justMyCode": True,
    }
    return "launch.json, to attach VS Code:\n" + json.dumps(configuration, indent=2)
