"""`schema`."""

from __future__ import annotations

import json

import click

# Named here too, so that `--help` need not load the models.
_KINDS = ("settings", "endpoint", "managed-deployment", "kubernetes-deployment", "model", "environment")


@click.command("schema")
@click.argument("kind", type=click.Choice(_KINDS))
def schema_command(kind: str) -> None:
    """Print the JSON Schema of a kind of file, for editors that check and complete.

    \b
      amlemu schema managed-deployment > .vscode/managed-deployment.json
    """
    from emulator.azure_files.schemas import schema_of

    click.echo(json.dumps(schema_of(kind), indent=2, ensure_ascii=False))
