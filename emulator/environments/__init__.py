"""From an environment file to the specification of an image."""

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
    "DEFAULT_ENVIRONMENT",
    "ENVIRONMENT_FOLDER",
    "FILE_NAMES",
    "LAUNCHER",
    "ImageSpec",
    "ReadText",
    "file_beside",
    "image_spec",
    "read_environment",
    "read_environment_part",
]
