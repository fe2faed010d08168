"""An environment from the file that describes it, whatever its kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import PurePath

from emulator.difference import differs, fails_in_cloud
from emulator.documents.yaml_document import Document, parse_document, parse_yaml_or_json, refuse
from emulator.entities import ANONYMOUS, Environment
from emulator.environments.files.anonymous_version import anonymous_version, anonymous_version_of_requirements
from emulator.environments.files.conda_file import DEFAULT_PYTHON, CondaEnvironment, parse_conda
from emulator.environments.files.image_keys import check_combination, read_build, read_inference_config
from emulator.environments.files.requirements_file import Locate, ReadText, parse_requirements
from emulator.environments.files.v1_environment import V1_FILE, is_v1_environment, v1_environment
from emulator.environments.only_here import differences_of_channels, differences_of_requirements
from emulator.errors import BadArgument, BadDocument, Fault
from emulator.names import check_asset_name, check_version, may_name_asset
from emulator.secret import REVEALED, Secret

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
    """Return which of a folder's file `names` describes its environment."""
    return next((name for name in FILE_NAMES if name in names), None)


# Where people keep such files, and how they call them: Microsoft's samples have environment/conda.yaml beside the
# folder of the script.
FOLDERS_NEARBY = ("", "environment", "env", "envs", "conda", "..", "../environment", "../env", "../envs", "../conda")
_CALLED_LIKE_IT = re.compile(
    r".*(conda|environment|requirements).*\.(ya?ml|txt|in)|(\w+[_-])?env\.ya?ml|pyproject\.toml|pipfile", re.I
)


def with_files_nearby(default: Environment, names: Iterable[str]) -> Environment:
    """Return the `default` environment of a script with what is told of files nearby that describe another one.

    `names` are the paths of files in FOLDERS_NEARBY, from the script's folder.

    >>> with_files_nearby(DEFAULT_ENVIRONMENT, ["score.py", "../conda.yml"]).differences[0].text
    'the built-in default environment was taken, and not ../conda.yml (from the script): --environment names one'
    """
    found = [name for name in names if _CALLED_LIKE_IT.fullmatch(PurePath(name).name)]
    if not found:
        return default
    named = ", ".join(found)
    told = f"the built-in default environment was taken, and not {named} (from the script): --environment names one"
    return default.model_copy(
        update={"differences": (*default.differences, differs("environment.file_not_taken", told))}
    )


_NO_IMAGE = fails_in_cloud(
    "environment.no_image",
    "conda_file without image: the cloud refuses it, here a plain image with its Python is the base",
)


def read_environment(text: str, file: str, read: ReadText, folder: str = "", locate: Locate = str) -> Environment:
    """Return the environment that `text`, the content of `file`, describes.

    A `.txt` file holds requirements; YAML with `image`, `conda_file` or `build` is an Azure ML environment, one with
    `python` or `docker` that of v1 (`azureml_environment.json`), any other a conda file.  `read` gives the text of a
    file that this one names, `folder` is the absolute folder of `file`, from which the path of a build context starts,
    and `locate` refuses a path that is not this document's to name.  Raises BadDocument with every fault.
    """
    if PurePath(file).suffix == ".txt":
        requirements = parse_requirements(text, file, read)
        return Environment(
            name=ANONYMOUS,
            version=anonymous_version_of_requirements(requirements.lines),
            python_version=DEFAULT_PYTHON,
            requirements=requirements.lines,
            differences=(*requirements.differences, *differences_of_requirements(requirements.lines)),
            source=file,
        )
    document = parse_yaml_or_json(text, file)
    if document.data.keys() & {"image", "conda_file", "build", "$schema", "inference_config"}:
        return azure_environment(document, read, folder, locate)
    if PurePath(file).name == V1_FILE or is_v1_environment(document.data):
        return versioned_by_content(
            v1_environment(document, partial(environment_from_conda, locate=locate), read, folder=folder)
        )
    environment = _from_conda(parse_conda(document, locate), file)
    return _versioned(environment, anonymous_version(None, document.data))


def environment_from_conda(document: Document, locate: Locate = str) -> Environment:
    """Return the environment that a conda file describes, as for `read_environment`; BadDocument lists every fault."""
    return _from_conda(parse_conda(document, locate), document.file)


def _from_conda(conda: CondaEnvironment, source: str) -> Environment:
    environment = Environment(
        name=conda.name if conda.name and may_name_asset(conda.name) else ANONYMOUS,
        python_version=conda.python_version,
        requirements=conda.requirements,
        channels=conda.channels,
        conda_dependencies=conda.dependencies,
        variables={name: Secret(value) for name, value in conda.variables.items()},
        differences=(
            *conda.differences,
            *differences_of_channels(conda.channels, conda.dependencies),
            *differences_of_requirements(conda.requirements),
        ),
        source=source,
    )
    return environment.refused_as(conda.name) if conda.name and environment.is_anonymous else environment


def _versioned(environment: Environment, version: str) -> Environment:
    """Return the environment with that version if nobody has named it: two that differ never share an id."""
    return environment.model_copy(update={"version": version}) if environment.is_anonymous else environment


def versioned_by_content(environment: Environment) -> Environment:
    """v1's environment; without a name it has a version of its content, though v1 itself has no such thing."""
    parts = {"python_version", "requirements", "system_packages", "channels", "conda_dependencies", "variables"}
    content = environment.model_dump(mode="json", include=parts, context=dict(REVEALED))
    return _versioned(environment, anonymous_version(environment.image, content))


def azure_environment(document: Document, read: ReadText, folder: str = "", locate: Locate = str) -> Environment:
    """Return the environment of a document with Azure ML's keys (reference-yaml-environment), as `read_environment`."""
    data = document.data
    faults = document.unknown_keys(_ENVIRONMENT_KEYS) + check_combination(document) + _bad_fields(document)
    build = read_build(document, read, folder, locate, faults)
    inference_config = read_inference_config(document, faults)
    if faults and not any(fault.field.endswith("conda_file") for fault in faults):
        faults += _faults_of_conda(document, read, locate)
    refuse(document, faults)
    conda = _conda_of(document, read) if "conda_file" in data else None
    base = (
        _from_conda(parse_conda(conda, locate), document.file)
        if conda
        else Environment(name=ANONYMOUS, source=document.file)
    )
    no_image = (_NO_IMAGE,) if conda and not data.get("image") else ()
    environment = base.refused_as("").model_copy(
        update={
            "name": str(data.get("name") or ANONYMOUS),
            "image": str(data["image"]) if data.get("image") else None,
            "build": build,
            "inference_config": inference_config,
            "differences": (*no_image, *base.differences),
            "description": str(data.get("description") or ""),
            "tags": {str(k): str(v) for k, v in (data.get("tags") or {}).items()},
        }
        | ({"version": str(data["version"])} if data.get("version") else {})
    )
    # Of a build context the SDK digests the files; here its image's own digest tells two of them apart.
    base_image = f"{build.path}/{build.dockerfile_path}" if build else environment.image
    routes = data.get("inference_config")
    return _versioned(environment, anonymous_version(base_image, conda.data if conda else None, routes))


def _faults_of_conda(document: Document, read: ReadText, locate: Locate) -> list[Fault]:
    """What is wrong with the conda file of a document that has other faults, so that all are told in one round."""
    if not isinstance(document.data.get("conda_file"), str | dict) or not document.data["conda_file"]:
        return []
    try:
        _from_conda(parse_conda(_conda_of(document, read), locate), document.file)
    except BadDocument as error:
        return list(error.faults) or [document.fault(("conda_file",), error.message)]
    except BadArgument as error:
        return [document.fault(("conda_file",), error.message)]
    return []


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
    if "image" in data and not (data["image"] and isinstance(data["image"], str)):
        faults.append(document.fault(("image",), "must be the name of an image"))
    if "conda_file" in data and not (data["conda_file"] and isinstance(data["conda_file"], str | dict)):
        faults.append(document.fault(("conda_file",), "must be a path or a conda environment"))
    if str(data.get("os_type", "linux")).lower() != "linux":
        faults.append(document.fault(("os_type",), "only linux environments can be run"))
    return faults


def _conda_of(document: Document, read: ReadText) -> Document:
    conda = document.data["conda_file"]
    if isinstance(conda, dict):
        return document.part("conda_file")
    try:
        text = read(conda)
    except BadArgument as error:
        raise BadDocument(
            f"{document.file} has one fault", faults=[document.fault(("conda_file",), error.message)]
        ) from error
    return parse_document(text, conda)
