"""Routes for online endpoints and deployments."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from emulator.control_api.paths import deployment_body
from emulator.control_api.requests import Services, flag, json_body, number
from emulator.control_api.resources import (
    WORKSPACE_PATH,
    Json,
    Shown,
    deployment_resource,
    endpoint_resource,
    keys_document,
    token_document,
)
from emulator.control_api.streams import line_stream
from emulator.entities import DeploymentRequest, EndpointRequest, OnlineDeployment
from emulator.errors import BadArgument
from emulator.workspace.effects import Progress


def endpoint_routes(services: Services) -> Blueprint:
    """`{workspace}/onlineEndpoints…`."""
    routes = Blueprint("endpoints", __name__)
    endpoints, deployments = services.workspace.endpoints, services.workspace.deployments

    def resource(name: str) -> Json:
        return _resource(services, name)

    @routes.get("/onlineEndpoints")
    def list_all() -> Response:
        return jsonify({"value": [resource(name) for name in endpoints.list_names()]})

    @routes.get("/onlineEndpoints/<name>")
    def get(name: str) -> Response:
        return jsonify(resource(name))

    @routes.put("/onlineEndpoints/<name>")
    def create_or_update_endpoint(name: str) -> Response:
        wanted = EndpointRequest.parse({**json_body(), "name": name}, target=f"endpoint {name}")
        endpoints.create_or_update(wanted)
        return jsonify(resource(name))

    @routes.delete("/onlineEndpoints/<name>")
    def delete(name: str) -> Response:
        deployments.delete_endpoint(name)
        return jsonify({})

    @routes.patch("/onlineEndpoints/<name>")
    def update(name: str) -> Response:
        body = json_body()
        if "traffic" not in body and "mirrorTraffic" not in body:
            raise BadArgument("the body names neither traffic nor mirrorTraffic")
        endpoints.update_traffic(name, _percents(body, "traffic"), _percents(body, "mirrorTraffic"))
        return jsonify(resource(name))

    _credential_routes(routes, services)
    _deployment_routes(routes, services)
    _insight_routes(routes, services)
    return routes


def _resource(services: Services, name: str) -> Json:
    workspace = services.workspace
    shown = [_shown(services, deployment) for deployment in workspace.deployments.list_of(name)]
    document = endpoint_resource(workspace.endpoints.get(name), shown, services.addresses())
    measured = (one for one in services.metrics() if one.endpoint == name)
    document["amlemu"]["requests_abandoned"] = sum(sum(one.abandoned.values()) for one in measured)
    return document


def _credential_routes(routes: Blueprint, services: Services) -> None:
    endpoints = services.workspace.endpoints

    @routes.post("/onlineEndpoints/<name>/listKeys")
    def list_keys(name: str) -> Response:
        return jsonify(keys_document(endpoints.get_keys(name), endpoints.get(name)))

    @routes.post("/onlineEndpoints/<name>/token")
    def get_token(name: str) -> Response:
        return jsonify(token_document(endpoints.get_token(name), endpoints.get(name)))

    @routes.post("/onlineEndpoints/<name>/regenerateKeys")
    def regenerate_keys(name: str) -> Response:
        body = json_body()
        value = body.get("keyValue")
        if value is not None and not isinstance(value, str):
            raise BadArgument("keyValue must be a text", target=f"endpoint {name}")
        which = str(body.get("keyType", "")).lower()
        return jsonify(keys_document(endpoints.regenerate_keys(name, which, value or None), endpoints.get(name)))


def _deployment_routes(routes: Blueprint, services: Services) -> None:
    deployments = services.workspace.deployments
    one = "/onlineEndpoints/<name>/deployments/<deployment>"

    @routes.get("/onlineEndpoints/<name>/deployments")
    def list_deployments(name: str) -> Response:
        return jsonify({"value": [deployment_resource(*_shown(services, d)) for d in deployments.list_of(name)]})

    @routes.get(one)
    def get_deployment(name: str, deployment: str) -> Response:
        return jsonify(deployment_resource(*_shown(services, deployments.get(name, deployment))))

    @routes.put(one)
    def create_or_update(name: str, deployment: str) -> tuple[Response, int, dict[str, str]]:
        document = {**deployment_body(services, json_body()), "endpoint_name": name, "name": deployment}
        wanted = DeploymentRequest.parse(document, target=f"deployment {deployment} of endpoint {name}")

        def work(progress: Progress) -> object:
            return deployments.create_or_update(wanted, progress)

        operation = services.operations.start(work)
        follow = f"{WORKSPACE_PATH}/mfeOperationsStatus/{operation.id}"
        return jsonify({"operation": operation.id}), 202, {"Azure-AsyncOperation": follow}

    @routes.delete(one)
    def delete_deployment(name: str, deployment: str) -> Response:
        deployments.delete(name, deployment)
        return jsonify({})


def _insight_routes(routes: Blueprint, services: Services) -> None:
    """What a deployment says, and what it sees."""
    deployments, collecting = services.workspace.deployments, services.workspace.collecting

    @routes.get("/onlineEndpoints/<name>/logs")
    def get_logs(name: str) -> Response:
        lines = deployments.get_logs(
            name,
            request.args.get("deployment"),
            tail=number("tail"),
            follow=flag("follow"),
            instance=number("instance") or 0,
        )
        return Response(line_stream(lines), mimetype="application/x-ndjson")

    @routes.get("/onlineEndpoints/<name>/tree")
    def tree(name: str) -> Response:
        deployment = deployments.get(name, request.args.get("deployment"))
        files = deployments.tree(name, deployment.name)
        variables = deployments.platform_variables(deployment)
        return jsonify({"files": [{"path": p, "size": s} for p, s in files], "variables": variables})

    @routes.get("/onlineEndpoints/<name>/requests")
    def requests(name: str) -> Response:
        lines = deployments.get_request_log(name, tail=number("tail"), follow=flag("follow"))
        return Response(line_stream(lines), mimetype="application/x-ndjson")

    @routes.get("/onlineEndpoints/<name>/collected")
    def collected(name: str) -> Response:
        deployment, collection = request.args.get("deployment"), request.args.get("collection")
        lines = collecting.get_collected(
            deployments.get(name, deployment), collection, tail=number("tail"), follow=flag("follow")
        )
        return Response(line_stream(lines), mimetype="application/x-ndjson")

    @routes.get("/onlineEndpoints/<name>/insights")
    def insights(name: str) -> Response:
        endpoint = services.workspace.endpoints.get(name)
        lines = collecting.get_insights_log(endpoint.name, tail=number("tail"), follow=flag("follow"))
        return Response(line_stream(lines), mimetype="application/x-ndjson")

    @routes.get("/onlineEndpoints/<name>/events")
    def events(name: str) -> Response:
        lines = deployments.get_event_log(name, tail=number("tail"), follow=flag("follow"))
        return Response(line_stream(lines), mimetype="application/x-ndjson")


def _shown(services: Services, deployment: OnlineDeployment) -> Shown:
    health = services.workspace.health
    return deployment, health.instances(deployment.endpoint_name, deployment.name)


def _percents(body: Json, key: str) -> dict[str, int] | None:
    if key not in body:
        return None
    percents = body[key]
    if not isinstance(percents, dict) or not all(type(percent) is int for percent in percents.values()):
        raise BadArgument(f"{key} must map names of deployments to whole percents")
    return percents
