"""What the package and the settings decide for a workspace."""

from __future__ import annotations

from dataclasses import dataclass, field

from emulator.environments import CURATED, CuratedEnvironment, ImageChoices
from emulator.tokens import AadTrust


@dataclass(frozen=True)
class Choices:
    """The program that starts scoring servers and the script of MLflow models, whose aad_tokens are good, the curated
    environments, and what stands for images."""

    launcher: str
    mlflow_script: str = ""
    aad_trust: AadTrust = field(default_factory=AadTrust)
    curated: tuple[CuratedEnvironment, ...] = CURATED
    images: ImageChoices = field(default_factory=ImageChoices)
