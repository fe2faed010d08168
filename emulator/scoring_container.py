"""A deployment, its models and its image turned into what a container engine starts.

Sources: contract/managed §6.1 and §6.2 for `managed` and `kubernetes`, contract/v1 §1.1, §2.1, §7 and §8 for `aks`,
`aci` and `local`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

APP_ROOT = "/var/azureml-app"
MODELS_FOLDER = "azureml-models"
SCORING_PORT = 5001

LABEL_WORKSPACE = "amlemu.workspace"
LABEL_ENDPOINT = "amlemu.endpoint"
LABEL_DEPLOYMENT = "amlemu.deployment"
LABEL_GENERATION = "amlemu.generation"
LABEL_INSTANCE = "amlemu.instance"


@dataclass(frozen=True)
class ContainerSpec:
    """One scoring container, the same for every engine.

    `layout` is the host folder that the container sees, read-only, at /var/azureml-app; `working_dir` is absolute
    inside.  `environment_variables` may hold secrets: engines neither print nor label them.  `image` is the digest of
    an ImageSpec.  `memory_bytes`, `cpus` and `pids_limit` None mean the engine's default.
    """

    name: str
    image: str
    layout: str
    working_dir: str
    environment_variables: Mapping[str, str] = field(repr=False)
    labels: Mapping[str, str]
    port: int = SCORING_PORT
    debug_port: int | None = None
    memory_bytes: int | None = None
    cpus: float | None = None
    pids_limit: int | None = None
    gpus: str | None = None
