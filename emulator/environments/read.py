"""An environment from the file that describes it, whatever its kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from emulator.documents import Document, parse_document, refuse
from emulator.entities import Environment
from emulator.entities.model import check_version
from emulator.environments.conda import DEFAULT_PYTHON, CondaEnvironment, parse_conda
from emulator.environments.requirements import ReadText, parse_requirements
from emulator.errors import BadArgument, BadDocument, Fault
from emulator.names import check_asset_name

# The first of these that lies beside the script is its environment.
FILE_NAMES = (
    "environment.yml",
    "environment.yaml",
    "conda.yml",
    "conda.yaml",
    "conda_dependencies.yml",
    "conda_dependencies.yaml",
    "requirements.txt",
)
ANONYMOUS = "CliV2AnonymousEnvironment"  # azure-ai-ml's own name for an inline one (contract/managed §5.5)

DEFAULT_ENVIRONMENT = Environment(
    name="amlemu-default",
    python_version=DEFAULT_PYTHON,
    requirements=(
        "azureml-inference-server-http",
        "inference-schema[numpy-support,pandas-support]",
        "azureml-core",
        "azureml-contrib-services",
    ),
    source="the built-in default environment",
)
# reference-yaml-environment
_ENVIRONMENT_KEYS = ("$schema", "name", "version", "description", "tags", "image", "conda_file", "build", "os_type",
                     "inference_config")  # fmt: skip


def file_beside(names: Sequence[str]) -> str | None:
    """Which of a folder's file `names` describes its environment."""
    return next((name for name in FILE_NAMES if name in names), None)


def read_environment(text: str, file: str, read: ReadText) -> Environment:
    """The environment that `text`, the content of `file`, describes.

    A `.txt` file holds requirements; YAML with `image`, `conda_file` or `build` is an Azure ML environment, any other
    a conda file.  `read` gives the text of a file that this one names.  Raises BadDocument with every fault.
    """
    if PurePath(file).suffix == ".txt":
        requirements = parse_requirements(text, file, read)
        return Environment(name=ANONYMOUS, python_version=DEFAULT_PYTHON, requirements=requirements, source=file)
    document = parse_document(text, file)
    if document.data.keys() & {"image", "conda_file", "build", "$schema", "inference_config"}:
        return _azure_environment(document, read)
    return _from_conda(parse_conda(document), file)


def _from_conda(conda: CondaEnvironment, source: str) -> Environment:
    return Environment(
        name=conda.name or ANONYMOUS,
        python_version=conda.python_version,
        requirements=conda.requirements,
        channels=conda.channels,
        conda_dependencies=conda.dependencies,
        variables=dict(conda.variables),
        source=source,
    )


def _azure_environment(document: Document, read: ReadText) -> Environment:
    data = document.data
    faults = document.unknown_keys(_ENVIRONMENT_KEYS) + _not_yet(document) + _bad_fields(document)
    if "conda_file" not in data and "build" not in data:
        faults.append(
            document.fault(("image",), "an image alone is not an environment here: name its packages in conda_file")
        )
    refuse(document, faults)
    base = _from_conda(_conda_of(document, read), document.file)
    return base.model_copy(
        update={
            "name": str(data.get("name") or ANONYMOUS),
            "version": str(data.get("version") or "1"),
            "image": str(data["image"]) if data.get("image") else None,
            "description": str(data.get("description") or ""),
            "tags": {str(k): str(v) for k, v in (data.get("tags") or {}).items()},
        }
    )


def _bad_fields(document: Document) -> list[Fault]:
    data = document.data
    checks = {"name": lambda text: check_asset_name(text, "environment"), "version": check_version}
    faults = []
    for key, check in checks.items():
        try:
            check(str(data[key]) if data.get(key) else "1")
        except BadArgument as error:
            faults.append(document.fault((key,), error.message))
    if not isinstance(data.get("tags") or {}, dict):
        faults.append(document.fault(("tags",), "must be a mapping of names to texts"))
    if data.get("image") is not None and not isinstance(data["image"], str):
        faults.append(document.fault(("image",), "must be the name of an image"))
    if "conda_file" in data and not (data["conda_file"] and isinstance(data["conda_file"], str | dict)):
        faults.append(document.fault(("conda_file",), "must be a path or a conda environment"))
    return faults


def _not_yet(document: Document) -> list[Fault]:
    """What this release refuses to half-do."""
    reasons = {
        "build": "building from a Dockerfile is not supported in this release: use image and conda_file",
        "inference_config": "custom containers are not supported in this release",
    }
    faults = [document.fault((key,), text) for key, text in reasons.items() if key in document.data]
    if str(document.data.get("os_type", "linux")).lower() != "linux":
        faults.append(document.fault(("os_type",), "only linux environments can be run"))
    return faults


def _conda_of(document: Document, read: ReadText) -> CondaEnvironment:
    conda = document.data["conda_file"]
    if isinstance(conda, dict):
        lines = {path[1:]: line for path, line in document.lines.items() if path[0] == "conda_file"}
        return parse_conda(Document(document.file, conda, lines))
    try:
        text = read(conda)
    except BadArgument as error:
        raise BadDocument(
            f"{document.file} has one fault", faults=[document.fault(("conda_file",), error.message)]
        ) from error
    return parse_conda(parse_document(text, conda))
