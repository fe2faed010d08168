"""Errors on the command line: exit codes, and the lines on the terminal."""

from __future__ import annotations

import click

from emulator.errors import (
    AuthenticationFailed,
    AuthorizationFailed,
    BadArgument,
    BadDocument,
    CrashLoopBackOff,
    DamagedDocument,
    DeploymentCrashLoopBackOff,
    EmulatorError,
    EngineUnavailable,
    ImageBuildFailure,
    OperationCanceled,
    OperationInProgress,
    OperationTimedOut,
    OutOfQuota,
    PodOutOfMemory,
    RequestFailed,
    ResourceNotFound,
    ResourceNotReady,
    UserScriptFunctionNotFound,
    UserScriptImportError,
    UserScriptInitFailed,
)

EXIT_CODES: dict[type[EmulatorError], int] = {
    EmulatorError: 1,
    BadArgument: 2,
    AuthenticationFailed: 2,
    AuthorizationFailed: 2,
    BadDocument: 2,
    OperationInProgress: 2,
    EngineUnavailable: 3,
    OutOfQuota: 3,
    PodOutOfMemory: 3,
    ImageBuildFailure: 4,
    DamagedDocument: 5,
    ResourceNotReady: 5,
    DeploymentCrashLoopBackOff: 5,
    CrashLoopBackOff: 5,
    UserScriptInitFailed: 5,
    UserScriptImportError: 5,
    UserScriptFunctionNotFound: 5,
    RequestFailed: 6,
    OperationTimedOut: 7,
    ResourceNotFound: 8,
    OperationCanceled: 130,
}


def exit_code_of(error: EmulatorError) -> int:
    """Return the exit code of an error's class."""
    return EXIT_CODES[type(error)]


def print_error(error: EmulatorError) -> None:
    """Print the tail of the log, then code, message, resource, faults and hint, so that the reason is read last."""
    if error.log_tail:
        for line in error.log_tail.splitlines():
            click.secho(f"  | {line}", dim=True, err=True)
    click.secho(f"{error.code}: ", fg="red", bold=True, nl=False, err=True)
    click.echo(error.message + (f"  [{error.target}]" if error.target else ""), err=True)
    for fault in error.faults:
        click.echo(f"  {fault}", err=True)
    if error.hint:
        click.echo(f"  → {error.hint}", err=True)
