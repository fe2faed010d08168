"""The environment of an MLflow model that is deployed without one: made of the files in the model's folder.

In the cloud it is the no-code image with the model's own packages on top (rows
mlflow.environment, mlflow.python_version).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from emulator.difference import Difference, differs
from emulator.documents.yaml_document import Document, parse_document, refuse
from emulator.entities import ANONYMOUS, Environment
from emulator.environments.files.read import read_environment
from emulator.environments.files.requirements_file import ReadText
from emulator.environments.hash_pins import without_hashes
from emulator.environments.mlflow_versions import version_differences
from emulator.errors import BadArgument, Fault

MLMODEL, CONDA_FILE, PYTHON_FILE, REQUIREMENTS_FILE = "MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt"
PYFUNC = "python_function"

MLFLOW_FOLDER, MLFLOW_SCRIPT = "/var/mlflow_resources", "mlflow_score_script.py"
"""Where the no-code script lies in a container, and its name (row mlflow.script)."""

_MONITORING = "azureml-ai-monitoring"
# Servers before 1.4.1 bring azureml.contrib.services as a namespace, which the package of azureml-ai-monitoring hides,
# and those before 1.3 stand on a gunicorn that needs pkg_resources.  An old mlflow's bounds lead to such servers.
_FOR_OLD_SERVERS = ("azureml-contrib-services", "setuptools<81")
# Packages that bring another one along, or stand for it.
_INSTEAD: Mapping[str, str] = {"azureml-inference-server-http": "azureml-defaults", "mlflow": "mlflow-skinny"}
# The cloud's no-code image: mlflow-py312-inference.
_PYTHON = "3.12"

_AT_START = differs(
    "mlflow.packages_in_image",
    "the model's packages are in the image: the cloud installs them when a container starts, which takes time and a"
    " network",
)
_NO_MONITORING = differs(
    "mlflow.no_monitoring",
    f"{_MONITORING} is not in the model's files; the no-code image has it, but containers of the cloud were seen to"
    " fail without it: listing it with the model is safe",
)
_NO_MLFLOW = differs(
    "mlflow.no_mlflow",
    "mlflow is not in the model's files: the newest that fits is installed, as in the no-code image",
)
_NO_PACKAGES = differs(
    "mlflow.no_packages",
    f"the model has neither {CONDA_FILE} nor {REQUIREMENTS_FILE}: only the no-code image's packages are there",
)


@dataclass(frozen=True)
class _Files:
    """What MLmodel says, and what lies beside it."""

    mlmodel: Document
    pyfunc: Mapping[str, Any]
    names: Collection[str]
    read: ReadText

    def locate(self, path: str) -> None:
        """Refuse a folder: a model names none but its own files."""
        raise BadArgument(f"'{path}' is a folder of the machine, and a model names only its own files")


def mlflow_environment(model: str, names: Collection[str], read: ReadText, base_packages: Sequence[str]) -> Environment:
    """Return the no-code environment of the MLflow model `model`, whose folder holds the files `names`.

    `read` gives a file's text by its path in that folder; `base_packages` are there whatever the model lists.  Raises
    BadDocument for an MLmodel that is broken, that has no pyfunc flavour, or that names a file which is not there, and
    for a package file with faults.
    """
    mlmodel = parse_document(read(MLMODEL), MLMODEL)
    files = _Files(mlmodel, _pyfunc_of(mlmodel), names, read)
    own, source = _own_packages(files)
    listed = {name for line in own.requirements if (name := _name_of(line))}
    added = [line for line in base_packages if not _alternatives(line) & listed]
    for_old_servers = [line for line in _FOR_OLD_SERVERS if _name_of(line) not in listed]
    told = [
        *version_differences(mlmodel.data["flavors"], own, source),
        *([_AT_START] if source else [_NO_PACKAGES]),
        *([_NO_MONITORING] if _MONITORING in added else []),
        *([_NO_MLFLOW] if "mlflow" in added else []),
        *([_for_old_servers(for_old_servers)] if for_old_servers else []),
    ]
    return own.model_copy(
        update={
            "name": ANONYMOUS,
            "requirements": (*own.requirements, *added, *for_old_servers),
            "no_code": "mlflow",
            "differences": (*own.differences, *told),
            "source": f"{source or MLMODEL} of MLflow model {model}",
        }
    )


def as_mlflow_environment(environment: Environment, read: ReadText) -> Environment:
    """Return the environment that a user has given to an MLflow model, whose files `read` gives.

    Raises BadDocument for an MLmodel that is broken, or of a model without the pyfunc flavour.
    """
    mlmodel = parse_document(read(MLMODEL), MLMODEL)
    _pyfunc_of(mlmodel)
    told = version_differences(mlmodel.data["flavors"], environment, environment.source or environment.id)
    return environment.model_copy(update={"no_code": "mlflow", "differences": (*environment.differences, *told)})


def _for_old_servers(packages: Sequence[str]) -> Difference:
    text = f"added for servers before 1.4.1, which may not start without: {', '.join(packages)}"
    return differs("mlflow.old_servers", text)


def _pyfunc_of(mlmodel: Document) -> Mapping[str, Any]:
    """Return the pyfunc flavour: without it a model is not deployed without a script (row mlflow.flavor)."""
    flavors = mlmodel.data.get("flavors")
    if not isinstance(flavors, dict):
        refuse(mlmodel, [mlmodel.fault(("flavors",), "must be a mapping of flavours: mlflow writes it")])
        return {}
    pyfunc = flavors.get(PYFUNC)
    if not isinstance(pyfunc, dict):
        found = ", ".join(map(str, flavors)) or "none"
        message = f"has no flavour {PYFUNC}, without which a model needs a scoring script; it has: {found}"
        refuse(mlmodel, [mlmodel.fault(("flavors",), message)])
        return {}
    return pyfunc


def _own_packages(files: _Files) -> tuple[Environment, str]:
    """Return the environment that the model's own files describe, and the file it was read from, '' for none."""
    file = _named(files, "conda", CONDA_FILE) or (REQUIREMENTS_FILE if REQUIREMENTS_FILE in files.names else "")
    own = Environment(name=ANONYMOUS)
    if file:
        text = files.read(file)
        own = read_environment(text, file, files.read, locate=files.locate)
        if file != REQUIREMENTS_FILE and _names_python(parse_document(text, file).data.get("dependencies")):
            return own, file
    return own.model_copy(update={"python_version": _python_of_others(files)}), file


def _named(files: _Files, kind: str, usual: str) -> str | None:
    """The file that the pyfunc flavour names as its environment of that kind, else the usual one where it is there."""
    env = files.pyfunc.get("env")
    path: tuple[str, ...] = ("flavors", PYFUNC, "env", kind)
    if isinstance(env, dict):
        name = env.get(kind)
    else:  # before mlflow 2.0 there was one kind
        name, path = (env if kind == "conda" else None), path[:-1]
    if name is None:
        return usual if usual in files.names else None
    if name not in files.names:
        refuse(files.mlmodel, [files.mlmodel.fault(path, f"names '{name}', which is not in the model's folder")])
    return str(name)


def _python_of_others(files: _Files) -> str:
    """Return the Python that python_env.yaml names, else MLmodel, else the no-code image's."""
    name = _named(files, "virtualenv", PYTHON_FILE)
    if name:
        document = parse_document(files.read(name), name)
        if document.data.get("python") is not None:
            return _minor(document, ("python",), document.data["python"])
    path = ("flavors", PYFUNC, "python_version")
    given = files.pyfunc.get("python_version")
    return _PYTHON if given is None else _minor(files.mlmodel, path, given)


def _minor(document: Document, path: tuple[str, ...], version: object) -> str:
    found = re.fullmatch(r"(3\.\d+)(\.\w+)*", str(version))
    faults: list[Fault] = []
    if found is None:
        faults = [document.fault(path, f"'{version}' must be a version of Python 3, as in 3.11.7")]
    refuse(document, faults)
    return found[1] if found else _PYTHON


def _names_python(dependencies: Any) -> bool:
    listed = dependencies if isinstance(dependencies, list) else []
    return any(isinstance(item, str) and re.match(r"(\S+::)?python\b(?!-)", item.strip()) for item in listed)


def _alternatives(line: str) -> set[str]:
    """The names of packages in whose presence the requirement `line` adds nothing; none of one that asks for extras."""
    name = _name_of(line)
    return {name, _INSTEAD.get(name, name)} if name and "[" not in line else set()


def _name_of(line: str) -> str | None:
    try:
        return canonicalize_name(Requirement(without_hashes(line)).name)
    except InvalidRequirement:  # an option such as --extra-index-url
        return None
