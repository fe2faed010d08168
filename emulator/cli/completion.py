"""`completion`: the shells' completion of commands, options, and names of endpoints, deployments and models."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from emulator.client.client import Client

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_AMLEMU_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def completion_command(shell: str) -> None:
    """Print the completion script of SHELL, which also completes names of endpoints, deployments and models.

    \b
      bash:  eval "$(amlemu completion bash)"      in ~/.bashrc
      zsh:   eval "$(amlemu completion zsh)"       in ~/.zshrc
      fish:  amlemu completion fish | source       in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    from emulator.cli import cli

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"there is no completion for {shell}")
    completion = found(cli, {}, "amlemu", _VARIABLE)
    click.echo(completion.source_template % completion.source_vars())


def endpoint_names(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Complete endpoints of a running emulator; nothing is started or printed."""
    return _names(typed, lambda client: [endpoint["name"] for endpoint in client.list_endpoints()])


def deployment_names(context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Complete deployments of the endpoint in the command line, or of all endpoints."""
    named = context.params.get("endpoint") or context.params.get("endpoints") or ()
    wanted = (named,) if isinstance(named, str) else tuple(named)

    def read(client: Client) -> list[str]:
        endpoints = client.list_endpoints()
        return [d["name"] for e in endpoints if not wanted or e["name"] in wanted for d in e["deployments"]]

    return _names(typed, read)


def model_names(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Complete models as NAME:VERSION."""
    return _names(typed, lambda client: [f"{m['name']}:{m['version']}" for m in client.list_models()])


def _names(typed: str, read: Callable[[Client], list[str]]) -> list[str]:
    from emulator.cli.connection import running_client

    found: list[Any] = []
    with suppress(Exception):  # completion never fails
        client = running_client()
        if client is not None:
            with client:
                found = read(client)
    return [name for name in dict.fromkeys(found) if name.startswith(typed)]
