"""From an environment file to the specification of an image."""

from emulator.environments.conda_channels import channel_urls
from emulator.environments.conda_pypi import from_pypi
from emulator.environments.image_spec import ENVIRONMENT_FOLDER, LAUNCHER, CondaPackages, ImageSpec, image_spec
from emulator.environments.read import DEFAULT_ENVIRONMENT, FILE_NAMES, file_beside, read_environment
from emulator.environments.requirements import ReadText

__all__ = [
    "DEFAULT_ENVIRONMENT",
    "ENVIRONMENT_FOLDER",
    "FILE_NAMES",
    "LAUNCHER",
    "CondaPackages",
    "ImageSpec",
    "ReadText",
    "channel_urls",
    "file_beside",
    "from_pypi",
    "image_spec",
    "read_environment",
]
