"""`export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emulator.cli.output import output_option, print_result, say

if TYPE_CHECKING:
    from emulator.client.client import Client
    from emulator.exports import EndpointSource, Export


@click.command("export")
@click.argument("endpoint")
@click.option("--to", "form", type=click.Choice(["az-ml", "kubernetes", "compose"]), default="az-ml",
              help="Azure ML's v2 files (the default), or the scoring containers alone.")  # fmt: skip
@click.option("--out", "folder", type=click.Path(file_okay=False, path_type=Path), required=True,
              help="The folder to write, which must be new or empty.")  # fmt: skip
@click.option("--as", "kind", type=click.Choice(["managed", "kubernetes"]),
              help="The kind of online endpoint to write (default: its own, else managed).")  # fmt: skip
@click.option("--image", help="The image to use instead of the one that runs here, for kubernetes and compose.")
@click.option("--deployment", help="Export only this deployment.")
@click.option("--include-values", is_flag=True, help="Write secrets too: values of variables, credentials in URLs.")
@click.option("--force", is_flag=True, help="Write into a folder that has files, replacing those of the same names.")
@output_option
def export_command(endpoint: str, folder: Path, output: str, **options: Any) -> None:
    """Write an endpoint as files that deploy it elsewhere.

    Keys are never exported, and secrets of environments and variables only with --include-values.  What changes for
    the cloud is printed, and noted in comments of the files.

    \b
      amlemu export iris --out iris-azure && sh iris-azure/deploy.sh
    """
    from emulator.cli.connection import connect_or_start
    from emulator.exports import read_source

    if options["form"] == "az-ml" and options["image"]:
        raise click.UsageError("--image goes with --to kubernetes and --to compose")
    if options["form"] != "az-ml" and options["kind"]:
        raise click.UsageError("--as goes with --to az-ml")
    _check_folder(folder, force=options["force"])
    has_values, only = options["include_values"], options["deployment"]
    with connect_or_start() as client:
        document = client.get_export(endpoint, include_values=has_values)
        source = read_source(document, has_values=has_values, only=only)
        _check_deployment(source, only)
        export = _export(source, options)
        files = write_export(client, source.endpoint.name, export, folder)
    changes = [str(change) for change in export.changes]
    written = {"endpoint": endpoint, "to": options["form"], "folder": str(folder), "files": files, "changes": changes}
    print_result(written, output, lambda: click.echo("\n".join(str(folder / file) for file in files)))
    for change in changes:
        say(f"change: {change}")
    for command in export.commands:
        say(f"try, in {folder}: {command}")


def _export(source: EndpointSource, options: dict[str, Any]) -> Export:
    from emulator.exports import export_az_ml, export_compose, export_kubernetes, kind_of

    if options["form"] == "compose":
        return export_compose(source, options["image"])
    if options["form"] == "kubernetes":
        return export_kubernetes(source, options["image"])
    return export_az_ml(source, kind_of(source.endpoint.target, options["kind"]))


def _check_folder(folder: Path, *, force: bool) -> None:
    from emulator.errors import BadArgument

    if not force and folder.exists() and any(folder.iterdir()):
        raise BadArgument(f"the folder '{folder}' has files", hint="name a new one, or give --force to write into it")


def _check_deployment(source: EndpointSource, name: str | None) -> None:
    from emulator.errors import ResourceNotFound

    if not source.deployments:
        target = f"endpoint {source.endpoint.name}"
        raise ResourceNotFound(f"there is no deployment '{name}' that has ever served", target=target)


def write_export(client: Client, endpoint: str, export: Export, folder: Path) -> list[str]:
    """Write the export below `folder`; return the sorted relative paths of its files."""
    from emulator.errors import BadArgument

    try:
        written = []
        for model in export.models:
            written += client.download_model(model.name, model.version, folder / model.folder)
        for code in export.code:
            written += client.download_code(endpoint, code.deployment, folder / code.folder)
        for context in export.contexts:
            written += client.download_context(endpoint, context.deployment, folder / context.folder)
        for layout in export.layouts:
            written += client.download_layout(endpoint, layout.deployment, folder / layout.folder)
        for name, text in export.texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # a copy's may not be written to
            path.write_text(text, encoding="utf-8", newline="\n")
            path.chmod(0o755 if name.endswith(".sh") else 0o644)
            written.append(path)
    except OSError as error:
        raise BadArgument(f"'{error.filename or folder}' cannot be written: {error.strerror}") from error
    return sorted({path.relative_to(folder).as_posix() for path in written})
