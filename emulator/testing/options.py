"""Reads a call of `amlemu_endpoint` into the plan that `amlemu deploy` would make."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from os import PathLike, fspath, path
from pathlib import Path
from typing import Any

import click

from emulator.cli.deploy import deploy_command, read_plan
from emulator.cli.deploy_plan import DeployPlan
from emulator.errors import BadArgument, did_you_mean

# Keys of Azure's YAML, and plurals, that are other names of options.
_ALSO = {"models": "model", "files": "file", "environment_variables": "env", "settings": "set"}
_NOT_OURS = ("watch", "output")
_MODEL_KEYS = ("path", "version", "type", "description", "tags", "properties")

Json = dict[str, Any]


def read_call(options: Mapping[str, Any], root: Path) -> DeployPlan:
    """Return the plan of a call with these options of `amlemu deploy`; relative paths begin in `root`.

    An option is named as on the command line, with '_' for '-'.  `models` may also map names to files or folders, which
    are registered along with the deployment, `environment_variables` (or `env`) and `set` may be mappings.  Raises
    BadArgument and BadDocument for faults in them.
    """
    given = _flattened(options)
    models = given.get("model")
    brought: Mapping[str, Json] = {}
    if isinstance(models, Mapping):
        brought = {name: _model(name, value, root) for name, value in models.items()}
        given["model"] = list(brought)
    try:
        context = deploy_command.make_context("amlemu_endpoint", _words(given, root))
        plan = read_plan(context.params)
    except click.ClickException as error:
        raise BadArgument(error.format_message(), target="amlemu_endpoint") from error
    return replace(plan, deployments=tuple((name, _with_models(each, brought)) for name, each in plan.deployments))


@cache
def _known() -> Mapping[str, click.Option]:
    """Return the options of `amlemu deploy` by the longest of their names."""
    found = [param for param in deploy_command.params if isinstance(param, click.Option)]
    named = {max(option.opts, key=len).removeprefix("--").replace("-", "_"): option for option in found}
    return {name: option for name, option in named.items() if name not in _NOT_OURS}


def _flattened(options: Mapping[str, Any]) -> Json:
    """Return the options by their names on the command line, without those that are None."""
    flat = {key: value for key, value in options.items() if key != "request_settings"}
    flat |= options.get("request_settings") or {}
    found: Json = {}
    for name, value in flat.items():
        option = _ALSO.get(name, name)
        if option not in _known():
            raise _unknown(name)
        if value is not None:
            found[option] = value
    return found


def _unknown(name: str) -> BadArgument:
    known = sorted({*_known(), *_ALSO, "request_settings"})
    suggestion = did_you_mean(name, known) or f"there are: {', '.join(known)}"
    return BadArgument(
        f"amlemu_endpoint has no option '{name}'; {suggestion}", hint="they are those of `amlemu deploy --help`"
    )


def _words(given: Mapping[str, Any], root: Path) -> list[str]:
    words: list[str] = []
    for name, value in given.items():
        option = _known()[name]
        flag = max(option.opts, key=len)
        if value is True:
            words.append(flag)
        elif value is not False or not option.is_flag:
            words += [f"{flag}={text}" for text in _texts(name, option, value, _base_of(name, value, given, root))]
    return words


def _base_of(name: str, value: Any, given: Mapping[str, Any], root: Path) -> Path:
    """Return the folder of a relative path; a script's may be the code folder, as on the command line."""
    folder = root / given["source_dir"] if name == "entry" and "source_dir" in given else root
    return folder if (folder / str(value)).exists() else root


def _texts(name: str, option: click.Option, value: Any, base: Path) -> Iterable[str]:
    if not option.multiple:
        return [_text(name, option, value, base)]
    if isinstance(value, Mapping):
        return [key if each is None else f"{key}={_plain(each)}" for key, each in value.items()]
    several = [value] if isinstance(value, str | PathLike) else value
    return [_text(name, option, each, base) for each in several]


def _text(name: str, option: click.Option, value: Any, base: Path) -> str:
    text = fspath(value) if isinstance(value, PathLike) else _plain(value)
    is_file = isinstance(option.type, click.Path) or isinstance(value, PathLike)
    return _absolute(text, base) if is_file or (name == "environment" and (base / text).exists()) else text


def _plain(value: Any) -> str:
    """Return a value as it is written in YAML; texts unchanged."""
    return value if isinstance(value, str) else json.dumps(value)


def _absolute(text: str, root: Path) -> str:
    return path.normpath(root / text)


def _model(name: str, value: Any, root: Path) -> Json:
    """Return a model to register under that name, from its path or a mapping as in a model's YAML."""
    given = dict(value) if isinstance(value, Mapping) else {"path": value}
    unknown = sorted(given.keys() - set(_MODEL_KEYS))
    if unknown or "path" not in given:
        what = f"unknown: {', '.join(unknown)}" if unknown else "path is missing"
        raise BadArgument(f"models['{name}']: {what}", hint=f"its keys are {', '.join(_MODEL_KEYS)}")
    found = root / given["path"]
    if not found.exists():
        raise BadArgument(f"models['{name}']: there is no '{found}'", target=f"model {name}")
    return given | {"name": name, "path": _absolute(fspath(given["path"]), root)}


def _with_models(request: Json, brought: Mapping[str, Json]) -> Json:
    return request | {"models": [brought.get(model, model) for model in request["models"]]} if brought else request
