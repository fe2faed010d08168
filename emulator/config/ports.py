"""Ports: those that follow the control port, free ones, and those of a home's last start."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from emulator.config.kinds import FREE_PORTS
from emulator.config.settings import SETTINGS, Settings, default_of, shown
from emulator.errors import BadArgument, EmulatorError

PORTS_FILE = "ports.json"
_PORT_SETTINGS = ("port", "gateway_port", "endpoint_ports")
_LAST_START = "the home's last start"
_FIRST_BLOCK = 20080
_LAST_PORT = 65535
# As far from the control port as the defaults are: 18080, 18081, 18100-18199.
_GATEWAY_OFFSET = 1
_ENDPOINT_OFFSETS = range(20, 120)


def remembered_ports(home: Path) -> Mapping[str, Any]:
    """Return the ports of a home's last start, by setting; {} where there are none, or they cannot be read."""
    found: dict[str, Any] = {}
    with suppress(OSError, ValueError, RecursionError, AttributeError, TypeError, EmulatorError):
        kept = json.loads((home / PORTS_FILE).read_text(encoding="utf-8"))
        found = {name: SETTINGS[name].kind.parse(kept[name], home) for name in _PORT_SETTINGS if name in kept}
    return found if set(found) == set(_PORT_SETTINGS) else {}


def ports_to_remember(settings: Settings) -> dict[str, Any]:
    """Return what a home remembers of its ports."""
    return {name: SETTINGS[name].kind.to_json(getattr(settings, name)) for name in _PORT_SETTINGS}


def with_default_ports(settings: Settings, remembered: Mapping[str, Any]) -> Settings:
    """Fill in the ports that were not set: those of the home's last start, else those that follow the control port.

    >>> with_default_ports(Settings(Path("/h"), port=19000, origins={"port": "--port"}), {}).endpoint_ports
    range(19020, 19120)
    """
    asked = settings.origins
    if "port" not in asked and remembered:
        settings = replace(settings, port=remembered["port"])
    own = remembered if remembered.get("port") == settings.port else _ports_following(settings.port)
    ports = {name: own[name] for name in _PORT_SETTINGS if name not in asked}
    return replace(settings, **ports)


def origin_of(name: str, settings: Settings) -> str:
    """Return where a setting was set, in words."""
    if name in settings.origins:
        return settings.origins[name]
    if name not in _PORT_SETTINGS or shown(name, settings) == default_of(name):
        return "default"
    if "port" in settings.origins and getattr(settings, name) == _ports_following(settings.port)[name]:
        return "follows port"
    return _LAST_START


def _ports_following(port: int) -> dict[str, Any]:
    if port == 0:
        return {"port": 0, "gateway_port": 0, "endpoint_ports": FREE_PORTS}
    offsets = _ENDPOINT_OFFSETS
    if port + offsets[-1] > _LAST_PORT:  # no room above
        return {"port": port, "gateway_port": port - _GATEWAY_OFFSET,
                "endpoint_ports": range(port - offsets[-1], port - offsets[0] + 1)}  # fmt: skip
    return {"port": port, "gateway_port": port + _GATEWAY_OFFSET,
            "endpoint_ports": range(port + offsets[0], port + offsets[-1] + 1)}  # fmt: skip


def with_free_ports(
    settings: Settings, is_free: Callable[[int], bool], draw: Callable[[int], int] = lambda _count: 0
) -> Settings:
    """Replace ports of 0 by free ones: those of the home's last start where they are free, else others.

    `draw` chooses the block of ports, of so many, with which the search begins.  Raises BadArgument when none is free.
    """
    if 0 not in (settings.port, settings.gateway_port) and settings.endpoint_ports != FREE_PORTS:
        return settings
    before = remembered_ports(settings.home)
    if not before or not (is_free(before["port"]) and is_free(before["gateway_port"])):
        before = _free_block(is_free, draw)
    return replace(
        settings,
        port=settings.port or before["port"],
        gateway_port=settings.gateway_port or before["gateway_port"],
        endpoint_ports=before["endpoint_ports"] if settings.endpoint_ports == FREE_PORTS else settings.endpoint_ports,
    )


def _free_block(is_free: Callable[[int], bool], draw: Callable[[int], int]) -> dict[str, Any]:
    """Find free ports below those that the system gives to outgoing connections.

    Of the endpoints' ports none is tried: an endpoint skips one that is taken.
    """
    size = _ENDPOINT_OFFSETS.stop
    blocks = range(_FIRST_BLOCK, 32768 - size, size)
    first = draw(len(blocks))
    for number in range(len(blocks)):
        port = blocks[(first + number) % len(blocks)]
        if is_free(port) and is_free(port + _GATEWAY_OFFSET):
            return _ports_following(port)
    raise BadArgument(f"no port from {blocks.start} to {blocks.stop} is free", hint="AMLEMU_PORT names one")
