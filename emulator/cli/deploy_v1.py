"""`deploy` from Azure ML v1's files, overridden by options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.azure_files.v1.deployment_config import DeploymentConfigFile, read_deployment_config
from emulator.azure_files.v1.inference_config import InferenceConfigFile, read_inference_config
from emulator.cli.deploy_flags import read_options
from emulator.cli.files import read_text
from emulator.difference import Difference, differs
from emulator.documents.yaml_document import parse_yaml_or_json
from emulator.entities import Environment
from emulator.errors import BadArgument, ErrorCollector


@dataclass
class _Paths:
    """Finds the files that an inferenceconfig.json names.

    `az ml` v1 looked for them in the working folder.  One that is not there is looked for beside the file, which is a
    difference.
    """

    file: Path
    differences: list[Difference] = field(default_factory=list)

    def find(self, name: str) -> Path:
        here, beside = Path(name), self.file.parent / name
        if here.exists() or not beside.exists():
            return here
        text = f"'{name}' is the one beside {self.file.name}: `az ml` looks in the working folder"
        self.differences.append(differs("v1.file_beside", text))
        return beside

    def read(self, name: str) -> str:
        return read_text(self.find(name))


def read_v1_options(options: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Return the endpoint's name and the request of v1's files and the options; options override files.

    Raises BadDocument with every fault of both files, BadArgument and usage errors for the options.
    """
    _refuse_paths(options["models"])
    parts: dict[str, Any] = {}
    differences: list[Difference] = []
    errors = ErrorCollector()
    if options["deployment_config"]:
        config = errors.check(lambda: _deployment_config(options["deployment_config"]))
        if config:
            parts |= config.parts
            differences += config.differences
    if options["inference_config"]:
        paths = _Paths(options["inference_config"])
        script = errors.check(lambda: _inference_config(paths))
        if script and not errors.has_errors:
            differences += script.differences
            parts |= _environment_parts(script.environment, options["environment"], differences)
            options = {**options, **_script_options(script, options, paths)}
        differences += paths.differences
    errors.raise_found()
    endpoint, request = read_options(options, environ)
    return endpoint, _over(request, parts | {"differences": [each.to_document() for each in differences]})


def _deployment_config(file: Path) -> DeploymentConfigFile:
    return read_deployment_config(parse_yaml_or_json(read_text(file), file.name))


def _inference_config(paths: _Paths) -> InferenceConfigFile:
    return read_inference_config(parse_yaml_or_json(read_text(paths.file), paths.file.name), paths.read)


def _script_options(found: InferenceConfigFile, options: Mapping[str, Any], paths: _Paths) -> dict[str, Any]:
    """Return `entry` and `source_dir` for `read_options`; the SDK follows links before it takes the base name."""
    folder, script = options["source_dir"], options["entry"]
    if folder is None and script is None and found.source_directory is not None:
        folder = Path(os.path.realpath(paths.find(found.source_directory)))
    if script is None:
        script = Path(found.entry_script) if folder is not None else paths.find(found.entry_script)
    return {"source_dir": folder, "entry": script}


def _environment_parts(
    found: Environment | str | None, option: str | None, differences: list[Difference]
) -> dict[str, Any]:
    """Return the environment's part of the request.

    Its variables are the container's too, and override the platform's there (row container.user_variables_win).
    """
    if found is None or option is not None:
        if found is not None:
            text = "--environment overrides the environment of the file: `az ml` takes that of the file"
            differences.append(differs("v1.environment_option", text))
        return {}
    if isinstance(found, str):
        return {"environment": found}
    document = found.revealed_document(exclude_unset=True)
    return {"environment": document, "environment_variables": document.get("variables", {})}


def _over(request: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the parts of the files with the request of the options, which override them."""
    merged = {**parts}
    for key, value in request.items():
        if isinstance(value, dict) and isinstance(parts.get(key), dict) and key != "environment":
            merged[key] = {**parts[key], **value}
        elif key not in parts or value not in (None, [], {}):
            merged[key] = value
    return merged


def _refuse_paths(models: tuple[str, ...]) -> None:
    for text in models:
        if "/" in text and Path(text).exists():
            raise BadArgument(
                f"'{text}' is a path: only LocalWebservice takes one, as version 0 of a model; aci and aks do not",
                target=f"model {text}",
                hint="amlemu model register --name NAME --path PATH, then --model NAME:VERSION",
            )
