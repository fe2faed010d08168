"""From an environment file to the specification of an image."""

from emulator.environments.image_spec import ENVIRONMENT_FOLDER, LAUNCHER, ImageSpec, image_spec
from emulator.environments.mlflow import MLFLOW_FOLDER, MLFLOW_SCRIPT, check_mlflow_model, mlflow_environment
from emulator.environments.read import DEFAULT_ENVIRONMENT, FILE_NAMES, file_beside, read_environment
from emulator.environments.requirements import ReadText

__all__ = [
    "DEFAULT_ENVIRONMENT",
    "ENVIRONMENT_FOLDER",
    "FILE_NAMES",
    "LAUNCHER",
    "MLFLOW_FOLDER",
    "MLFLOW_SCRIPT",
    "ImageSpec",
    "ReadText",
    "check_mlflow_model",
    "file_beside",
    "image_spec",
    "mlflow_environment",
    "read_environment",
]
