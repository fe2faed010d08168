"""How each target behaves: the parity table, every fact with its source, and the profiles resolved from it."""

from emulator.profiles.collection_profile import CollectionProfile
from emulator.profiles.facts import UNCHANGED, Answer, Certainty, Fact, RoutedPaths, Row, StatusMapping
from emulator.profiles.layout import LayoutProfile
from emulator.profiles.overrides import TARGETS, Misfit, read_overrides
from emulator.profiles.parity_pages import rendered
from emulator.profiles.probe_profile import ProbeProfile
from emulator.profiles.profile import (
    PARTS,
    ContainerProfile,
    Overrides,
    Profile,
    overridden,
    profile_of,
    row_of_field,
    rows,
)
from emulator.profiles.rules import RulesProfile
from emulator.profiles.scoring_profile import ScoringProfile
from emulator.profiles.table.log import LogProfile
from emulator.profiles.table.start import StartProfile

__all__ = [
    "PARTS",
    "TARGETS",
    "UNCHANGED",
    "Answer",
    "Certainty",
    "CollectionProfile",
    "ContainerProfile",
    "Fact",
    "LayoutProfile",
    "LogProfile",
    "Misfit",
    "Overrides",
    "ProbeProfile",
    "Profile",
    "RoutedPaths",
    "Row",
    "RulesProfile",
    "ScoringProfile",
    "StartProfile",
    "StatusMapping",
    "overridden",
    "profile_of",
    "read_overrides",
    "rendered",
    "row_of_field",
    "rows",
]
