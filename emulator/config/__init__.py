"""Settings of an emulator and its commands: their values, where each was set, and whether it is in force."""

from emulator.config.load import PROJECT_FILE, read_settings
from emulator.config.ports import PORTS_FILE, origin_of, ports_to_remember, with_free_ports
from emulator.config.settings import (
    SETTINGS,
    VARIABLES,
    Settings,
    for_this_machine,
    help_of,
    not_in_force,
    shown,
    shown_settings,
    to_environ,
)
from emulator.config.unknown_variables import unknown_variables

__all__ = [
    "PORTS_FILE",
    "PROJECT_FILE",
    "SETTINGS",
    "VARIABLES",
    "Settings",
    "for_this_machine",
    "help_of",
    "not_in_force",
    "origin_of",
    "ports_to_remember",
    "read_settings",
    "shown",
    "shown_settings",
    "to_environ",
    "unknown_variables",
    "with_free_ports",
]
