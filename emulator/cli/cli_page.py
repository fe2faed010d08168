"""`python -m emulator.cli.cli_page`: docs/cli.md, printed from the commands themselves."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator

import click

from emulator.cli import cli

_HEAD = """\
# Command line

Results go to stdout, everything else to stderr. Options of a command come after its name; `-h` or `--help` prints what
is below. The settings that every command reads are in [settings.md](settings.md).

Exit codes: 0 success, 1 a bug in amlemu, 2 a wrong request or document, 3 no engine or no emulator, 4 the image could
not be built, 5 the container did not become ready, 6 the request failed, 7 a time-out, 8 not found, 130 interrupted.
"""
_TAIL = "\nThis page is written by `make reference` from the commands in `emulator/cli/`.\n"


def cli_page() -> str:
    """Return the page: every command with its usage, help, arguments and options."""
    context = click.Context(cli, info_name="amlemu")
    commands = "".join(_section(*found) for found in _commands(cli, context))
    return f"{_HEAD}\n{commands.rstrip()}\n{_TAIL}"


def _commands(group: click.Group, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Yield each command below a group, a group before its own commands, in the order of `--help`."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        own = click.Context(command, info_name=name, parent=context)
        yield command, own
        if isinstance(command, click.Group):
            yield from _commands(command, own)


def _section(command: click.Command, context: click.Context) -> str:
    arguments = [_argument(one) for one in command.params if isinstance(one, click.Argument)]
    has_options = any(isinstance(one, click.Option) for one in command.params)
    subcommand = ["COMMAND"] if isinstance(command, click.Group) else []
    words = [_path(context), *(["[OPTIONS]"] if has_options else []), *arguments, *subcommand]
    return f"## `{' '.join(words)}`\n\n{_help(command)}{_options(command)}"


def _path(context: click.Context) -> str:
    """Return the command's name after those of its groups; click's own path has their arguments in it."""
    return f"{_path(context.parent)} {context.info_name}" if context.parent else str(context.info_name)


def _help(command: click.Command) -> str:
    r"""Return the help text; a paragraph that begins with `\b`, which click prints as it is, becomes code."""
    return "".join(f"{_paragraph(part)}\n\n" for part in inspect.cleandoc(command.help or "").split("\n\n"))


def _paragraph(text: str) -> str:
    mark, _, code = text.partition("\n")
    return f"```sh\n{textwrap.dedent(code)}\n```" if mark.strip() == "\b" else _filled(text)


def _options(command: click.Command) -> str:
    rows = [_option_row(one) for one in command.params if isinstance(one, click.Option) and not one.hidden]
    return "| Option | Meaning |\n|---|---|\n" + "".join(rows) + "\n" if rows else ""


def _option_row(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    value = "" if option.is_flag else f" `{_value(option)}`".replace("|", "\\|")
    default = f"Default: `{option.default}`." if option.show_default and option.default is not None else ""
    parts = [re.sub(r"([|<*])", r"\\\1", option.help or ""), default, "Required." if option.required else ""]
    return f"| {names}{value} | {' '.join(part for part in parts if part)} |\n"


def _argument(argument: click.Argument) -> str:
    name = argument.metavar or _value(argument)
    if argument.metavar or argument.required:
        return name
    return f"[{name}]"


def _value(parameter: click.Parameter) -> str:
    if parameter.metavar:
        return parameter.metavar
    if isinstance(parameter.type, click.Choice):
        return "|".join(map(str, parameter.type.choices))
    return (
        parameter.human_readable_name.upper() if isinstance(parameter, click.Argument) else parameter.type.name.upper()
    )


def _filled(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 118, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    print(cli_page(), end="")
