"""What the package and the settings decide for a workspace."""

from __future__ import annotations

from dataclasses import dataclass, field

from emulator.environments import CURATED, CuratedEnvironment, ImageChoices
from emulator.routing.tokens import AadTrust
from emulator.workspace.assets.conda_sources import CondaSources


@dataclass(frozen=True)
class Choices:
    """The program that starts scoring servers and the script of MLflow models, whose aad_tokens are good, the curated
    environments, what stands for images, where conda packages come from, the token of the admin ('' where nobody is),
    and how much a client may send at a time."""

    launcher: str
    mlflow_script: str = ""
    aad_trust: AadTrust = field(default_factory=AadTrust)
    curated: tuple[CuratedEnvironment, ...] = CURATED
    images: ImageChoices = field(default_factory=ImageChoices)
    conda: CondaSources = field(default_factory=CondaSources)
    admin_token: str = field(default="", repr=False)
    max_upload_bytes: int = field(kw_only=True)
