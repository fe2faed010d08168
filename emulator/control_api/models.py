"""Routes for models and environments."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, jsonify

from emulator.control_api.access import needs
from emulator.control_api.requests import Services, flag, json_body
from emulator.control_api.resources import Json, environment_resource, model_resource
from emulator.control_api.tar_stream import tar_stream
from emulator.entities import Environment, ModelRequest
from emulator.errors import BadArgument
from emulator.workspace.effects import Progress


def model_routes(services: Services) -> Blueprint:
    """`{workspace}/models…` and `{workspace}/environments…`."""
    routes = Blueprint("models", __name__)
    models = services.workspace.models

    @routes.get("/models")
    def list_all() -> Response:
        found = models.list_versions(include_archived=flag("includeArchived"))
        return jsonify({"value": [model_resource(model) for model in found]})

    @routes.get("/models/<name>/versions")
    def list_versions(name: str) -> Response:
        found = models.list_versions(name, include_archived=flag("includeArchived"))
        return jsonify({"value": [model_resource(model) for model in found]})

    @routes.post("/models/<name>/versions")
    def create(name: str) -> tuple[Response, int]:
        request = ModelRequest.parse({**json_body(), "name": name}, target=f"model {name}")
        return jsonify(model_resource(models.create(request))), 201

    @routes.get("/models/<name>/versions/<version>")
    def get(name: str, version: str) -> Response:
        return jsonify(model_resource(models.get(name, _version(version))))

    @routes.patch("/models/<name>/versions/<version>")
    def update(name: str, version: str) -> Response:
        archived = json_body().get("isArchived")
        if not isinstance(archived, bool):
            raise BadArgument("isArchived must be true or false; nothing else of a version can change")
        change = models.archive if archived else models.restore
        return jsonify(model_resource(change(name, version)))

    @routes.get("/models/<name>/versions/<version>/content")
    def content(name: str, version: str) -> Response:
        return Response(tar_stream(list(models.files(name, _version(version)))), mimetype="application/x-tar")

    _environment_routes(routes, services)
    return routes


def _version(text: str) -> str | None:
    return None if text == "latest" else text


def _environment_routes(routes: Blueprint, services: Services) -> None:
    environments = services.workspace.environments

    def resource(environment: Environment) -> Json:
        spec = environments.spec(environment)
        document = environment_resource(environment, spec.digest)
        document["amlemu"]["dockerfile"] = spec.dockerfile
        return document

    @routes.get("/environments")
    def list_environments() -> Response:
        listed = environments.list_curated() if flag("curated") else environments.list_versions()
        return jsonify({"value": [resource(environments.shown(e)) for e in listed]})

    @routes.post("/environments")
    def create_environment() -> tuple[Response, int]:
        path = json_body().get("file")
        if not isinstance(path, str):
            raise BadArgument("file must be the absolute path of an environment file")
        return jsonify(resource(environments.shown(environments.create_or_update(Path(path))))), 201

    @routes.post("/environments/resolve")
    @needs("viewer")
    def resolve() -> Response:
        return jsonify(resource(_named(services, json_body())))

    @routes.post("/environments/build")
    def build() -> tuple[Response, int]:
        body = json_body()
        environment = _for_platform(_named(services, body), body.get("platform"))

        def work(progress: Progress) -> str:
            return environments.build(environment, progress).reference

        return jsonify({"operation": services.operations.start(work).id}), 202


def _for_platform(environment: Environment, platform: object) -> Environment:
    if platform is None:
        return environment
    return Environment.parse(environment.to_document() | {"platform": platform}, target=f"environment {environment.id}")


def _named(services: Services, body: Json) -> Environment:
    """The environment that a body names, as it will be built: `file`, or `name` as `name[:version]`, and `conda`."""
    environments = services.workspace.environments
    conda = body.get("conda")
    if conda not in (None, "auto", "channels", "pip"):
        raise BadArgument("conda must be auto, channels or pip")
    if isinstance(body.get("file"), str):
        return environments.decided(environments.read(Path(body["file"])), conda)
    if isinstance(body.get("name"), str):
        return environments.decided(environments.get(body["name"]), conda)
    raise BadArgument("file or name must say which environment")
