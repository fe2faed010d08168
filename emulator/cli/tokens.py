"""`token …`, `login`, `logout`."""

from __future__ import annotations

import os
import sys

import click

from emulator.cli.output import output_option, print_result, print_table, say


@click.group("token", invoke_without_command=True)
@click.pass_context
def token_command(context: click.Context) -> None:
    """Tokens of the emulator's control API; alone, print the admin's own.

    The keys of endpoints are others: `amlemu keys ENDPOINT`.
    """
    if context.invoked_subcommand is None:
        _print_admin_token()


def _print_admin_token() -> None:
    from emulator.cli.connection import address_of, current_settings
    from emulator.config.admin_token import read_admin_token
    from emulator.errors import ResourceNotFound

    settings = current_settings()
    address = address_of(settings) if settings.url else None
    token = address.token if address else settings.token or read_admin_token(settings.home)
    if not token:
        hint = "AMLEMU_TOKEN, or `amlemu login`" if settings.url else "`amlemu up --detach` makes one"
        raise ResourceNotFound("there is no token", target=settings.url or f"AMLEMU_HOME {settings.home}", hint=hint)
    click.echo(token)


@token_command.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "deployer", "admin"]), default="deployer", show_default=True,
              help="A viewer reads, a deployer deploys and has keys, an admin does everything.")  # fmt: skip
@output_option
def create(name: str, role: str, output: str) -> None:
    """Create a token and print it, only this once."""
    from emulator.cli.connection import connect_or_start

    with connect_or_start() as client:
        made = client.create_token(name, role)
    print_result(made, output, lambda: click.echo(made["token"]))
    say(f"it is not shown again; `amlemu token delete {name}` deletes it")


@token_command.command("list")
@output_option
def list_tokens(output: str) -> None:
    """List the tokens that were created, by name."""
    from emulator.cli.connection import connect_or_start

    with connect_or_start() as client:
        tokens = client.list_tokens()
    rows = [(token["name"], token["role"], token["created_at"]) for token in tokens]
    columns = ("NAME", "ROLE", "CREATED")
    print_result(tokens, output, lambda: print_table(columns, rows, "no token but the admin's own"))


@token_command.command("delete")
@click.argument("name")
def delete(name: str) -> None:
    """Delete a token."""
    from emulator.cli.connection import connect_or_start

    with connect_or_start() as client:
        client.delete_token(name)
    say(f"token {name} is deleted")


@click.command("login")
@click.argument("url")
def login_command(url: str) -> None:
    """Use the emulator at URL in every command from now on.

    The token is asked for, or read from AMLEMU_TOKEN or, without a terminal, from standard input.  `amlemu logout`
    undoes it; AMLEMU_URL and AMLEMU_HOME override it.
    """
    from emulator.client.client import Client
    from emulator.config.login import Login, write_login

    token = os.environ.get("AMLEMU_TOKEN") or _ask()
    login = Login(url.rstrip("/"), token)
    with Client(login.url, token) as client:
        info = client.describe()
    path = write_login(os.environ, login)
    say(f"{login.url}: amlemu {info['version']}, engine {info['engine']}, you are {info['caller']} ({info['role']})")
    say(f"kept in {path}, which only you can read")
    other = os.environ.get("AMLEMU_URL", login.url).rstrip("/") != login.url
    for variable in (*(["AMLEMU_HOME"] if os.environ.get("AMLEMU_HOME") else []), *(["AMLEMU_URL"] if other else [])):
        say(f"{variable} is set here and overrides this login: commands do not use it until you unset {variable}")


def _ask() -> str:
    if sys.stdin.isatty():
        token: str = click.prompt("token", hide_input=True, default="", show_default=False, err=True)
        return token.strip()
    return sys.stdin.readline().strip()


@click.command("logout")
def logout_command() -> None:
    """Use this machine's own emulator again."""
    from emulator.config.login import remove_login

    say("logged out" if remove_login(os.environ) else "there was no login")
