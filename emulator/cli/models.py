"""`model …`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from emulator.cli import HintingGroup
from emulator.cli.completion import model_names
from emulator.cli.output import output_option, print_result, print_table, say, size_text


class _ModelGroup(HintingGroup):
    """Suggests our command for those of other tools."""

    _NEAR: Mapping[str, str] = {
        "create": "`amlemu model register`",
        "add": "`amlemu model register`",
        "ls": "`amlemu model list`",
        "get": "`amlemu model show`",
        "delete": "a version never goes, as deployments may name it: `amlemu model archive NAME:VERSION` hides it,"
        " as `az ml model archive` does",
        "rm": "a version never goes, as deployments may name it: `amlemu model archive NAME:VERSION` hides it",
    }

    def hint_of(self, args: Sequence[str]) -> str:
        """Return the hint for a command of another tool."""
        return self._NEAR.get(args[0], "")


@click.group("model", cls=_ModelGroup)
def model_command() -> None:
    """Registered models.  Versions count up from 1 and never change."""


@model_command.command("register")
@click.option("-f", "--file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A model's YAML, as for az ml; flags beside it win.")  # fmt: skip
@click.option("--name", help="The model's name.")
@click.option("--path", type=click.Path(path_type=Path), help="A file or a folder.")
@click.option("--version", help="The version; by default they count up from 1.")
@click.option("--type", type=click.Choice(["custom_model", "mlflow_model", "triton_model"]),
              help="The model's kind (default: custom_model).")  # fmt: skip
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag; repeat.")
@click.option("--property", "properties", multiple=True, metavar="KEY=VALUE", help="A property; repeat.")
@click.option("--description", help="What the model is.")
@output_option
def register(output: str, **options: Any) -> None:
    """Register a file or a folder as the next version of a model."""
    from emulator.cli.connection import connect_or_start

    request = _request(options)
    with connect_or_start() as client:
        model = client.register_model(request.pop("name"), request)
    print_result(_document(model), output, lambda: _print_registered(model))


def _request(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request: the file's, overridden by flags."""
    given = {key: options[key] for key in ("name", "version", "type", "description") if options[key] is not None}
    for key, option in (("tags", "--tag"), ("properties", "--property")):
        if options[key]:
            given[key] = pairs(options[key], option)
    if options["path"] is not None:
        given["path"] = _existing(options["path"], options["name"])
    if options["file"] is not None:
        from emulator.azure_files import Setting, read_model_file
        from emulator.cli.files import disk, read_source

        name = [Setting(("name",), options["name"], option="--name")] if options["name"] else []
        return read_model_file(read_source(options["file"]), disk(), name) | given
    missing = [f"--{key}" for key in ("name", "path") if key not in given]
    if missing:
        raise click.UsageError(f"give {' and '.join(missing)}, or a model's YAML with -f")
    return given


def _existing(path: Path, name: str | None) -> str:
    from emulator.errors import BadArgument

    if not path.exists():
        raise BadArgument(f"'{path}' does not exist", target=f"model {name}", hint="--path names a file or a folder")
    return str(path.absolute())


def _print_registered(model: dict[str, Any]) -> None:
    files = "" if len(model["files"]) == 1 else f" in {len(model['files'])} files"
    click.echo(f"{model['name']}:{model['version']}  {model['path']}  {size_text(model['size'])}{files}")


def _document(model: dict[str, Any]) -> dict[str, Any]:
    """Return the model with its identifying fields first."""
    first = ("name", "version", "type", "path", "size", "sha256")
    return {key: model[key] for key in first} | {key: value for key, value in model.items() if key not in first}


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """Parse `key=value` texts; a usage error for anything else."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{option} takes KEY=VALUE, not '{text}'")
        found[key] = value
    return found


def split_reference(text: str) -> tuple[str, str | None]:
    """Split NAME, NAME:VERSION or NAME@latest into name and version."""
    name, _, version = text.removeprefix("azureml:").removesuffix("@latest").partition(":")
    return name, version or None


@model_command.command("list")
@click.argument("name", required=False)
@click.option("--include-archived", is_flag=True, help="Archived versions too.")
@output_option
def list_models(name: str | None, include_archived: bool, output: str) -> None:
    """List every version of one model, or of all."""
    from emulator.cli.connection import connect_or_start

    with connect_or_start() as client:
        models = client.list_models(name, include_archived=include_archived)
    rows = [
        (m["name"], m["version"], m["type"], m["path"], size_text(m["size"]), "archived" if m["archived"] else "")
        for m in models
    ]
    columns = ("NAME", "VERSION", "TYPE", "PATH", "SIZE", "")
    data = [_document(model) for model in models]
    print_result(data, output, lambda: print_table(columns, rows, "no models are registered"))


@model_command.command("show")
@click.argument("reference", metavar="NAME[:VERSION]", shell_complete=model_names)
@output_option
def show(reference: str, output: str) -> None:
    """Show one version, the latest when none is named."""
    from emulator.cli.connection import connect_or_start

    with connect_or_start() as client:
        model = client.get_model(*split_reference(reference))
    print_result(_document(model), output, lambda: _print_model(model))


def _print_model(model: dict[str, Any]) -> None:
    for key, value in _document(model).items():
        if key != "files" and value not in ("", {}, False):
            click.echo(f"{key:12} {value}")
    for file in model["files"]:
        click.echo(f"{'file':12} {file['path']}  {size_text(file['size'])}  {file['sha256'][:12]}")


@model_command.command("download")
@click.argument("reference", metavar="NAME[:VERSION]", shell_complete=model_names)
@click.option(
    "--path",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The folder to write to; by default the working folder.",
)
def download(reference: str, folder: Path) -> None:
    """Write a version's files to this machine."""
    from emulator.cli.connection import connect_or_start

    with connect_or_start() as client:
        written = client.download_model(*split_reference(reference), folder)
    for path in written:
        click.echo(path)


@model_command.command("archive")
@click.argument("reference", metavar="NAME:VERSION", shell_complete=model_names)
def archive(reference: str) -> None:
    """Hide a version from lists and from `latest`; deployments that use it are unaffected."""
    _set_archived(reference, archived=True)


@model_command.command("restore")
@click.argument("reference", metavar="NAME:VERSION", shell_complete=model_names)
def restore(reference: str) -> None:
    """Undo archive."""
    _set_archived(reference, archived=False)


def _set_archived(reference: str, *, archived: bool) -> None:
    from emulator.cli.connection import connect_or_start

    name, version = split_reference(reference)
    if version is None:
        raise click.UsageError(f"name the version too, as in {name}:1")
    with connect_or_start() as client:
        client.archive_model(name, version, archived=archived)
    say(f"{name}:{version} {'archived' if archived else 'restored'}")
