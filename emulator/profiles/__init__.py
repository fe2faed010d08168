"""How each target behaves: the parity table, every fact with its source, and the profiles resolved from it."""

from emulator.profiles.collection_profile import CollectionProfile
from emulator.profiles.document import rendered
from emulator.profiles.layout import LayoutProfile
from emulator.profiles.overrides import Misfit, read_overrides
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
from emulator.profiles.rows import UNCHANGED, Answer, Certainty, Fact, Row, StatusMapping
from emulator.profiles.rules import RulesProfile
from emulator.profiles.scoring_profile import ScoringProfile

__all__ = [
    "PARTS",
    "UNCHANGED",
    "Answer",
    "Certainty",
    "CollectionProfile",
    "ContainerProfile",
    "Fact",
    "LayoutProfile",
    "Misfit",
    "Overrides",
    "ProbeProfile",
    "Profile",
    "Row",
    "RulesProfile",
    "ScoringProfile",
    "StatusMapping",
    "overridden",
    "profile_of",
    "read_overrides",
    "rendered",
    "row_of_field",
    "rows",
]
