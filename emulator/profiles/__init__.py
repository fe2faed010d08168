"""How each target behaves: the parity table, every fact with its source, and the profiles resolved from it."""

from emulator.profiles.profile import ContainerProfile, ProbeProfile, Profile, profile_of, row_of_field, rows
from emulator.profiles.rows import UNCHANGED, Answer, Certainty, Fact, Row

__all__ = [
    "UNCHANGED",
    "Answer",
    "Certainty",
    "ContainerProfile",
    "Fact",
    "ProbeProfile",
    "Profile",
    "Row",
    "profile_of",
    "row_of_field",
    "rows",
]
