"""Settings: what an emulator and its commands are told, where it was said, and whether it is in force."""

from emulator.config.in_force import not_in_force, shown_settings
from emulator.config.load import PROJECT_FILE, read_settings
from emulator.config.ports import PORTS_FILE, chosen_ports, origin_of, ports_to_remember
from emulator.config.settings import (
    SETTINGS,
    VARIABLES,
    Settings,
    help_of,
    of_this_machine,
    shown,
    variables_of,
)
from emulator.config.unknown_variables import unknown_variables

__all__ = [
    "PORTS_FILE",
    "PROJECT_FILE",
    "SETTINGS",
    "VARIABLES",
    "Settings",
    "chosen_ports",
    "help_of",
    "not_in_force",
    "of_this_machine",
    "origin_of",
    "ports_to_remember",
    "read_settings",
    "shown",
    "shown_settings",
    "unknown_variables",
    "variables_of",
]
