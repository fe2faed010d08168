"""inferenceconfig.json: the script, its folder and its environment.

Sources: the file's parser in the extension azure-cli-ml, and azureml-core's `InferenceConfig`
(`core/model.py`), whose keyword arguments the keys are.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator.difference import Difference, differs, fails_in_cloud
from emulator.documents.values import ANY, FLAG, TEXT, Keys, Reading
from emulator.documents.yaml_document import Document, Path
from emulator.entities import ANONYMOUS, Environment
from emulator.environments import environment_from_conda, versioned_by_content
from emulator.environments.files.v1_docker_section import REGISTRY_CREDENTIALS, named_image
from emulator.environments.files.v1_environment import (
    ReadBeside,
    check_packages,
    is_reference,
    read_conda,
    v1_environment,
)
from emulator.errors import BadDocument
from emulator.profiles import profile_of

# Other than `environment`, with which v1 refuses them.
_LEGACY = ("runtime", "condaFile", "extraDockerfileSteps", "enableGpu", "baseImage", "cudaVersion")
_RUNTIMES = ("python", "spark-py")

_KEYS: Keys = {
    ("entryScript",): TEXT,
    ("sourceDirectory",): TEXT,
    ("environment",): ANY,
    ("runtime",): TEXT,
    ("condaFile",): TEXT,
    ("extraDockerfileSteps",): TEXT,
    ("enableGpu",): FLAG,
    ("baseImage",): TEXT,
    ("baseImageRegistry",): ANY,
    ("cudaVersion",): TEXT,
}


@dataclass(frozen=True)
class InferenceConfigFile:
    """An inferenceconfig.json.

    `entry_script` is relative to `source_directory`, or where there is none to the working folder, as
    `source_directory` is.  `environment` is an environment, the `name:version` of a registered one, or None.
    """

    entry_script: str
    source_directory: str | None
    environment: Environment | str | None
    differences: tuple[Difference, ...]


def read_inference_config(document: Document, read: ReadBeside) -> InferenceConfigFile:
    """Read the document; BadDocument lists every fault.

    `read` gives the text of a file that it names, relative to the working folder.
    """
    reading = Reading(document)
    values = {str(path[0]): value for path, value in reading.values(_KEYS).items()}
    _check_script(values, reading)
    together = [key for key in _LEGACY if values.get(key)]
    environment: Environment | str | None
    if "environment" in values:
        for key in together:
            reading.fault((key,), "unable to provide it along with an environment object")
        environment = _environment(values["environment"], read, reading)
    elif together:
        environment = _legacy_environment(values, read, reading)
    else:
        environment = None
        text = "not named: the cloud takes a default of its own, which this is not"
        reading.note(("environment",), differs("v1.no_environment", text))
    reading.finish()
    return InferenceConfigFile(
        entry_script=values["entryScript"],
        source_directory=values.get("sourceDirectory"),
        environment=environment,
        differences=tuple(reading.differences),
    )


def _check_script(values: Mapping[str, Any], reading: Reading) -> None:
    path: Path = ("entryScript",)
    script = values.get("entryScript")
    if not script:
        reading.missing(path, "need to specify entryScript, the path of the scoring script")
        return
    stem, suffix = posixpath.splitext(posixpath.basename(script))
    if suffix != ".py":
        reading.fault(path, f"'{script}' must be a .py file: only Python drivers are supported")
    elif not profile_of("aks").rules.takes_script(stem):
        reading.fault(path, f"'{script}' cannot be imported: the name must be a Python identifier and no keyword")


def _environment(value: Any, read: ReadBeside, reading: Reading) -> Environment | str | None:
    if not isinstance(value, Mapping):
        told = "must be an Environment object; the name or the folder of one goes with --environment"
        reading.fault(("environment",), told)
        return None
    if is_reference(value):
        return f"{value['name']}:{value['version']}" if value.get("version") else str(value["name"])
    inner = reading.document.part("environment")
    try:
        found = v1_environment(inner, environment_from_conda, read, folder=None, versioned=False)
    except BadDocument as error:
        reading.faults += error.faults
        return None
    return versioned_by_content(found)


def _legacy_environment(values: Mapping[str, Any], read: ReadBeside, reading: Reading) -> Environment | None:
    """Make an environment of the legacy keys, as the SDK does (`convert_parts_to_environment`)."""
    _legacy_settings(values, reading)
    packages = Environment(name=ANONYMOUS, python_version="3.8", requirements=("azureml-defaults",))
    if "condaFile" in values:
        name, path = posixpath.join(values.get("sourceDirectory", ""), values["condaFile"]), ("condaFile",)
        conda = read_conda(name, path, read, reading)
        if conda is None:
            return None
        try:
            packages = environment_from_conda(conda)
        except BadDocument as error:
            reading.faults += error.faults
            return None
        check_packages(packages, conda, reading)
    registry = values.get("baseImageRegistry")
    address = registry.get("address") if isinstance(registry, Mapping) else None
    image = named_image(values["baseImage"], address) if "baseImage" in values else None
    changes = {"name": ANONYMOUS, "image": image, "source": reading.document.file}
    return versioned_by_content(packages.model_copy(update=changes))


def _legacy_settings(values: Mapping[str, Any], reading: Reading) -> None:
    runtime, path = values.get("runtime"), ("runtime",)
    if runtime is None:
        text = "not named: without an environment the cloud wants 'python' here"
        reading.note(path, fails_in_cloud("v1.no_runtime", text))
    elif runtime.lower() not in _RUNTIMES:
        reading.fault(path, f"runtime '{runtime}' not supported. Possible runtimes are: {'|'.join(_RUNTIMES)}")
    elif runtime.lower() != "python":
        reading.fault(path, f"runtime '{runtime}' cannot be had: its image is the cloud's; 'python' can")
    if values.get("extraDockerfileSteps"):
        reading.note(("extraDockerfileSteps",), differs("v1.dockerfile_steps", "these steps are not run"))
    for key in ("enableGpu", "cudaVersion"):
        if values.get(key):
            text = "no effect: --gpus gives the container the GPUs of this machine"
            reading.note((key,), differs("v1.gpus", text))
    registry: Path = ("baseImageRegistry",)
    given = values.get("baseImageRegistry")
    if isinstance(given, Mapping) and (given.get("username") or given.get("password")):
        reading.note(registry, REGISTRY_CREDENTIALS)
