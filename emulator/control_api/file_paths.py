"""Paths in requests: references to uploads, or, from the emulator's own user, files of its machine."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from emulator.control_api.access import caller, takes_paths
from emulator.control_api.request_parsing import Services
from emulator.entities import UPLOAD_PREFIX, BuildContext, is_arm_id
from emulator.environments import local_folder
from emulator.errors import AuthorizationFailed

Json = dict[str, Any]


def local_path(services: Services, path: Any) -> Any:
    """Return the path on the emulator's machine that a request means; validation refuses what is not a string.

    Raises ResourceNotFound for an upload that is gone, AuthorizationFailed for a caller who may not name files of the
    machine.
    """
    if not isinstance(path, str):
        return path
    if path.startswith(UPLOAD_PREFIX):
        return str(services.workspace.uploads.path_of(caller(), path))
    if not takes_paths(services):
        hint = "send the files: amlemu does so by itself where AMLEMU_URL, or a login, names the emulator"
        raise AuthorizationFailed("files of the emulator's own machine are its user's to name", target=path, hint=hint)
    return path


def deployment_body(services: Services, body: Json) -> Json:
    """Return the request for a deployment with paths of the emulator's machine."""
    found = dict(body)
    if body.get("code") is not None:
        found["code"] = local_path(services, body["code"])
    if isinstance(body.get("models"), list):
        found["models"] = [model_body(services, m) if isinstance(m, dict) else m for m in body["models"]]
    environment = body.get("environment")
    if isinstance(environment, str) and PurePath(environment).is_absolute() and not is_arm_id(environment):
        found["environment"] = local_path(services, environment)
    if isinstance(environment, dict):
        found["environment"] = environment_body(services, environment)
    return found


def model_body(services: Services, body: Json) -> Json:
    """Return the request for a model version with paths of the emulator's machine."""
    return {**body, "path": local_path(services, body["path"])} if "path" in body else body


def environment_body(services: Services, body: Json) -> Json:
    """Return the document of an environment likewise; an uploaded build context is stored."""
    _check_channels(services, body)
    build = body.get("build")
    if not isinstance(build, dict) or "path" not in build:
        return body
    located = {**build, "path": local_path(services, build["path"])}
    if str(build["path"]).startswith(UPLOAD_PREFIX):
        parsed = BuildContext.parse(located, target="build")
        located = services.workspace.uploads.context_of(parsed).revealed_document()
    return {**body, "build": located}


def _check_channels(services: Services, body: Json) -> None:
    """Raise AuthorizationFailed for a conda channel in a folder, for a caller who may not name files of the machine."""
    named = [body.get(key) for key in ("channels", "conda_dependencies")]
    for text in (text for texts in named if isinstance(texts, list) for text in texts if isinstance(text, str)):
        folder = local_folder(text.strip())
        if folder is not None:
            local_path(services, folder)


def environment_source_body(services: Services, body: Json) -> Json:
    """Return a body that names an environment with paths of the emulator's machine."""
    found = dict(body)
    if body.get("file") is not None:
        found["file"] = local_path(services, body["file"])
    if isinstance(body.get("environment"), dict):
        found["environment"] = environment_body(services, body["environment"])
    return found
