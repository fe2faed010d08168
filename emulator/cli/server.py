"""`up`, `down`, `status`, `prune`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from emulator.cli.output import output_option, print_result, say
from emulator.config import SETTINGS, help_of, origin_of
from emulator.errors import BadArgument

if TYPE_CHECKING:
    from emulator.client.client import Client

F = TypeVar("F", bound=Callable[..., Any])


def _setting_options(function: F) -> F:
    """Add an option for each setting that has a flag, as a parameter of its name."""
    for name, setting in reversed(list(SETTINGS.items())):
        if setting.has_flag:
            choices = setting.kind.schema.get("enum")
            kind = click.Choice(choices) if choices else int
            function = click.option(f"--{name.replace('_', '-')}", type=kind, help=help_of(name))(function)
    return function


@click.command("up")
@click.option("--detach", "-d", is_flag=True, help="Run in the background and return once it serves.")
@_setting_options
@click.option("--demo/--no-demo", default=False, envvar="AMLEMU_DEMO", help="Deploy the demo in a new workspace.")
@click.option("--ephemeral", is_flag=True, help="Use a temporary home, removed at the end.")
def up_command(
    detach: bool,
    demo: bool,
    ephemeral: bool,
    **flags: Any,
) -> None:
    """Start the emulator.

    One runs per AMLEMU_HOME.  What was deployed when it last went down comes back.  In the foreground, Ctrl-C ends it.
    """
    from emulator.cli.connection import current_settings, ensure_running
    from emulator.system.removal import temporary_folder

    if ephemeral and detach:
        raise click.UsageError("--ephemeral needs the foreground: the temporary home goes when the command ends")
    if detach:
        program = ("emulator", "up", *(["--demo"] if demo else []))
        settings = current_settings(flags)
        description, is_new = ensure_running(settings, program)
        if demo and not is_new:
            raise BadArgument("an emulator runs already, and --demo is for a new one", hint="`amlemu demo` deploys it")
        say(_running(description) + ("" if is_new else " (it ran already)"))
        if settings.url:
            say(f"commands here still use {settings.url} ({origin_of('url', settings)})")
    elif ephemeral:
        with temporary_folder("amlemu-") as home:
            os.environ["AMLEMU_HOME"] = str(home)
            say(f'in another terminal: export AMLEMU_HOME="{home}"')
            _serve({**flags, "home": home}, demo=demo)
    else:
        _serve(flags, demo=demo)


def _serve(flags: dict[str, Any], *, demo: bool) -> None:
    from emulator.cli.connection import current_settings
    from emulator.config import for_this_machine
    from emulator.server.serve import configure_logging, serve

    configure_logging()
    settings = for_this_machine(current_settings(flags))
    serve(settings, os.environ, lambda description: say(_running(description)), demo=demo)
    say("stopped")


def _running(description: dict[str, Any]) -> str:
    reason = description.get("engine_reason")
    why = f" (no Docker: {reason})" if reason else ""
    return f"amlemu {description['version']} at {description['url']}, engine {description['engine']}{why}"


@click.command("down")
def down_command() -> None:
    """Stop the emulator and its scoring containers; models and deployments stay, `up` brings them back."""
    from emulator.cli.connection import connect, current_settings
    from emulator.config.home_lock import read_holder
    from emulator.errors import EngineUnavailable

    settings = current_settings()
    try:
        client = connect(settings)
    except EngineUnavailable:
        say("no emulator runs")
        return
    with client:
        client.shutdown()
        while _still_runs(client) if settings.url else read_holder(settings.home) is not None:
            time.sleep(0.05)
    say("stopped; `amlemu up` brings everything back")


def _still_runs(client: Client) -> bool:
    from emulator.errors import EmulatorError

    try:
        client.describe()
    except EmulatorError:
        return False
    return True


@click.command("status")
@output_option
def status_command(output: str) -> int:
    """Show what runs, and where; exit code 3 when no emulator runs."""
    from emulator.cli.connection import connect
    from emulator.errors import EngineUnavailable

    try:
        client = connect()
    except EngineUnavailable as error:
        message = f"{error.message}; `amlemu up --detach` starts one"
        print_result({"running": False}, output, lambda: say(message))
        return 3
    with client:
        description = client.describe()
        endpoints, damage = client.list_endpoints(), client.list_damage()
    data = {"running": True, **description, "endpoints": [e["name"] for e in endpoints]}
    data["out_of_service"] = {e["name"]: e["out_of_service"] for e in endpoints if e.get("out_of_service")}
    data["damaged"] = damage
    print_result(data, output, lambda: _print_status(description, endpoints, damage))
    return 0


def _print_status(description: dict[str, Any], endpoints: list[dict[str, Any]], damage: list[dict[str, Any]]) -> None:
    from emulator.cli.endpoints import print_endpoints

    say(_running(description))
    if away := description.get("engine_error"):
        say(f"the engine does not answer, so its containers are not monitored: {away}")
    say(f"home {description['home']}, process {description['pid']}, shared gateway port {description['gateway_port']}")
    for target, of_target in description.get("assumed", {}).items():
        say(f"overridden by the settings, for {target}: {', '.join(of_target)}")
    if curated := description.get("curated_environments"):
        say(f"curated environments of the settings: {', '.join(curated)}")
    print_endpoints(endpoints)
    for one in damage:
        say(f"{one['resource']} is out of service: '{one['file']}' is damaged: {one['fault']}")
    if damage:
        say("`amlemu down`, then `amlemu doctor --fix` moves what is damaged aside, and deletes nothing")


@click.command("prune")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
def prune_command(dry_run: bool) -> None:
    """Remove what nothing uses any more: images, containers, layouts, incomplete files.  Models stay.

    If no emulator runs, the containers that a killed one left are removed too; `up` deploys them again.
    """
    from emulator.cli.connection import connect, current_settings
    from emulator.server.offline import list_kept, prune_offline

    settings = current_settings()
    removed = None if settings.url else prune_offline(settings, os.environ, dry_run=dry_run)
    if removed is None:
        with connect(settings) as client:
            removed, kept = client.prune(dry_run=dry_run), client.list_kept()
    else:
        kept = list_kept(settings.home)
    for line in removed:
        click.echo(line)
    for line in kept:
        say(f"kept: {line}")
    say(f"{len(removed)} {'would be' if dry_run else 'were'} removed")
