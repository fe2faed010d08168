"""From an environment file to the specification of an image."""

from emulator.environments.anonymous import anonymous_version
from emulator.environments.curated import (
    CURATED_REGISTRY,
    CuratedMisfit,
    curated_environment,
    curated_image,
    find_curated,
    read_curated,
    with_curated,
)
from emulator.environments.curated_table import CURATED, CuratedEnvironment
from emulator.environments.image_spec import ENVIRONMENT_FOLDER, LAUNCHER, ImageSpec, image_spec
from emulator.environments.read import (
    DEFAULT_ENVIRONMENT,
    FILE_NAMES,
    file_beside,
    read_environment,
    read_environment_part,
)
from emulator.environments.requirements import ReadText

__all__ = [
    "CURATED",
    "CURATED_REGISTRY",
    "DEFAULT_ENVIRONMENT",
    "ENVIRONMENT_FOLDER",
    "FILE_NAMES",
    "LAUNCHER",
    "CuratedEnvironment",
    "CuratedMisfit",
    "ImageSpec",
    "ReadText",
    "anonymous_version",
    "curated_environment",
    "curated_image",
    "file_beside",
    "find_curated",
    "image_spec",
    "read_curated",
    "read_environment",
    "read_environment_part",
    "with_curated",
]
