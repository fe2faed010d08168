"""Settings of an emulator and its commands: each declared once, with all that is derived from its declaration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from emulator.config.kinds import (
    BYTE_COUNT,
    CHANNEL_URLS,
    DISK,
    FOLDER,
    IMAGE_NAMES,
    KEY_FILE,
    MEMORY,
    NETWORK,
    PIDS,
    PLATFORM,
    PORT,
    PORT_RANGE,
    SECRET,
    TABLE,
    TEXT,
    WHOLE_NUMBER,
    Kind,
    choice,
)
from emulator.secret import masked_values

_EVERYWHERE = ("0.0.0.0", "::", "localhost")  # noqa: S104 - names of addresses, nothing is opened

Scope = Literal["emulator", "machine", "command"]


@dataclass(frozen=True)
class Setting:
    """The declaration of one setting.

    `scope` says what a running emulator can tell about it: `emulator` settings are compared with those that are in
    force, `machine` settings too unless the emulator is on another machine, and `command` settings only say how a
    command finds its emulator.  `any_value`, as JSON, asks for nothing in particular, so that any value in force
    satisfies it.  With `has_flag`, `amlemu up` has a flag of that name.
    """

    kind: Kind
    description: str
    scope: Scope = "emulator"
    any_value: Any = None
    has_flag: bool = False


@dataclass(frozen=True)
class Settings:
    """The settings of an emulator and its commands.

    `origins` holds by name where each value that was asked for is written; a setting without one has its default.
    """

    home: Annotated[Path, Setting(FOLDER, "The folder of the emulator's state.", scope="command")]
    port: Annotated[
        int,
        Setting(
            PORT,
            "The port of the control API, which the other ports follow.",
            scope="machine",
            any_value=0,
            has_flag=True,
        ),
    ] = 18080
    gateway_port: Annotated[
        int, Setting(PORT, "The port that endpoints with a path share.", scope="machine", any_value=0)
    ] = 18081
    endpoint_ports: Annotated[
        range, Setting(PORT_RANGE, "The ports that endpoints get of their own.", scope="machine", any_value="0")
    ] = range(18100, 18200)
    bind_host: Annotated[
        str, Setting(TEXT, "The address at which the control API and the endpoints listen.", scope="machine")
    ] = "127.0.0.1"
    public_host: Annotated[
        str,
        Setting(TEXT, "The host name in scoring URIs; unset, the one by which the caller reached the control API.",
                scope="machine"),
    ] = ""  # fmt: skip
    engine: Annotated[
        str,
        Setting(
            choice("auto", "docker", "process"),
            "What runs scoring containers; `auto` is Docker where it answers, else processes of this machine.",
            any_value="auto",
            has_flag=True,
        ),
    ] = "auto"
    limits: Annotated[
        str,
        Setting(choice("report", "cloud"), "Whether the cloud's quotas are enforced (`cloud`), or only reported.",
                has_flag=True),
    ] = "report"  # fmt: skip
    traffic_seed: Annotated[
        int | None, Setting(WHOLE_NUMBER, "Seeds the choice of deployments by traffic, so that it can be repeated.")
    ] = None
    url: Annotated[str, Setting(TEXT, "Another emulator, for commands to use.", scope="command")] = ""
    token: Annotated[
        str,
        Setting(SECRET, "The token that commands send, and the admin's token of an emulator; unset, the home's own.",
                scope="command"),
    ] = field(default="", repr=False)  # fmt: skip
    aad_keys: Annotated[
        Path | None,
        Setting(KEY_FILE, "The public keys that sign aad_tokens, beside the emulator's own.", scope="machine"),
    ] = None
    aad_tenant: Annotated[str, Setting(TEXT, "The tenant that aad_tokens must be of; unset, any.")] = ""
    base_images: Annotated[
        Mapping[str, str], Setting(IMAGE_NAMES, "Images, by name or pattern, and the images to use in their place.")
    ] = field(default_factory=dict)
    platform: Annotated[
        str, Setting(PLATFORM, "The platform that images are pulled and built for; unset, the engine's own.")
    ] = ""
    network: Annotated[
        str,
        Setting(NETWORK, "Docker's network that an emulator in a container shares with its scoring containers.",
                scope="machine"),
    ] = ""  # fmt: skip
    conda: Annotated[
        str,
        Setting(
            choice("auto", "channels", "pip"),
            "Where conda packages come from: their channels, or PyPI; `auto` is PyPI where the channels cannot be"
            " reached.",
        ),
    ] = "auto"
    conda_channels: Annotated[
        Mapping[str, str],
        Setting(CHANNEL_URLS, "Conda channels by name, and where each is: a URL, or a folder as file:///path."),
    ] = field(default_factory=dict, repr=False)
    max_upload_bytes: Annotated[
        int, Setting(BYTE_COUNT, "The most bytes that a client on another machine may send at a time.")
    ] = 100 << 30
    container_memory: Annotated[
        int | None,
        Setting(MEMORY, "The memory of a container whose deployment sets none; on Docker only."),
    ] = None
    container_pids: Annotated[int, Setting(PIDS, "The most processes and threads of a container.")] = 4096
    container_disk: Annotated[
        int | None,
        Setting(DISK, "The most bytes that a container may write to the disk; on the process engine only."),
    ] = None
    assumed: Annotated[
        Mapping[str, Mapping[str, Any]],
        Setting(TABLE, "By target, what replaces behaviour that nobody has documented (docs/parity.md)."),
    ] = field(default_factory=dict)
    curated_environments: Annotated[
        Mapping[str, Mapping[str, Any]],
        Setting(TABLE, "Curated environments by name, beside or in place of those that amlemu knows."),
    ] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def control_url(self) -> str:
        """Where the control API of this machine's own emulator answers."""
        host = "127.0.0.1" if self.bind_host in _EVERYWHERE else self.bind_host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def _declarations() -> dict[str, Setting]:
    annotated = get_type_hints(Settings, include_extras=True).items()
    return {name: hint.__metadata__[0] for name, hint in annotated if name != "origins"}


SETTINGS: Mapping[str, Setting] = _declarations()
"""Every setting by its name, in the order in which they are shown."""
VARIABLES: Mapping[str, str] = {name: f"AMLEMU_{name.upper()}" for name in SETTINGS}

LOGIN = "amlemu login"
"""The origin of what a login has chosen."""
PROJECT_FILE_VARIABLE = "AMLEMU_PROJECT_FILE"
NO_FILE = "none"


def default_of(name: str) -> Any:
    """Return the default as JSON; '' for none."""
    default = next(one.default for one in fields(Settings) if one.name == name)
    return "" if default is MISSING else SETTINGS[name].kind.to_json(default)


def help_of(name: str) -> str:
    """Return one sentence on what the setting means and which values it takes, for help texts and editors."""
    setting = SETTINGS[name]
    is_plain = setting.kind in (TABLE, TEXT) or "enum" in setting.kind.schema
    return setting.description if is_plain else f"{setting.description.removesuffix('.')} ({setting.kind.values})."


def shown(name: str, settings: Settings) -> Any:
    """Return a setting as JSON, credentials masked; of a secret only that it is set."""
    kind = SETTINGS[name].kind
    value = kind.to_json(getattr(settings, name))
    if kind is SECRET:
        return "(set)" if value else ""
    return masked_values(value)


def for_this_machine(settings: Settings) -> Settings:
    """Return the settings for an emulator on this machine, whichever emulator commands use.

    The token of a login belongs to another emulator: here it would become the admin's.
    """
    return replace(settings, url="", token="" if settings.origins.get("token") == LOGIN else settings.token)


def to_environ(settings: Settings) -> dict[str, str]:
    """Return the variables with which an emulator reads exactly these settings, in whatever folder it is started."""
    values = {VARIABLES[name]: setting.kind.to_json(getattr(settings, name)) for name, setting in SETTINGS.items()}
    texts = {variable: json.dumps(v) if isinstance(v, Mapping) else str(v) for variable, v in values.items()}
    return texts | {PROJECT_FILE_VARIABLE: NO_FILE}


def shown_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings that an emulator reports: JSON values, credentials masked."""
    return {name: shown(name, settings) for name, setting in SETTINGS.items() if setting.scope != "command"}


def not_in_force(settings: Settings, in_force: Mapping[str, Any]) -> list[str]:
    """Return the settings that were asked for and a running emulator does not have, one sentence each.

    `in_force` is what that emulator reports of its settings; one of an earlier version reports some only.
    """
    missing = []
    for name, origin in settings.origins.items():
        setting = SETTINGS[name]
        is_comparable = setting.scope == "emulator" or (setting.scope == "machine" and not settings.url)
        if not is_comparable or name not in in_force:
            continue
        asked = shown(name, settings)
        if asked not in (in_force[name], setting.any_value):
            missing.append(f"{name} = {_text(asked)} ({origin}), the emulator has {_text(in_force[name])}")
    return missing


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False) if value else "none"
    return "none" if value == "" else str(value)
