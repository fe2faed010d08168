"""Settings: flags over AMLEMU_* variables over amlemu.toml over the user's file over defaults, in one place.

What replaces assumed facts of the parity table, `[assumed.TARGET]`, is taken together from all of them, row by row;
what stands in for curated environments, `[curated_environments.NAME]`, likewise, name by name.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.config.conversion import convert
from emulator.config.login import config_folder, read_login
from emulator.config.ports import following_ports, remembered_ports
from emulator.config.settings import (
    LOGIN,
    NO_FILE,
    PROJECT_FILE_VARIABLE,
    TABLES,
    VARIABLES,
    Settings,
)
from emulator.config.unknown_variables import check_variables
from emulator.errors import BadArgument, BadDocument, Fault

if TYPE_CHECKING:
    from emulator.environments import CuratedMisfit
    from emulator.profiles import Misfit

PROJECT_FILE = "amlemu.toml"
CURATED_TABLE = "curated_environments"

Assumed = Mapping[str, Mapping[str, Any]]
"""By target and row id, what replaces an assumed fact."""


@dataclass
class _Asked:
    """What files, variables and flags ask for, with the places where they do; the later go before the earlier."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    tables: dict[str, Assumed] = field(default_factory=lambda: {name: {} for name in TABLES})

    def take(self, name: str, value: Any, origin: str) -> None:
        """A setting, which replaces what was asked before; a table is taken together with it."""
        self.origins[name] = origin
        if name == CURATED_TABLE:
            self.tables[name] = {**self.tables[name], **value}
        elif name in TABLES:
            self.tables[name] = _together([self.tables[name], value])
        else:
            self.values[name] = value


def read_settings(environ: Mapping[str, str], folder: Path, flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings for a command run in `folder`; BadArgument or BadDocument says which one is wrong and where.

    `flags` holds values of the command line by field name, None for those not given.  A variable with a name that is
    nearly one of ours is refused too.
    """
    check_variables(environ)
    asked = _Asked()
    for file in _files(environ, folder):
        _take_file(asked, file, environ)
    for name, faults_of in (("assumed", _faults_of_assumed), (CURATED_TABLE, _faults_of_curated)):
        if given := _of_variable(TABLES[name], environ, faults_of):
            asked.take(name, given, TABLES[name])
    of_shell = {name: (variable, environ[variable]) for name, variable in VARIABLES.items() if environ.get(variable)}
    of_shell |= {name: (f"--{name.replace('_', '-')}", v) for name, v in (flags or {}).items() if v is not None}
    for name, (where, value) in of_shell.items():
        try:
            asked.take(name, convert(name, value, folder), where)
        except BadArgument as error:
            raise BadArgument(f"{where}: {error.message}") from error
    for name, value in _of_login(environ, asked.values).items():
        asked.take(name, value, asked.origins.get(name, "") or LOGIN)
    # Resolved, because an emulator is recognised by its home however that is spelled.
    home = (asked.values.pop("home", None) or _default_home(environ)).resolve()
    values: dict[str, Any] = {**asked.values, **asked.tables}
    settings = Settings(home=home, origins=asked.origins, **values)
    return following_ports(settings, remembered_ports(home))


def _take_file(asked: _Asked, file: Path, environ: Mapping[str, str]) -> None:
    of_file = _read_file(file)
    if "token" in of_file and file.parent != config_folder(environ):
        where = f"{file}:{_line_of('token', file.read_text(encoding='utf-8'))}"
        message = "a project's file is for everybody to read: set AMLEMU_TOKEN, or `amlemu login`"
        raise BadDocument(f"{file} has a token", faults=[Fault(message, where, "token")])
    for name, value in of_file.items():
        asked.take(name, value, str(file))


def _of_login(environ: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    """What `amlemu login` chose, unless another emulator is named; its token goes nowhere else."""
    login = None if environ.get("AMLEMU_HOME") else read_login(environ)
    if login is None or values.get("url", login.url).rstrip("/") != login.url:
        return {}
    return {"url": login.url, "token": values.get("token") or login.token}


def _files(environ: Mapping[str, str], folder: Path) -> list[Path]:
    """The user's file, then the project's, found upward from `folder` unless a variable names it."""
    found = [path for path in (config_folder(environ) / PROJECT_FILE,) if path.is_file()]
    if named := environ.get(PROJECT_FILE_VARIABLE, ""):
        return found if named == NO_FILE else [*found, folder / Path(named).expanduser()]
    project = next((up / PROJECT_FILE for up in (folder, *folder.parents) if (up / PROJECT_FILE).is_file()), None)
    return [*found, project] if project else found


def _default_home(environ: Mapping[str, str]) -> Path:
    from platformdirs import user_data_path

    return Path(environ["XDG_DATA_HOME"], "amlemu") if environ.get("XDG_DATA_HOME") else user_data_path("amlemu", False)


def _read_file(file: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        text = file.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise BadDocument(f"{file} cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise BadDocument(f"{file} is nested too deeply") from error
    except ValueError as error:  # no TOML, no text, a number of too many digits, a date that is none
        line = re.search(r"at line (\d+)", str(error))
        where = f"{file}:{line[1]}" if line else str(file)
        raise BadDocument(f"{file} is not valid TOML", faults=[Fault(str(error), where)]) from error
    values, faults = {}, []
    for name, value in data.items():
        if name == "assumed":
            values[name] = value
            faults += _faults_of_assumed(value, lambda misfit: f"{file}:{_line_of_override(misfit, text)}")
            continue
        if name == CURATED_TABLE:
            values[name] = value
            faults += _faults_of_curated(value, lambda misfit: f"{file}:{_line_of_curated(misfit, text)}")
            continue
        try:
            values[name] = convert(name, value, file.parent)
        except BadArgument as error:
            faults.append(Fault(error.message, f"{file}:{_line_of(name, text)}", name))
    _refuse(str(file), faults)
    return values


def _refuse(where: str, faults: list[Fault]) -> None:
    if faults:
        count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise BadDocument(f"{where} has {count}", faults=faults)


def _of_variable(
    name: str, environ: Mapping[str, str], faults_of: Callable[[Any, Callable[[Any], str]], list[Fault]]
) -> Mapping[str, Mapping[str, Any]]:
    """What a variable with JSON says."""
    text = environ.get(name, "")
    if not text:
        return {}
    try:
        given = json.loads(text)
    except RecursionError as error:
        raise BadDocument(f"{name} is nested too deeply") from error
    except ValueError as error:
        raise BadDocument(f"{name} is not valid JSON", faults=[Fault(str(error), name)]) from error
    _refuse(name, faults_of(given, lambda _: name))
    found: Mapping[str, Mapping[str, Any]] = given
    return found


def _faults_of_assumed(given: Any, where: Callable[[Misfit], str]) -> list[Fault]:
    from emulator.profiles import read_overrides  # the table is large, and most settings have nothing of it

    return [Fault(misfit.message, where(misfit), misfit.field) for misfit in read_overrides(given)[1]]


def _faults_of_curated(given: Any, where: Callable[[CuratedMisfit], str]) -> list[Fault]:
    from emulator.environments import read_curated  # as the table of assumed facts

    return [Fault(misfit.message, where(misfit), f"{CURATED_TABLE}{misfit.path}") for misfit in read_curated(given)[1]]


def _line_of_curated(misfit: CuratedMisfit, text: str) -> int:
    """The 1-based line where the field stands in its environment's table, else where that begins."""
    name = re.escape(misfit.name)
    header = re.search(rf"^\s*\[\s*{CURATED_TABLE}\s*\.\s*(\"{name}\"|'{name}'|{name})\s*[\].]", text, re.MULTILINE)
    start = header.end() if header else 0
    table = text[start:].partition("\n[")[0] if header else text
    wanted = re.escape(misfit.field if header else misfit.name)
    key = re.search(rf"^\s*[\"']?{wanted}[\"']?\s*=", table, re.MULTILINE) if wanted else None
    end = start + key.end() if key else start
    return text.count("\n", 0, end) + 1 if end else _line_of(CURATED_TABLE, text)


def _together(several: Iterable[Assumed]) -> Assumed:
    """All of them, row by row; the last one that names a row has it."""
    found: dict[str, Mapping[str, Any]] = {}
    for assumed in several:
        for target, rows in assumed.items():
            found[target] = {**found.get(target, {}), **rows}
    return found


def _line_of_override(misfit: Misfit, text: str) -> int:
    """The 1-based line where the row's value stands in its target's table, else where the table or `assumed` begins."""
    header = re.search(rf"^\s*\[\s*assumed\s*\.\s*[\"']?{re.escape(misfit.target)}[\"']?\s*\]", text, re.MULTILINE)
    start = header.end() if header else 0
    key = re.search(rf"[\"']?{re.escape(misfit.row_id)}[\"']?\s*=", text[start:]) if misfit.row_id else None
    end = start + key.start() if key else start if header else 0
    return text.count("\n", 0, end) + 1 if end else _line_of("assumed", text)


def _line_of(name: str, text: str) -> int:
    """The 1-based line where a key or a table of that name begins."""
    found = re.search(rf"^\s*\[*\s*[\"']?{re.escape(name)}\b", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 1
