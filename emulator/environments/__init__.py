"""From an environment file to the specification of an image."""

from emulator.environments.base_images import BaseImages, ImageChoices
from emulator.environments.conda_pypi import from_pypi
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
from emulator.environments.existing_image import BuildContextSpec, ContextContent, ExistingImageSpec
from emulator.environments.files.anonymous_version import anonymous_version
from emulator.environments.files.conda_channels import channel_urls, local_folder
from emulator.environments.files.image_keys import read_override_config
from emulator.environments.files.read import (
    DEFAULT_ENVIRONMENT,
    FILE_NAMES,
    FOLDERS_NEARBY,
    azure_environment,
    environment_from_conda,
    file_beside,
    read_environment,
    versioned_by_content,
    with_files_nearby,
)
from emulator.environments.files.requirements_file import ReadText, check_requirement
from emulator.environments.image_spec import ENVIRONMENT_FOLDER, LAUNCHER, CondaPackages, ImageSpec, image_spec
from emulator.environments.mlflow import MLFLOW_FOLDER, MLFLOW_SCRIPT, as_mlflow_environment, mlflow_environment
from emulator.environments.prebuilt import prebuilt_stand_in
from emulator.environments.select_spec import AnyImageSpec, select_spec

__all__ = [
    "CURATED",
    "CURATED_REGISTRY",
    "DEFAULT_ENVIRONMENT",
    "ENVIRONMENT_FOLDER",
    "FILE_NAMES",
    "FOLDERS_NEARBY",
    "LAUNCHER",
    "MLFLOW_FOLDER",
    "MLFLOW_SCRIPT",
    "AnyImageSpec",
    "BaseImages",
    "BuildContextSpec",
    "CondaPackages",
    "ContextContent",
    "CuratedEnvironment",
    "CuratedMisfit",
    "ExistingImageSpec",
    "ImageChoices",
    "ImageSpec",
    "ReadText",
    "anonymous_version",
    "as_mlflow_environment",
    "azure_environment",
    "channel_urls",
    "check_requirement",
    "curated_environment",
    "curated_image",
    "environment_from_conda",
    "file_beside",
    "find_curated",
    "from_pypi",
    "image_spec",
    "local_folder",
    "mlflow_environment",
    "prebuilt_stand_in",
    "read_curated",
    "read_environment",
    "read_override_config",
    "select_spec",
    "versioned_by_content",
    "with_curated",
    "with_files_nearby",
]
