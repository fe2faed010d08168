"""`environment …`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from emulator.cli.differences import HEADINGS, differences_of, grouped
from emulator.cli.output import output_option, print_result, print_table, say
from emulator.cli.progress import Printer, progress_options
from emulator.difference import texts

_V1_FILE = "azureml_environment.json"
F = TypeVar("F", bound=Callable[..., Any])
_include_values = click.option(
    "--include-values", is_flag=True, help="Print secret values and credentials instead of ****."
)


def conda_option(function: F) -> F:
    """Add `--conda auto|channels|pip` as the parameter `conda`."""
    choice = click.Choice(["auto", "channels", "pip"])
    words = "Where conda packages come from (default: their channels, or PyPI where those cannot be reached)."
    return click.option("--conda", type=choice, help=words)(function)


@click.group("environment")
def environment_command() -> None:
    """Environments of scoring scripts, and the images that are built from them."""


@environment_command.command("register")
@click.option("-f", "--file", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Azure ML environment YAML, azureml_environment.json, conda YAML or requirements.txt.")  # fmt: skip
@output_option
def register(file: Path, output: str) -> None:
    """Register an environment from its file."""
    from emulator.cli.connection import connect_or_start

    with connect_or_start() as client:
        environment = client.register_environment(str(file.absolute()))
    print_result(environment, output, lambda: click.echo(f"{environment['name']}:{environment['version']}"))


@environment_command.command("list")
@click.option("--curated", is_flag=True, help="List curated environments instead.")
@_include_values
@output_option
def list_environments(curated: bool, include_values: bool, output: str) -> None:
    """List registered environments."""
    from emulator.cli.connection import connect_or_start

    with connect_or_start() as client:
        environments = client.list_environments(curated=curated, include_values=include_values)
    columns = ("NAME", "VERSION", "PYTHON", "PACKAGES", "SOURCE")
    rows = [
        (
            e["name"],
            e["version"],
            e["python_version"] or "",
            len(e["requirements"]) + len(e["conda_dependencies"]),
            e["source"],
        )
        for e in environments
    ]
    print_result(environments, output, lambda: print_table(columns, rows, "no environments are registered"))


@environment_command.command("show")
@click.argument("environment", metavar="FILE|NAME[:VERSION]|URI")
@click.option("--dockerfile", is_flag=True, help="Print only the generated Dockerfile.")
@conda_option
@_include_values
@output_option
def show(environment: str, dockerfile: bool, conda: str | None, include_values: bool, output: str) -> None:
    """Show an environment, and the Dockerfile that its image is built from."""
    from emulator.cli.connection import connect_or_start

    with connect_or_start() as client:
        found = client.resolve_environment(named(environment) | _choice(conda), include_values=include_values)
    if dockerfile:
        click.echo(found["dockerfile"], nl=False)
    else:
        print_result(found, output, lambda: _print_environment(found))


def _print_environment(environment: dict[str, Any]) -> None:
    separator = "@" if environment["version"] == "latest" else ":"
    click.echo(f"{environment['name']}{separator}{environment['version']}  {_kind(environment)}")
    for name, route in (environment["inference_config"] or {}).items():
        click.echo(f"  {name}: port {route['port']}, {route['path']}")
    for package in environment["conda_dependencies"]:
        click.echo(f"  {package} (conda)")
    for requirement in environment["requirements"]:
        click.echo(f"  {requirement}")
    for package in environment["system_packages"]:
        click.echo(f"  {package} (Debian)")
    for group, members in grouped(differences_of(environment)).items():
        for text in texts(members):
            say(f"  {HEADINGS[group]}: {text}")


def _kind(environment: dict[str, Any]) -> str:
    if environment["python_version"]:
        return f"Python {environment['python_version']}"
    build = environment["build"]
    return f"built from {build['path']}, {build['dockerfile_path']}" if build else f"image {environment['image']}"


@environment_command.command("build")
@click.argument("environment", metavar="FILE|NAME[:VERSION]|URI")
@click.option("--platform", metavar="OS/ARCH", help="The platform to build for, such as linux/amd64.")
@conda_option
@progress_options
def build(environment: str, platform: str | None, conda: str | None, *, verbose: bool, quiet: bool) -> None:
    """Build or pull an environment's image ahead of a deployment; an unchanged one is not built again."""
    from emulator.cli.connection import connect_or_start

    with connect_or_start() as client, Printer(verbose=verbose, quiet=quiet) as printer:
        chosen = _choice(conda) | ({"platform": platform} if platform else {})
        client.build_environment(named(environment) | chosen, printer)
        printer.end("built")


def _choice(conda: str | None) -> dict[str, str]:
    return {"conda": conda} if conda else {}


def named(text: str) -> dict[str, str]:
    """Return an environment as the control API names it: a file of this machine or a registered name.

    A folder must be one that v1's `Environment.save_to_directory` wrote.
    """
    path = Path(text)
    if path.is_dir() and (path / _V1_FILE).is_file():
        path /= _V1_FILE
    if path.is_file():
        return {"file": str(path.absolute())}
    if text.startswith(("azureml:", "/subscriptions/")):
        return {"name": text}
    if path.suffix in (".yml", ".yaml", ".txt", ".json") or "/" in text:
        raise click.UsageError(f"the environment file '{text}' does not exist")
    return {"name": text}
