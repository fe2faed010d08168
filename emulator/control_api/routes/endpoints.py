"""Routes for online endpoints and deployments."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from flask import Blueprint, Response, jsonify, request

from emulator.control_api.access import needs
from emulator.control_api.file_paths import deployment_body
from emulator.control_api.json_text import revealed
from emulator.control_api.openapi_metadata import NOTHING, POLLED, Answer, openapi
from emulator.control_api.request_parsing import Services, body_of, match_names_ignoring_case, query_bool, query_int
from emulator.control_api.request_schemas import AnsweredRequest, EndpointUpdate, RegenerateKeys
from emulator.control_api.resources import (
    Json,
    Shown,
    deployment_begun,
    deployment_resource,
    endpoint_resource,
    keys_document,
    token_document,
)
from emulator.control_api.response_schemas import (
    Deployment,
    DeploymentBegun,
    Deployments,
    Endpoint,
    Endpoints,
    Explained,
    Keys,
    LayoutTree,
    Token,
)
from emulator.control_api.routes.operations import poll_headers
from emulator.control_api.streams import line_stream
from emulator.diagnosis import Answered
from emulator.entities import DeploymentRequest, EndpointRequest, OnlineDeployment, OnlineEndpoint
from emulator.errors import DamagedDocument, ResourceNotFound
from emulator.secret import mask_credentials
from emulator.workspace.effects import Progress

_LINES = {200: Answer(text="Each line as a JSON text on a line of its own.", media_type="application/x-ndjson")}


def endpoint_routes(services: Services) -> Blueprint:
    """`{workspace}/onlineEndpoints…`."""
    routes = Blueprint("endpoints", __name__)

    match_names_ignoring_case(routes, services)
    _reading_routes(routes, services)
    _writing_routes(routes, services)
    _credential_routes(routes, services)
    _deployment_routes(routes, services)
    _insight_routes(routes, services)
    _log_routes(routes, services)
    return routes


def _reading_routes(routes: Blueprint, services: Services) -> None:
    @routes.get("/onlineEndpoints")
    @openapi("Every endpoint.", Endpoints)
    def list_all() -> Response:
        return jsonify({"value": list(_resources(services))})

    @routes.get("/onlineEndpoints/<name>")
    @openapi("One endpoint.", Endpoint, errors=(404,))
    def get(name: str) -> Response:
        return jsonify(_resource(services, name))


def _writing_routes(routes: Blueprint, services: Services) -> None:
    endpoints, deployments = services.workspace.endpoints, services.workspace.deployments

    @routes.put("/onlineEndpoints/<name>")
    @openapi(
        "Create an endpoint, or update it; its deployments, its keys and its traffic stay.",
        Endpoint,
        body=EndpointRequest,
        path_fields=("name",),
        errors=(409, 507),
    )
    def create_or_update_endpoint(name: str) -> Response:
        wanted = body_of(EndpointRequest, target=f"endpoint {name}", ignore_case=True, name=name)
        endpoints.create_or_update(wanted)
        return jsonify(_resource(services, wanted.name))

    @routes.delete("/onlineEndpoints/<name>")
    @openapi(
        "Remove an endpoint and all of its deployments.",
        {200: NOTHING},
        errors=(404, 409, 503),
    )
    def delete(name: str) -> Response:
        deployments.delete_endpoint(name)
        return jsonify({})

    @routes.patch("/onlineEndpoints/<name>")
    @openapi(
        "Set the traffic of an endpoint, live and mirrored.",
        Endpoint,
        body=EndpointUpdate,
        errors=(404, 409, 507),
    )
    def update(name: str) -> Response:
        body = body_of(EndpointUpdate, target=f"endpoint {name}")
        endpoints.update_traffic(name, body.traffic, body.mirror_traffic)
        return jsonify(_resource(services, name))


def _resource(services: Services, name: str) -> Json:
    document = _resource_of(services, services.workspace.endpoints.get(name))
    if damage := services.workspace.endpoints.damage(name):
        document["amlemu"]["damaged"] = [str(one) for one in damage]
    return document


def _resources(services: Services) -> Iterator[Json]:
    for endpoint in services.workspace.endpoints.all():
        with contextlib.suppress(ResourceNotFound, DamagedDocument):  # deleted or damaged meanwhile
            yield _resource_of(services, endpoint)


def _resource_of(services: Services, endpoint: OnlineEndpoint) -> Json:
    shown = [_shown(services, deployment) for deployment in services.workspace.deployments.list_of(endpoint.name)]
    document = endpoint_resource(endpoint, shown, services.addresses())
    document["amlemu"]["requests_abandoned"] = sum(services.abandoned(endpoint.name, d.name) for d, _ in shown)
    document["amlemu"]["out_of_service"] = services.workspace.endpoints.out_of_service(endpoint.name)
    return document


def _credential_routes(routes: Blueprint, services: Services) -> None:
    endpoints = services.workspace.endpoints

    @routes.post("/onlineEndpoints/<name>/listKeys")
    @openapi("Both keys.", Keys, errors=(404,))
    def list_keys(name: str) -> Response:
        return revealed(keys_document(endpoints.get_keys(name), endpoints.get(name)))

    @routes.post("/onlineEndpoints/<name>/token")
    @openapi("A new token.", Token, errors=(404,))
    def get_token(name: str) -> Response:
        return revealed(token_document(endpoints.get_token(name), endpoints.get(name)))

    @routes.post("/onlineEndpoints/<name>/regenerateKeys")
    @openapi("Replace a key.", Keys, body=RegenerateKeys, errors=(404, 409, 507))
    def regenerate_keys(name: str) -> Response:
        body = body_of(RegenerateKeys, target=f"endpoint {name}")
        keys = endpoints.regenerate_keys(name, body.key_type.lower(), body.key_value or None)
        return revealed(keys_document(keys, endpoints.get(name)))


def _deployment_routes(routes: Blueprint, services: Services) -> None:
    deployments = services.workspace.deployments
    one = "/onlineEndpoints/<name>/deployments/<deployment>"

    @routes.get("/onlineEndpoints/<name>/deployments")
    @openapi("Every deployment of an endpoint.", Deployments, errors=(404,))
    def list_deployments(name: str) -> Response:
        return jsonify({"value": [deployment_resource(*_shown(services, d)) for d in deployments.list_of(name)]})

    @routes.get(one)
    @openapi("One deployment.", Deployment, errors=(404,))
    def get_deployment(name: str, deployment: str) -> Response:
        return jsonify(deployment_resource(*_shown(services, deployments.get(name, deployment))))

    @routes.put(one)
    @openapi(
        "Create a deployment, or update it: an operation that ends when it serves.",
        {200: Answer(DeploymentBegun, headers=POLLED), 201: Answer(DeploymentBegun, headers=POLLED)},
        body=DeploymentRequest,
        path_fields=("endpoint_name", "name"),
        errors=(404,),
    )
    def create_or_update(name: str, deployment: str) -> tuple[Response, int, dict[str, str]]:
        target = f"deployment {deployment} of endpoint {name}"
        located = partial(deployment_body, services)
        wanted = body_of(
            DeploymentRequest,
            target=target,
            located=located,
            ignore_case=True,
            endpoint_name=name,
            name=deployment,
        )

        def work(progress: Progress) -> Json:
            return deployment_resource(*_shown(services, deployments.create_or_update(wanted, progress)))

        is_new = _is_new(services, wanted.endpoint_name, wanted.name)
        operation = services.operations.start(work)
        begun = deployment_begun(wanted.endpoint_name, wanted.name, operation.id, is_new=is_new)
        return jsonify(begun), 201 if is_new else 200, poll_headers(operation)

    @routes.delete(one)
    @openapi("Remove a deployment.", {200: NOTHING}, errors=(404, 409, 503))
    def delete_deployment(name: str, deployment: str) -> Response:
        deployments.delete(name, deployment)
        return jsonify({})


def _insight_routes(routes: Blueprint, services: Services) -> None:
    """Files, explanations, collected data and telemetry of a deployment."""
    deployments, collecting = services.workspace.deployments, services.workspace.collecting

    @routes.get("/onlineEndpoints/<name>/tree")
    @openapi(
        "What lies below /var/azureml-app; models that are mounted elsewhere have absolute paths.",
        LayoutTree,
        query=("deployment",),
        errors=(404,),
    )
    def tree(name: str) -> Response:
        deployment = deployments.get(name, _asked_deployment(services, name))
        files = deployments.tree(name, deployment.name)
        variables = deployments.platform_variables(deployment)
        return jsonify({"files": [{"path": p, "size": s} for p, s in files], "variables": variables})

    @routes.post("/onlineEndpoints/<name>/explain")
    @needs("viewer")
    @openapi("Why a request was answered as it was.", Explained, body=AnsweredRequest, errors=(404,))
    def explain(name: str) -> Response:
        given = body_of(AnsweredRequest, target=f"endpoint {name}")
        answered = Answered(**given.model_dump(exclude={"deployment"}))
        found = services.workspace.explanations.of_answer(name, given.deployment, answered)
        return jsonify({"cause": mask_credentials(str(found)), "hint": mask_credentials(found.hint)})

    @routes.get("/onlineEndpoints/<name>/collected")
    @openapi(
        "The data that a deployment has collected.",
        _LINES,
        query=("deployment", "collection", "tail", "follow"),
        errors=(404,),
    )
    def collected(name: str) -> Response:
        deployment, collection = _asked_deployment(services, name), request.args.get("collection")
        lines = collecting.get_collected(
            deployments.get(name, deployment), collection, tail=query_int("tail"), follow=query_bool("follow")
        )
        return Response(line_stream(lines), mimetype="application/x-ndjson")

    @routes.get("/onlineEndpoints/<name>/insights")
    @openapi("What was sent to Application Insights.", _LINES, query=("tail", "follow"), errors=(404,))
    def insights(name: str) -> Response:
        endpoint = services.workspace.endpoints.get(name)
        lines = collecting.get_insights_log(endpoint.name, tail=query_int("tail"), follow=query_bool("follow"))
        return Response(line_stream(lines), mimetype="application/x-ndjson")


def _log_routes(routes: Blueprint, services: Services) -> None:
    """The logs of containers, requests and events."""
    deployments = services.workspace.deployments

    @routes.get("/onlineEndpoints/<name>/logs")
    @openapi(
        "What a container has written.",
        _LINES,
        query=("deployment", "instance", "tail", "follow"),
        errors=(404, 503),
    )
    def get_logs(name: str) -> Response:
        lines = deployments.get_logs(
            name,
            _asked_deployment(services, name),
            tail=query_int("tail"),
            follow=query_bool("follow"),
            instance=query_int("instance") or 0,
        )
        return Response(line_stream(lines), mimetype="application/x-ndjson")

    @routes.get("/onlineEndpoints/<name>/requests")
    @openapi("The requests that the front door has seen.", _LINES, query=("tail", "follow"), errors=(404,))
    def requests(name: str) -> Response:
        lines = deployments.get_request_log(name, tail=query_int("tail"), follow=query_bool("follow"))
        return Response(line_stream(lines), mimetype="application/x-ndjson")

    @routes.get("/onlineEndpoints/<name>/events")
    @openapi("What has happened to the containers.", _LINES, query=("tail", "follow"), errors=(404,))
    def events(name: str) -> Response:
        lines = deployments.get_event_log(name, tail=query_int("tail"), follow=query_bool("follow"))
        return Response(line_stream(lines), mimetype="application/x-ndjson")


def _asked_deployment(services: Services, name: str) -> str | None:
    """Return the stored name of the deployment in the query."""
    asked = request.args.get("deployment")
    return services.workspace.endpoints.known_name(name, asked) if asked else asked


def _is_new(services: Services, endpoint_name: str, name: str) -> bool:
    try:
        services.workspace.deployments.get(endpoint_name, name)
    except ResourceNotFound:
        return True
    return False


def _shown(services: Services, deployment: OnlineDeployment) -> Shown:
    health = services.workspace.health
    return deployment, health.instances(deployment.endpoint_name, deployment.name)
