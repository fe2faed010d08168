"""The keys of an environment file that bring an image of the user's own: `image`, `build`, `inference_config`.

And the routes of `container_override_config.json`, which stands in a build context for the last.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from emulator.documents.yaml_document import Document, Path, parse_json
from emulator.entities import AZUREML_ROUTES, BuildContext, InferenceConfig, check_dockerfile_path
from emulator.environments.files.requirements_file import Locate, ReadText
from emulator.errors import BadArgument, BadDocument, Fault

_OVERRIDE_KEYS = ("scorePath", "healthPath", "internalTargetPort")
_ROUTES = ("liveness_route", "readiness_route", "scoring_route")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]+:", re.I)
_WANTED = "an environment has `image`, `image` with `conda_file`, or `build`"


def check_combination(document: Document) -> list[Fault]:
    """Return what may not stand together (Microsoft's page reference-yaml-environment)."""
    data = document.data
    if not data.keys() & {"image", "conda_file", "build"}:
        return [document.fault((), _WANTED)]
    if "build" not in data:
        return []
    reasons = {
        "image": "an image is named or built, not both: leave `image` or `build` out",
        "conda_file": "packages go into an image that is named, not into one that is built: install them in the"
        " Dockerfile",
    }
    return [document.fault((key,), text) for key, text in reasons.items() if key in data]


def read_build(
    document: Document, read: ReadText, folder: str, locate: Locate, faults: list[Fault]
) -> BuildContext | None:
    """The build context that the file names, relative to its own absolute `folder`; None without, or with faults.

    `locate` refuses what is not the document's to name.
    """
    build = document.data.get("build")
    if "build" not in document.data:
        return None
    if not isinstance(build, dict):
        faults.append(document.fault(("build",), "must be a mapping with `path`, the folder of the build context"))
        return None
    found = document.unknown_keys(("path", "dockerfile_path"), ("build",)) + _build_faults(document, build)
    dockerfile_path = str(build.get("dockerfile_path") or "Dockerfile")
    if not found:
        found = _out_of_reach(document, locate, str(build["path"]))
    if not found:
        found = _missing_dockerfile(document, read, str(build["path"]), dockerfile_path)
    if not found and not folder:
        found = [document.fault(("build", "path"), "a build context needs a file on this machine that names it")]
    faults += found
    return None if found else BuildContext(path=_joined(folder, build["path"]), dockerfile_path=dockerfile_path)


def _out_of_reach(document: Document, locate: Locate, path: str) -> list[Fault]:
    try:
        locate(path)
    except BadArgument as error:
        return [document.fault(("build", "path"), error.message)]
    return []


def _build_faults(document: Document, build: dict[str, Any]) -> list[Fault]:
    found = []
    path, dockerfile_path = build.get("path"), build.get("dockerfile_path", "Dockerfile")
    if not isinstance(path, str) or not path:
        found.append(document.fault(("build", "path"), "must be the folder of the build context"))
    elif _ELSEWHERE.match(path) and not re.match(r"[A-Za-z]:[\\/]", path):
        found.append(document.fault(("build", "path"), f"'{path}' must be a folder of this machine"))
    try:
        check_dockerfile_path(dockerfile_path if isinstance(dockerfile_path, str) else "")
    except ValueError as error:
        found.append(document.fault(("build", "dockerfile_path"), str(error)))
    return found


def _missing_dockerfile(document: Document, read: ReadText, path: str, dockerfile_path: str) -> list[Fault]:
    try:
        read(f"{path.rstrip('/')}/{dockerfile_path}")
    except BadArgument as error:
        key = "dockerfile_path" if "dockerfile_path" in document.data["build"] else "path"
        return [document.fault(("build", key), error.message.replace("the file", "the Dockerfile", 1))]
    return []


def _joined(folder: str, path: str) -> str:
    """Return the path below the folder, in the folder's own spelling; an absolute one stays."""
    if path.startswith("/") or re.match(r"[A-Za-z]:[\\/]|\\\\", path):
        return path
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    separator = "\\" if re.match(r"[A-Za-z]:[\\/]|\\\\", folder) else "/"
    return separator.join([folder.rstrip("/\\"), *parts])


def read_inference_config(document: Document, faults: list[Fault]) -> InferenceConfig | None:
    """Return the routes of a custom container: all three, each with port and path; None without, or with faults."""
    config = document.data.get("inference_config")
    if "inference_config" not in document.data:
        return None
    if not isinstance(config, dict):
        faults.append(document.fault(("inference_config",), f"must be a mapping with {', '.join(_ROUTES)}"))
        return None
    found = document.unknown_keys(_ROUTES, ("inference_config",))
    missing = [name for name in _ROUTES if name not in config]
    if missing:
        text = f"has no {' and no '.join(missing)}: all three routes are needed"
        found.append(document.fault(("inference_config",), text))
    faults += found
    if found:
        return None
    try:
        return InferenceConfig.model_validate(config)
    except ValidationError as error:
        faults += [_route_fault(document, ("inference_config", *e["loc"]), e) for e in error.errors()]
        return None


def _route_fault(document: Document, path: Path, error: Any) -> Fault:
    if path[-1] == "port" and error["type"] != "missing":
        return document.fault(path, f"'{error['input']}' is no port: a whole number from 1 to 65535")
    if error["type"] == "extra_forbidden":
        return document.fault(path, f"unknown key '{path[-1]}'; known: port, path")
    if error["type"] == "missing":
        return document.fault(path, "is missing: a route has a port and a path")
    return document.fault(path, error["msg"].removeprefix("Value error, "))


def read_override_config(text: str, file: str) -> InferenceConfig:
    """Return the routes of a `container_override_config.json`, which LocalWebservice reads (row custom.override_file).

    What is null or left out is Azure ML's own.  Raises BadDocument with every fault.
    """
    data = parse_json(text, file)
    if not isinstance(data, dict):
        raise BadDocument(f"{file} must hold a JSON object with some of: {', '.join(_OVERRIDE_KEYS)}")
    given = {key: data[key] for key in _OVERRIDE_KEYS if data.get(key) is not None}
    port = given.get("internalTargetPort", AZUREML_ROUTES.scoring_route.port)
    health = {"port": port, "path": _absolute(given.get("healthPath", AZUREML_ROUTES.liveness_route.path))}
    score = {"port": port, "path": _absolute(given.get("scorePath", AZUREML_ROUTES.scoring_route.path))}
    routes = {"liveness_route": health, "readiness_route": health, "scoring_route": score}
    return InferenceConfig.parse(routes, target=file)


def _absolute(path: Any) -> Any:
    """With the '/' that a v1 path may lack."""
    return f"/{path}" if isinstance(path, str) and not path.startswith("/") else path
