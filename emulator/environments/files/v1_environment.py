"""v1's Environment object: `azureml_environment.json` with the files beside it, or inside of an inferenceconfig.json.

Source: azureml-core `core/environment.py` (`save_to_directory`, `load_from_directory`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from emulator.difference import differs, fails_in_cloud
from emulator.documents.values import ANY, FLAG, SECTION, TEXT, Keys, Reading
from emulator.documents.yaml_document import Document, Path, parse_yaml_or_json
from emulator.entities import ANONYMOUS, BuildContext, Environment
from emulator.environments.files.v1_docker_section import DOCKER_KEYS, image_of
from emulator.errors import BadArgument, BadDocument
from emulator.names import check_asset_name, check_version
from emulator.secret import Secret

FromConda = Callable[[Document], Environment]
"""Takes a conda environment, gives the Environment with its packages; raises BadDocument."""
ReadBeside = Callable[[str], str]
"""Takes a path, gives the text of that file; raises BadArgument."""

V1_FILE = "azureml_environment.json"
CONDA_FILE, DOCKERFILE = "conda_dependencies.yml", "BaseDockerfile"
_OLDEST_PYTHON = 8  # of those that uv and the base images have
_SERVERS = ("azureml-defaults", "azureml-inference-server-http")
_RESERVED = ("Microsoft", "AzureML")
# What is in them is for training only (azureml-core `core/environment.py`).
_NOT_FOR_SERVING = ("spark", "databricks", "r", "assetId")

KEYS: Keys = {
    ("name",): TEXT,
    ("version",): ANY,
    ("environmentVariables",): ANY,
    ("inferencingStackVersion",): TEXT,
    ("python",): SECTION,
    ("python", "userManagedDependencies"): FLAG,
    ("python", "interpreterPath"): TEXT,
    ("python", "condaDependencies"): ANY,
    ("python", "condaDependenciesFile"): TEXT,
    ("python", "baseCondaEnvironment"): TEXT,
    **DOCKER_KEYS,
    **{(key,): ANY for key in _NOT_FOR_SERVING},
}


def is_v1_environment(data: Mapping[str, Any]) -> bool:
    """Return whether a document is v1's Environment: it has one of the sections that only that has."""
    return bool(data.keys() & {"python", "docker", "inferencingStackVersion", "environmentVariables"})


def is_reference(data: Mapping[str, Any]) -> bool:
    """Whether it only names a registered environment: the SDK takes an object of `name` and `version` for that."""
    return bool(data.get("name")) and data.keys() <= {"name", "version"}


def v1_environment(
    document: Document, from_conda: FromConda, read: ReadBeside, *, folder: str | None, versioned: bool = True
) -> Environment:
    """Return the environment that v1's object describes; BadDocument lists every fault.

    `folder` is where `save_to_directory` saved it, absolute, '' where that is not known: packages and Dockerfile may
    lie beside it.  None is an object inside of another file.  A Dockerfile that has the packages in it is built; where
    others come on top, only its image can be had.  Without `versioned` a version is not kept, and the environment gets
    the next one when its content is new.
    """
    reading = Reading(document)
    values = reading.values(KEYS)
    name, version = _names(values, reading)
    dockerfile = None if folder is None else _beside(DOCKERFILE, read)
    build = None
    if folder and dockerfile and values.get(("python", "userManagedDependencies")):
        build = BuildContext(path=folder, dockerfile_path=DOCKERFILE)
    image = image_of(values, dockerfile, reading, is_built=build is not None)
    packages = _packages(values, from_conda, read, reading, in_folder=folder is not None)
    variables = _variables(values.get(("environmentVariables",)), reading)
    _stack(values, reading)
    reading.finish()
    changes: dict[str, Any] = {
        "name": name,
        "image": image,
        "build": build,
        "variables": {**packages.variables, **{name: Secret(value) for name, value in variables.items()}},
        "differences": (*reading.differences, *packages.differences),
        "source": document.file,
    }
    return packages.model_copy(update=changes | ({"version": version} if version and versioned else {}))


def _names(values: Mapping[Path, Any], reading: Reading) -> tuple[str, str]:
    name, version = values.get(("name",), ""), str(values.get(("version",), ""))
    for key, text, check in (("name", name, _check_name), ("version", version, check_version)):
        try:
            if text:
                check(text)
        except BadArgument as error:
            reading.fault((key,), error.message)
    if name.startswith(_RESERVED):
        text = "names that begin with 'AzureML' or 'Microsoft' cannot be registered in the cloud"
        reading.note(("name",), fails_in_cloud("v1.reserved_name", text))
    return name or ANONYMOUS, version


def _check_name(name: str) -> str:
    return check_asset_name(name, "environment")


def _beside(name: str, read: ReadBeside) -> str | None:
    """Return the text of an optional file of the folder."""
    try:
        return read(name)
    except BadArgument:
        return None


def _packages(
    values: Mapping[Path, Any], from_conda: FromConda, read: ReadBeside, reading: Reading, *, in_folder: bool
) -> Environment:
    """An environment with the packages and nothing else; one without a Python where the image has them."""
    _python_settings(values, reading)
    empty = Environment(name=ANONYMOUS)
    if values.get(("python", "userManagedDependencies")):
        return empty
    try:
        conda = _conda_document(values, read, reading, in_folder=in_folder)
        if conda is None:
            return empty
        packages = from_conda(conda)
    except BadDocument as error:
        reading.faults += error.faults
        if not error.faults:
            reading.fault(("python", "condaDependencies"), error.message)
        return empty
    check_packages(packages, conda, reading)
    return packages


def _python_settings(values: Mapping[Path, Any], reading: Reading) -> None:
    if values.get(("python", "baseCondaEnvironment")):
        text = "the packages are installed from nothing, not on top of it"
        reading.note(("python", "baseCondaEnvironment"), differs("v1.base_conda_environment", text))
    if values.get(("python", "interpreterPath"), "python") != "python":
        text = "no effect: the environment's own Python is the one that runs"
        reading.note(("python", "interpreterPath"), differs("v1.interpreter_path", text))


def _conda_document(
    values: Mapping[Path, Any], read: ReadBeside, reading: Reading, *, in_folder: bool
) -> Document | None:
    """Return the conda environment, from where the SDK would take it; None after a fault.

    `load_from_directory` lets the file beside the object win.  A condaDependenciesFile is read where neither is there.
    """
    text = _beside(CONDA_FILE, read) if in_folder else None
    if text is not None:
        return parse_yaml_or_json(text, CONDA_FILE)
    inline, file = (values.get(("python", key)) for key in ("condaDependencies", "condaDependenciesFile"))
    if isinstance(inline, Mapping):
        return reading.document.part("python").part("condaDependencies")
    if inline is not None:
        reading.fault(("python", "condaDependencies"), "must be an object, a conda environment")
    elif file is None:
        also = f", nor is there a {CONDA_FILE} beside it" if in_folder else ""
        reading.fault(("python",), f"no packages: condaDependencies and condaDependenciesFile are not there{also}")
    else:
        return read_conda(file, ("python", "condaDependenciesFile"), read, reading)
    return None


def read_conda(file: str, path: Path, read: ReadBeside, reading: Reading) -> Document | None:
    """Return the conda file that is named at `path`; None when it cannot be read, which is a fault."""
    try:
        text = read(file)
    except BadArgument as error:
        reading.fault(path, error.message)
        return None
    return parse_yaml_or_json(text, file)


def check_packages(packages: Environment, conda: Document, reading: Reading) -> None:
    """Packages that the cloud could not serve with, and Pythons that cannot be had here."""
    if packages.python_version and int(packages.python_version.rpartition(".")[2]) < _OLDEST_PYTHON:
        message = f"Python {packages.python_version} cannot be had: amlemu runs 3.{_OLDEST_PYTHON} and newer"
        hint = "write python=3.8, for which azureml-defaults and azureml-core have releases of that time too"
        reading.faults.append(conda.fault(_python_line(conda), f"{message}; {hint}"))
    names = {re.split(r"[^A-Za-z0-9._-]", line.strip(), maxsplit=1)[0].lower() for line in packages.requirements}
    if not names & set(_SERVERS):
        text = (
            "azureml-defaults is not among the packages: in the cloud such a container ends with"
            " 'exec: gunicorn: not found'"
        )
        reading.note(("python", "condaDependencies"), fails_in_cloud("v1.no_server", text))


def _python_line(conda: Document) -> Path:
    dependencies = conda.data.get("dependencies") or ()
    index = next((n for n, item in enumerate(dependencies) if re.match(r"python\b(?!-)", str(item))), None)
    return ("dependencies",) if index is None else ("dependencies", index)


def _variables(value: Any, reading: Reading) -> dict[str, str]:
    path: Path = ("environmentVariables",)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        reading.fault(path, "must be an object of names and texts")
        return {}
    for name, text in value.items():
        if not isinstance(text, str | int | float) or isinstance(text, bool):
            reading.fault((*path, name), "must be a text")
    return {str(name): str(text) for name, text in value.items()}


def _stack(values: Mapping[Path, Any], reading: Reading) -> None:
    stack = values.get(("inferencingStackVersion",))
    if stack not in (None, "latest"):
        message = f"'{stack}': the cloud knows 'latest' only; here the server is the one among the packages"
        reading.note(("inferencingStackVersion",), fails_in_cloud("v1.inferencing_stack", message))
