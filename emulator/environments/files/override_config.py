"""`container_override_config.json` in a build context: where a LocalWebservice asks its container (contract/v1 §8)."""

from __future__ import annotations

from typing import Any

from emulator.documents.yaml_document import parse_json
from emulator.entities import AZUREML_ROUTES, InferenceConfig
from emulator.errors import BadDocument

_KEYS = ("scorePath", "healthPath", "internalTargetPort")


def read_override_config(text: str, file: str) -> InferenceConfig:
    """The routes that it describes; what is null or left open is Azure ML's own.  BadDocument tells every fault."""
    data = parse_json(text, file)
    if not isinstance(data, dict):
        raise BadDocument(f"{file} must hold a JSON object with some of: {', '.join(_KEYS)}")
    given = {key: data[key] for key in _KEYS if data.get(key) is not None}
    port = given.get("internalTargetPort", AZUREML_ROUTES.scoring_route.port)
    health = {"port": port, "path": _path(given.get("healthPath", AZUREML_ROUTES.liveness_route.path))}
    score = {"port": port, "path": _path(given.get("scorePath", AZUREML_ROUTES.scoring_route.path))}
    routes = {"liveness_route": health, "readiness_route": health, "scoring_route": score}
    return InferenceConfig.parse(routes, target=file)


def _path(path: Any) -> Any:
    """With the '/' that a v1 path may lack."""
    return f"/{path}" if isinstance(path, str) and not path.startswith("/") else path
