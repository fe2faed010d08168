"""The deployments of an export with the names that they, their models and environments have in the folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from emulator.entities import OnlineDeployment
from emulator.exports.environment_file import ExportedEnvironment, curated_reference, exported_environment
from emulator.exports.migration import Kind
from emulator.exports.result import DeploymentCopy, ModelCopy, cloud_name, file_stems
from emulator.exports.several_models import FOLDER, combined_version, script_beside
from emulator.exports.source import DeploymentSource, EndpointSource


@dataclass(frozen=True)
class ExportedModel:
    """The model of a deployment: its document, its file ('' for one without a name), and the copies of its files."""

    document: Mapping[str, Any]
    copies: tuple[ModelCopy, ...]
    file: str = ""
    is_combined: bool = False


@dataclass(frozen=True)
class Part:
    """A deployment in the exported folder; paths are relative to it, '' for a part that it lacks.

    `environment_reference` names a curated environment, which has no file.  `own_script` is the user's script below
    the code folder, `script` the entry script: another one where a script is added before the user's.
    """

    source: DeploymentSource
    name: str
    file: str
    code_folder: str
    own_script: str
    script: str
    model: ExportedModel | None
    environment: ExportedEnvironment | None
    environment_folder: str
    environment_file: str
    environment_reference: str

    @property
    def deployment(self) -> OnlineDeployment:
        """The deployment as it is stored."""
        return self.source.deployment


def exported_parts(source: EndpointSource, kind: Kind) -> tuple[Part, ...]:
    """The deployments, in their order."""
    endpoint = cloud_name(source.endpoint.name)
    references = [_reference(one, kind) for one in source.deployments]
    environments = [
        None if ref else _environment(one, endpoint) for one, ref in zip(source.deployments, references, strict=True)
    ]
    environment_stems = file_stems((e.name, e.version) for e in environments if e)
    model_stems = file_stems(_model_id(one, endpoint) for one in source.deployments if one.models)
    found = []
    for one, environment, reference in zip(source.deployments, environments, references, strict=True):
        model = _model(one, endpoint, model_stems[_model_id(one, endpoint)]) if one.models else None
        stem = environment_stems[environment.name, environment.version] if environment else ""
        name, script = cloud_name(one.name), _own_script(one.deployment)
        before = script_beside(script, one.code_files) if script and model and model.is_combined else script
        found.append(
            Part(
                source=one,
                name=name,
                file=f"{name}-deployment.yml",
                code_folder=f"code/{name}/{_folder_name(one.deployment)}" if script else "",
                own_script=script,
                script=before,
                model=model,
                environment=environment,
                environment_folder=f"environments/{stem}" if environment else "",
                environment_file=f"environment-{stem}.yml" if environment else "",
                environment_reference=reference,
            )
        )
    return tuple(found)


def context_copies(parts: tuple[Part, ...]) -> tuple[DeploymentCopy, ...]:
    """Return the build contexts, each once."""
    built = {p.environment_folder: p for p in parts if p.environment and p.environment.is_built}
    return tuple(DeploymentCopy(part.source.name, f"{folder}/context") for folder, part in built.items())


def _environment(source: DeploymentSource, endpoint: str) -> ExportedEnvironment | None:
    """The environment, None where the cloud makes it from an MLflow or Triton model without a script."""
    environment, deployment = source.environment, source.deployment
    is_made = environment.is_anonymous and any(model.type != "custom_model" for model in source.models)
    if deployment.code_configuration is None and environment.inference_config is None and is_made:
        return None
    return exported_environment(
        environment, endpoint, is_registered=source.environment_is_registered, has_values=source.has_values
    )


def _reference(source: DeploymentSource, kind: Kind) -> str:
    """The reference to a curated environment, '' for Kubernetes, which takes none (row registry.other_registries)."""
    if kind == "kubernetes":
        return ""
    return curated_reference(source.environment, is_registered=source.environment_is_registered)


def _own_script(deployment: OnlineDeployment) -> str:
    """The entry script below the code folder; a script that was deployed without its folder is alone there."""
    return deployment.code_configuration.scoring_script if deployment.code_configuration else ""


def _folder_name(deployment: OnlineDeployment) -> str:
    code = deployment.code_configuration.code if deployment.code_configuration else ""
    return PurePosixPath(code.replace("\\", "/")).name or "code"


def _model_id(source: DeploymentSource, endpoint: str) -> tuple[str, str]:
    """The model's name and version in the cloud."""
    if len(source.models) == 1:
        return source.models[0].name, source.models[0].version
    return f"{endpoint}-{cloud_name(source.name)}-models", combined_version(source.models)


def _model(source: DeploymentSource, endpoint: str, stem: str) -> ExportedModel:
    name, version = _model_id(source, endpoint)
    folder = f"models/{stem}" if len(stem) < 64 else f"models/{stem[:12]}"
    if len(source.models) > 1:
        copies = tuple(ModelCopy(m.name, m.version, f"{folder}/{FOLDER}/{m.name}/{m.version}") for m in source.models)
        told = "Models of one deployment: " + ", ".join(model.id for model in source.models)
        document = {"name": name, "version": version, "type": "custom_model", "path": f"{folder}/{FOLDER}"}
        return ExportedModel(document | {"description": told}, copies, f"model-{stem}.yml", is_combined=True)
    (model,) = source.models
    more = model.model_dump(include={"description", "tags", "properties"})
    own = {"type": model.type, "path": f"{folder}/{model.path}", **more}
    copies = (ModelCopy(name, version, folder),)
    if model.anonymous:
        return ExportedModel(own, copies)
    return ExportedModel({"name": name, "version": version, **own}, copies, f"model-{stem}.yml")
