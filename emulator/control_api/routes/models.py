"""Routes for models and environments."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

from flask import Blueprint, Response, jsonify

from emulator.control_api.access import caller, check_role, needs, values_are_asked_for
from emulator.control_api.file_paths import environment_source_body, model_body
from emulator.control_api.json_text import answer_with_values
from emulator.control_api.openapi_metadata import POLLED, Answer, openapi
from emulator.control_api.request_parsing import Services, body_of, query_bool
from emulator.control_api.request_schemas import BuildRequest, EnvironmentChoice, EnvironmentSource, ModelUpdate
from emulator.control_api.resources import Json, environment_resource, model_resource
from emulator.control_api.response_schemas import (
    EnvironmentVersion,
    EnvironmentVersions,
    ModelVersion,
    ModelVersions,
    OperationBegun,
)
from emulator.control_api.routes.operations import poll_headers
from emulator.control_api.tar_stream import tar_stream
from emulator.entities import Environment, ModelRequest
from emulator.workspace.effects import Progress


def model_routes(services: Services) -> Blueprint:
    """`{workspace}/models…` and `{workspace}/environments…`."""
    routes = Blueprint("models", __name__)
    _reading_routes(routes, services)
    _writing_routes(routes, services)
    _environment_routes(routes, services)
    _build_routes(routes, services)
    return routes


def _reading_routes(routes: Blueprint, services: Services) -> None:
    models = services.workspace.models

    @routes.get("/models")
    @openapi("Every version of every model.", ModelVersions, query=("includeArchived",))
    def list_all() -> Response:
        found = models.list_versions(include_archived=query_bool("includeArchived"))
        return jsonify({"value": [model_resource(model) for model in found]})

    @routes.get("/models/<name>/versions")
    @openapi("Every version of a model.", ModelVersions, query=("includeArchived",))
    def list_versions(name: str) -> Response:
        found = models.list_versions(name, include_archived=query_bool("includeArchived"))
        return jsonify({"value": [model_resource(model) for model in found]})

    @routes.get("/models/<name>/versions/<version>")
    @openapi("One version.", ModelVersion, errors=(404,))
    def get(name: str, version: str) -> Response:
        return jsonify(model_resource(models.get(name, _version(version))))

    @routes.get("/models/<name>/versions/<version>/content")
    @openapi(
        "The files of a version.",
        {200: Answer(text="A tar of the files.", media_type="application/x-tar")},
        errors=(404,),
    )
    def content(name: str, version: str) -> Response:
        files = [(path, _opener(source)) for path, source in models.files(name, _version(version))]
        return Response(tar_stream(files), mimetype="application/x-tar")


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _writing_routes(routes: Blueprint, services: Services) -> None:
    models = services.workspace.models

    @routes.post("/models/<name>/versions")
    @openapi(
        "Register a file or a folder as a version.",
        {201: Answer(ModelVersion)},
        body=ModelRequest,
        path_fields=("name",),
        errors=(404, 507),
    )
    def create(name: str) -> tuple[Response, int]:
        request = body_of(ModelRequest, target=f"model {name}", located=partial(model_body, services), name=name)
        return jsonify(model_resource(models.create(request))), 201

    @routes.patch("/models/<name>/versions/<version>")
    @openapi("Hide a version, or undo that.", ModelVersion, body=ModelUpdate, errors=(404, 507))
    def update(name: str, version: str) -> Response:
        body = body_of(ModelUpdate, target=f"model {name}:{version}")
        change = models.archive if body.is_archived else models.restore
        return jsonify(model_resource(change(name, version)))


def _version(text: str) -> str | None:
    return None if text == "latest" else text


def _environment_routes(routes: Blueprint, services: Services) -> None:
    environments = services.workspace.environments
    located = partial(environment_source_body, services)

    @routes.get("/environments")
    @openapi(
        "Every registered environment, or every curated one.", EnvironmentVersions, query=("curated", "includeValues")
    )
    def list_environments() -> Response:
        listed = environments.list_curated() if query_bool("curated") else environments.list_versions()
        include_values = values_are_asked_for()
        shown = [_resource(services, environments.shown(e), include_values=include_values) for e in listed]
        return answer_with_values({"value": shown}, include_values=include_values)

    @routes.post("/environments")
    @openapi(
        "Register an environment, by its document or its file.",
        {201: Answer(EnvironmentVersion)},
        body=EnvironmentSource,
        errors=(404, 507),
    )
    def create_environment() -> tuple[Response, int]:
        environment = environments.register(_described(services, body_of(EnvironmentSource, located=located)))
        return jsonify(_resource(services, environments.shown(environment))), 201


def _build_routes(routes: Blueprint, services: Services) -> None:
    environments = services.workspace.environments
    located = partial(environment_source_body, services)

    @routes.post("/environments/resolve")
    @openapi(
        "The environment that a file or a name means, as it would be built.",
        EnvironmentVersion,
        body=EnvironmentChoice,
        query=("includeValues",),
        errors=(404, 503),
    )
    @needs("viewer")
    def resolve() -> Response:
        include_values = values_are_asked_for()
        body = body_of(EnvironmentChoice, located=located)
        found = _resolved(services, body)
        return answer_with_values(
            _resource(services, found, include_values=include_values), include_values=include_values
        )

    @routes.post("/environments/build")
    @openapi(
        "Build an environment's image.",
        {202: Answer(OperationBegun, headers=POLLED)},
        body=BuildRequest,
        errors=(404, 503),
    )
    def build() -> tuple[Response, int, dict[str, str]]:
        body = body_of(BuildRequest, located=located)
        environment = _for_platform(_named(services, body), body.platform)

        def work(progress: Progress) -> Json:
            return {"image": environments.build(environment, progress).reference}

        operation = services.operations.start(work)
        return jsonify({"operation": operation.id}), 202, poll_headers(operation)


def _resource(services: Services, environment: Environment, *, include_values: bool = False) -> Json:
    environments = services.workspace.environments
    digest, dockerfile = environments.digest_and_dockerfile(environment, reveal=include_values)
    return environment_resource(environment, digest, dockerfile, include_values=include_values)


def _resolved(services: Services, body: EnvironmentChoice) -> Environment:
    """Return the environment of a body, as it would be built.

    That checks whether its channels respond, with requests to hosts that the environment names: for a viewer no channel
    is checked, and an environment in the body is not resolved.
    """
    if caller().may("deployer"):
        return _named(services, body)
    if body.name is None:
        check_role("deployer")
    environments = services.workspace.environments
    return environments.shown(environments.get(body.name or ""), body.conda)


def _for_platform(environment: Environment, platform: str | None) -> Environment:
    if platform is None:
        return environment
    return Environment.parse(
        environment.revealed_document() | {"platform": platform}, target=f"environment {environment.id}"
    )


def _named(services: Services, body: EnvironmentChoice) -> Environment:
    """Return the environment of a body, as it will be built."""
    environments = services.workspace.environments
    found = environments.get(body.name) if body.name is not None else _described(services, body)
    return environments.decided(found, body.conda)


def _described(services: Services, body: EnvironmentSource | EnvironmentChoice) -> Environment:
    return body.environment or services.workspace.environments.read(Path(body.file or ""))
