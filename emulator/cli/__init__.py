"""The command line.

Commands are imported when they are called, so that `amlemu --help` answers at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from emulator import __version__

# By command: its module, and the line that `--help` shows.
COMMANDS = {
    "up": ("server", "Start the emulator."),
    "down": ("server", "Stop the emulator; what is deployed comes back with `up`."),
    "status": ("server", "Show what runs, and where."),
    "config": ("config", "Show every setting, its value and where it comes from."),
    "doctor": ("doctor", "Check what this machine has and name what is missing."),
    "prune": ("server", "Remove images, layouts and files that nothing uses any more."),
    "images": ("images", "Make stand-ins for base images where no registry answers."),
    "demo": ("demo", "Deploy the demo: two registered models behind one endpoint."),
    "model": ("models", "Registered models: register, list, show, download, archive, restore."),
    "environment": ("environments", "Environments and their images: register, list, show, build."),
    "deploy": ("deploy", "Create or update a deployment and wait until it serves."),
    "invoke": ("invoke", "Send one scored request."),
    "list": ("endpoints", "List endpoints."),
    "show": ("endpoints", "Show an endpoint and its deployments."),
    "logs": ("endpoints", "Print the log of a deployment's container."),
    "keys": ("endpoints", "Print or regenerate an endpoint's keys."),
    "traffic": ("endpoints", "Split an endpoint's traffic between its deployments."),
    "tree": ("endpoints", "Print the files as the scoring script sees them."),
    "export": ("export", "Write an endpoint as files that deploy it elsewhere: Azure ML, Kubernetes, compose."),
    "parity": ("parity", "Print what is imitated of the cloud: how sure each behaviour is, and its sources."),
    "schema": ("schema", "Print the JSON Schema of a kind of file, for editors."),
    "token": ("tokens", "Create, list and delete tokens; alone, print the admin's."),
    "login": ("tokens", "Use an emulator on another machine from now on."),
    "logout": ("tokens", "Use this machine's own emulator again."),
    "completion": ("completion", "Print the completion script of bash, zsh or fish."),
    "delete": ("endpoints", "Delete an endpoint or one of its deployments."),
}


class HintingGroup(click.Group):
    """A group that adds a hint to the error for an unknown command."""

    def hint_of(self, args: Sequence[str]) -> str:
        """Return the hint for an unknown command, '' for none."""
        return ""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve the command; add the hint to the error for an unknown one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            hint = self.hint_of(args)
            if not hint:
                raise
            raise click.UsageError(f"{error.format_message()} {hint}", ctx) from error


class LazyGroup(HintingGroup):
    """A group that lists its commands without importing their modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of their use, not of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"emulator.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def hint_of(self, args: Sequence[str]) -> str:
        """Return the nearest command."""
        from emulator.cli.near_verbs import near_command

        near = near_command(args, COMMANDS)
        return f"Did you mean '{near}'?" if near else ""


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="amlemu")
def cli() -> None:
    """Azure ML real-time inference on this machine: deploy a scoring script in seconds and call it as in the cloud.

    \b
      amlemu model register --name my_model --path model.pkl
      amlemu deploy --model my_model:1 --entry score.py
      amlemu invoke ENDPOINT --data @request.json
    """


def run(args: Sequence[str]) -> int:
    """Run one command and return its exit code; only a bug shows a traceback."""
    color = False if os.environ.get("NO_COLOR") else None  # click itself does not know https://no-color.org
    with click.Context(cli, color=color).scope(cleanup=False):
        return _run(args, color)


def _run(args: Sequence[str], color: bool | None) -> int:
    try:
        result: Any = cli.main(args=list(args), prog_name="amlemu", standalone_mode=False, color=color)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except BrokenPipeError:  # `amlemu logs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _report(error)


def _report(error: Exception) -> int:
    from emulator.cli.failures import exit_code_of, print_error
    from emulator.errors import EmulatorError

    if not isinstance(error, EmulatorError):
        import traceback

        traceback.print_exc()
        error = EmulatorError(f"{type(error).__name__}: {error}", hint="this is a bug of amlemu: please report it")
    print_error(error)
    return exit_code_of(error)
