"""`deploy --entry`: the request that flags make."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from emulator.names import V1_TARGETS, in_small_letters

_AS_THEY_ARE = ("target", "conda", "platform", "model_mount_path", "auth_mode", "port", "primary_key", "gpus",
                "instance_type", "debug_port")  # fmt: skip


def read_options(options: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Return the endpoint's name and the request; usage errors for what can be checked here."""
    code, script = _code_and_script(options["entry"], options["source_dir"]) if options["entry"] else (None, None)
    if code is None:
        _check_without_script(options)
    request: dict[str, Any] = {
        "models": list(options["models"]),
        "code": str(code) if code else None,
        "scoring_script": script,
        "explicit_source_dir": options["source_dir"] is not None,
        "environment": environment_of(options["environment"]),
        "environment_variables": read_variables(options["env_file"], options["variables"], environ),
        "request_settings": given_request_settings(options),
    }
    request |= {name: options[name] for name in _AS_THEY_ARE}
    if options["instance_count"] is not None:
        request["instance_count"] = options["instance_count"]
    return endpoint_of(options) or _default_name(code, options["models"]), request


def endpoint_of(options: Mapping[str, Any]) -> str:
    """Return the endpoint's name in lower case, as the cloud does; names of v1's targets unchanged."""
    name = options["endpoint"] or ""
    return name if options["target"] in V1_TARGETS else in_small_letters(name)


def _check_without_script(options: Mapping[str, Any]) -> None:
    """Raise usage errors for options that need a scoring script."""
    for name, flag in (("source_dir", "--source-dir"), ("watch", "--watch")):
        if options.get(name):
            raise click.UsageError(f"{flag} needs --entry, which names the code")
    if not options["models"] and options["environment"] is None:
        needs_none = "an MLflow model (--model) or a custom container (--environment) needs none"
        raise click.UsageError(f"--entry names the scoring script; {needs_none}")
    if not options["models"] and options["endpoint"] is None:
        raise click.UsageError("--name is needed without --entry and --model: nothing names the endpoint")


def _default_name(code: Path | None, models: Sequence[str]) -> str:
    """Return the default name of an endpoint: the code folder's, else the first model's, made legal."""
    from emulator.names import legal_endpoint_name

    return legal_endpoint_name(code.name if code else re.split("[:@]", models[0].removeprefix("azureml:"))[0])


def given_request_settings(options: Mapping[str, Any]) -> dict[str, int]:
    """Return the request settings that were given as flags."""
    names = ("request_timeout_ms", "max_concurrent_requests_per_instance")
    return {name: options[name] for name in names if options[name] is not None}


def _code_and_script(entry: Path, source_dir: Path | None) -> tuple[Path, str]:
    """Return the absolute code folder, and the script's path below it."""
    if source_dir is None:
        script = Path(os.path.normpath(entry.absolute()))
        if not script.is_file():
            raise _no_script(f"the scoring script '{entry}' does not exist")
        return script.parent, script.name
    folder = Path(os.path.normpath(source_dir.absolute()))
    if not folder.is_dir():
        raise _no_script(f"the code folder '{source_dir}' does not exist")
    for script in (folder / entry, entry.absolute()):
        if script.is_file() and script.is_relative_to(folder):
            return folder, script.relative_to(folder).as_posix()
    raise _no_script(f"the scoring script '{entry}' is not in the code folder '{source_dir}'")


def _no_script(message: str) -> Exception:
    from emulator.errors import BadArgument

    return BadArgument(message, hint="--entry names the script, --source-dir the folder that is deployed with it")


def environment_of(text: str | None) -> str | None:
    """Return the absolute file, or the registered name, that --environment means."""
    if text is None:
        return None
    from emulator.cli.environments import named

    found = named(text)
    return found.get("file") or found["name"]


def read_variables(file: Path | None, texts: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Read the variables of a file, overridden by flags; a flag without a value takes this shell's."""
    found: dict[str, str] = {}
    if file is not None:
        from dotenv import dotenv_values

        found = {name: value or "" for name, value in dotenv_values(file, interpolate=False).items()}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals and name not in environ:
            raise click.UsageError(f"--env {name}: this shell has no such variable; write {name}=VALUE")
        found[name] = value if equals else environ[name]
    return found
