"""`deploy`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emulator.cli.completion import deployment_names, endpoint_names, model_names
from emulator.cli.environments import conda_option
from emulator.cli.output import output_option, print_result, say
from emulator.cli.progress import Printer, progress_options
from emulator.names import in_small_letters

if TYPE_CHECKING:
    from emulator.cli.deploy_plan import DeployPlan

_DEBUG_PORT = 5678
_DEFAULT_DEPLOYMENT = "blue"


@click.command("deploy")
@click.option("-f", "--file", "files", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="An endpoint's or a deployment's YAML, as for az ml; repeat.")  # fmt: skip
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A value in place of the files'; '<BLANK>=VALUE' fills a placeholder; repeat.",
)
@click.option(
    "--all-traffic",
    is_flag=True,
    help="Give this deployment all traffic; with -f it gets none otherwise.",
)
@click.option("--name", "endpoint", help="The endpoint; by default named after the code folder or the model.",
              shell_complete=endpoint_names)  # fmt: skip
@click.option("--deployment", help="The deployment behind the endpoint (default: blue).",
              shell_complete=deployment_names)  # fmt: skip
@click.option("--model", "models", multiple=True, metavar="NAME[:VERSION|@latest]", help="A registered model; repeat.",
              shell_complete=model_names)  # fmt: skip
@click.option("--entry", type=click.Path(path_type=Path),
              help="The scoring script; an MLflow model or a custom container needs none.")  # fmt: skip
@click.option("--source-dir", type=click.Path(path_type=Path), help="The code folder; by default the script's own.")
@click.option(
    "-e", "--environment", metavar="FILE|NAME:VERSION", help="The environment; by default the file beside the script."
)
@conda_option
@click.option("--platform", metavar="OS/ARCH", help="The platform to pull or build its image for, such as linux/amd64.")
@click.option("--model-mount-path", help="Where a custom container has its models, each at NAME/VERSION.")
@click.option("--inference-config", "--ic", type=click.Path(path_type=Path), help="v1's inferenceconfig.json.")
@click.option("--deployment-config", "--dc", type=click.Path(path_type=Path), help="v1's deploymentconfig.json.")
@click.option("--target", type=click.Choice(["managed", "kubernetes", "aks", "aci", "local"]),
              help="The kind of Azure ML endpoint to imitate (default: managed).")  # fmt: skip
@click.option("--auth-mode", type=click.Choice(["key", "aml_token", "aad_token", "none"]),
              help="How callers authenticate (default: as the target does).")  # fmt: skip
@click.option("--port", type=int, help="The endpoint's own port.")
@click.option(
    "--env",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="An environment variable; NAME alone takes this shell's; repeat.",
)
@click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with environment variables.",
)
@click.option("--instance-count", type=int, help="The number of containers.")
@click.option("--max-concurrent-requests-per-instance", type=int, help="As in the deployment's YAML.")
@click.option("--request-timeout-ms", type=int, help="As in the deployment's YAML.")
@click.option("--primary-key", help="The endpoint's primary key, for tests that must know it.")
@click.option("--gpus", help="GPUs for the container, as docker run takes them: all, 1, device=0.")
@click.option("--instance-type", metavar="SIZE", help="Limit each container to that machine's size: Standard_DS3_v2.")
@click.option("--debug", "debug_port", type=int, is_flag=False, flag_value=_DEBUG_PORT, metavar="[PORT]",
              help=f"Run the server under debugpy (default port {_DEBUG_PORT}).")  # fmt: skip
@click.option("--watch", is_flag=True, help="Deploy again whenever a file of the code folder changes.")
@progress_options
@output_option
def deploy_command(watch: bool, output: str, *, verbose: bool, quiet: bool, **options: Any) -> None:
    """Deploy a scoring script, an MLflow model or a custom container, and wait until it serves.

    The same command again updates the same endpoint; the old containers serve until the new ones are ready.

    \b
      amlemu deploy --model my_model:1 --entry score.py
      amlemu deploy --model a:1 --model b:2 --entry src/score.py --environment conda.yml --target aci
      amlemu deploy -f endpoint.yml -f blue-deployment.yml --set instance_count=1
      amlemu deploy --model my_mlflow_model:1
      amlemu deploy --name echo --model my_model:1 --environment container.yml
      amlemu deploy --model my_model:1 --inference-config inferenceconfig.json --deployment-config deploymentconfig.json
    """
    from emulator.cli.connection import connect_or_start
    from emulator.cli.deploy_plan import deploy_plan

    plan = read_plan({**options, "watch": watch})
    with connect_or_start() as client, Printer(verbose=verbose, quiet=quiet) as printer:
        document = deploy_plan(client, plan, printer)
        printer.end(f"{plan.endpoint_name} {'serves' if plan.deployments else 'is there'}")
        print_result(document, output, lambda: _print_deployed(document, plan, quiet=quiet))
        for _, request in plan.deployments:
            if request.get("debug_port"):
                say(_debugger_snippet(request))
        if watch:
            from emulator.cli.watch import watch_folder

            for name, request in plan.deployments[:1]:
                watch_folder(client, plan.endpoint_name, name, request)


def _print_deployed(document: Mapping[str, Any], plan: DeployPlan, *, quiet: bool) -> None:
    if quiet:
        click.echo(document["scoring_uri"])
        return
    from emulator.cli.deployed import print_deployed

    code = plan.deployments[-1][1].get("code") if plan.deployments else None
    names = [name for name, _ in plan.deployments]
    print_deployed(document, names, is_from_files=plan.is_from_files, code=code)


def read_plan(options: Mapping[str, Any]) -> DeployPlan:
    """Read flags and files into a plan; nothing has been created so far."""
    from emulator.cli.deploy_flags import read_options, read_variables
    from emulator.cli.deploy_plan import DeployPlan

    is_v1 = options["inference_config"] is not None or options["deployment_config"] is not None
    if options["files"]:
        from emulator.cli.deploy_files import plan_files

        if is_v1:
            raise click.UsageError("-f takes files of v2; --inference-config and --deployment-config go without it")
        if options["entry"] is not None or options["source_dir"] is not None:
            raise click.UsageError("with -f, the files name the script: code_configuration, or --set")
        return plan_files(options, read_variables(options["env_file"], options["variables"], os.environ))
    if options["settings"]:
        raise click.UsageError("--set goes with -f FILE")
    read = read_options
    if is_v1:
        from emulator.cli.deploy_v1 import read_v1_options as read
    endpoint, request = read(options, os.environ)
    deployment = in_small_letters(options["deployment"] or _DEFAULT_DEPLOYMENT)
    return DeployPlan(endpoint, ((deployment, request),), traffic={deployment: 100} if options["all_traffic"] else None)


def _debugger_snippet(request: Mapping[str, Any]) -> str:
    """Return a VS Code launch configuration that attaches to the scoring server."""
    configuration = {
        "name": "amlemu: attach to the scoring server",
        "type": "debugpy",
        "request": "attach",
        "connect": {"host": "127.0.0.1", "port": request["debug_port"]},
        "justMyCode": True,
    }
    if code := request["code"]:
        configuration["pathMappings"] = [{"localRoot": code, "remoteRoot": f"/var/azureml-app/{Path(code).name}"}]
    return "launch.json, to attach VS Code:\n" + json.dumps(configuration, indent=2)
