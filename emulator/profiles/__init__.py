"""How each target behaves: the parity table, every fact with its source, and the profiles resolved from it."""

from emulator.profiles.profile import ContainerProfile, Profile, profile_of, row_of_field, rows
from emulator.profiles.rows import UNCHANGED, Answer, Certainty, Fact, Row, StatusMapping
from emulator.profiles.scoring_profile import ScoringProfile

__all__ = [
    "UNCHANGED",
    "Answer",
    "Certainty",
    "ContainerProfile",
    "Fact",
    "Profile",
    "Row",
    "ScoringProfile",
    "StatusMapping",
    "profile_of",
    "row_of_field",
    "rows",
]
