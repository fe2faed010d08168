"""The rows of models without a script, resolved for one target."""

from __future__ import annotations

from dataclasses import dataclass, field

from emulator.profiles.facts import read_from as _row


@dataclass(frozen=True)
class MlflowProfile:
    """What a target's cloud takes of MLflow models, and sets for them; templates as in `table.mlflow`."""

    no_code: bool = field(metadata=_row("mlflow.no_code"))
    script_needs_environment: bool = field(metadata=_row("mlflow.script_needs_environment"))
    base_packages: tuple[str, ...] = field(metadata=_row("mlflow.environment"))
    model_folder_template: str = field(metadata=_row("mlflow.model_folder"))
    extra_conda_yaml_template: str | None = field(metadata=_row("mlflow.extra_conda_yaml"))

    def variables(self, model_dir: str, folder: str) -> dict[str, str]:
        """MLFLOW_MODEL_FOLDER and AZUREML_EXTRA_CONDA_YAML_ABS_PATH, as far as the target sets them."""
        templates = {
            "MLFLOW_MODEL_FOLDER": self.model_folder_template,
            "AZUREML_EXTRA_CONDA_YAML_ABS_PATH": self.extra_conda_yaml_template,
        }
        known = {"model_dir": model_dir, "folder": folder}
        return {name: value.format(**known) for name, value in templates.items() if value is not None}
