"""Settings: flags over AMLEMU_* variables over amlemu.toml over the user's file over defaults, in one place.

What replaces assumed facts of the parity table, `[assumed.TARGET]`, is taken together from all of them, row by row;
what stands in for curated environments, `[curated_environments.NAME]`, likewise, name by name.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.config.login import config_folder, read_login
from emulator.config.ports import remembered_ports, with_default_ports
from emulator.config.settings import LOGIN, NO_FILE, PROJECT_FILE_VARIABLE, SETTINGS, VARIABLES, Settings
from emulator.config.tables import TABLES, Origin, TableValue, line_of
from emulator.config.unknown_variables import check_variables
from emulator.errors import BadArgument, BadDocument, Fault, did_you_mean, fault_count

PROJECT_FILE = "amlemu.toml"


@dataclass
class _Asked:
    """What files, variables and flags ask for, and where; each call of `take` overrides those before it."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def take(self, name: str, value: Any, origin: str) -> None:
        """Set a setting; a table is merged over what it holds so far."""
        self.origins[name] = origin
        self.values[name] = TABLES[name].merge(self.values.get(name, {}), value) if name in TABLES else value


def read_settings(environ: Mapping[str, str], folder: Path, flags: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings for a command run in `folder`.

    `flags` holds values of the command line by setting, None for those not given.  Raises BadArgument or BadDocument
    that says which setting is wrong and where, also for a variable whose name is nearly one of ours.
    """
    check_variables(environ)
    asked = _Asked()
    for file in _files(environ, folder):
        _take_file(asked, file, environ)
    for name in TABLES:
        if table := _table_of_variable(name, environ):
            asked.take(name, table, VARIABLES[name])
    given = {name: (variable, environ[variable]) for name, variable in VARIABLES.items() if environ.get(variable)}
    given |= {name: (f"--{name.replace('_', '-')}", v) for name, v in (flags or {}).items() if v is not None}
    for name, (where, value) in given.items():
        if name in TABLES:
            continue
        try:
            asked.take(name, SETTINGS[name].kind.parse(value, folder), where)
        except BadArgument as error:
            raise BadArgument(f"{where}: {error.message}") from error
    for name, text in _of_login(environ, asked.values).items():
        asked.take(name, text, asked.origins.get(name, "") or LOGIN)
    # Resolved, because an emulator is recognised by its home however that is spelled.
    home = (asked.values.pop("home", None) or _default_home(environ)).resolve()
    settings = Settings(home=home, origins=asked.origins, **asked.values)
    return with_default_ports(settings, remembered_ports(home))


def _take_file(asked: _Asked, file: Path, environ: Mapping[str, str]) -> None:
    of_file = _read_file(file)
    if "token" in of_file and file.parent != config_folder(environ):
        where = f"{file}:{line_of('token', file.read_text(encoding='utf-8'))}"
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
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, value in data.items():
        if name in TABLES:
            values[name] = value
            faults += TABLES[name].faults(value, Origin(str(file), text))
            continue
        try:
            values[name] = _parse(name, value, file.parent)
        except BadArgument as error:
            faults.append(Fault(error.message, f"{file}:{line_of(name, text)}", name))
    _refuse(str(file), faults)
    return values


def _parse(name: str, value: Any, folder: Path) -> Any:
    """Return a setting's value; BadArgument for a name that is not a setting's."""
    if name not in SETTINGS:
        near = did_you_mean(name, SETTINGS)
        known = f", {near}" if near else f"; known: {', '.join(SETTINGS)}"
        raise BadArgument(f"unknown setting '{name}'{known}")
    return SETTINGS[name].kind.parse(value, folder)


def _refuse(where: str, faults: list[Fault]) -> None:
    if faults:
        raise BadDocument(f"{where} has {fault_count(faults)}", faults=faults)


def _table_of_variable(name: str, environ: Mapping[str, str]) -> TableValue:
    """Read a table from its variable, which holds JSON; {} where it is not set."""
    variable = VARIABLES[name]
    text = environ.get(variable, "")
    if not text:
        return {}
    try:
        value: TableValue = json.loads(text)
    except RecursionError as error:
        raise BadDocument(f"{variable} is nested too deeply") from error
    except ValueError as error:
        raise BadDocument(f"{variable} is not valid JSON", faults=[Fault(str(error), variable)]) from error
    _refuse(variable, TABLES[name].faults(value, Origin(variable)))
    return value
