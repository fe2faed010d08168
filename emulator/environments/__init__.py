"""From an environment file to the specification of an image."""

from emulator.environments.base_images import BaseImages, ImageChoices
from emulator.environments.image_spec import ENVIRONMENT_FOLDER, LAUNCHER, ImageSpec, image_spec
from emulator.environments.override_config import read_override_config
from emulator.environments.own_image import ContextContent, ContextSpec, OwnImageSpec
from emulator.environments.prebuilt import prebuilt_stand_in
from emulator.environments.read import DEFAULT_ENVIRONMENT, FILE_NAMES, file_beside, read_environment
from emulator.environments.requirements import ReadText
from emulator.environments.variants import AnyImageSpec, any_image_spec

__all__ = [
    "DEFAULT_ENVIRONMENT",
    "ENVIRONMENT_FOLDER",
    "FILE_NAMES",
    "LAUNCHER",
    "AnyImageSpec",
    "BaseImages",
    "ContextContent",
    "ContextSpec",
    "ImageChoices",
    "ImageSpec",
    "OwnImageSpec",
    "ReadText",
    "any_image_spec",
    "file_beside",
    "image_spec",
    "prebuilt_stand_in",
    "read_environment",
    "read_override_config",
]
