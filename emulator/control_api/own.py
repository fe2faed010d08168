"""Routes of the server itself: whether it lives, whether it is ready, who it is, how it ends."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from emulator.control_api.access import caller, needs, takes_paths
from emulator.control_api.api_version import API_VERSION
from emulator.control_api.metrics import metrics_text
from emulator.control_api.readiness import in_the_way
from emulator.control_api.requests import Services, json_body
from emulator.errors import ResourceNotReady


def own_routes(services: Services) -> Blueprint:
    """`/_amlemu/…`."""
    routes = Blueprint("own", __name__)

    @routes.get("/health")
    @needs("nobody")
    def health() -> Response:
        # Anybody may ask, so it tells nothing of this machine.
        return jsonify({"status": "ok", "version": services.describe()["version"]})

    @routes.get("/ready")
    @needs("nobody")
    def ready() -> tuple[Response, int]:
        if why := in_the_way(services.conditions):
            error = ResourceNotReady("; ".join(why), target="emulator", hint="ask again in a moment")
            return jsonify({"error": error.to_dict()}), 503
        return jsonify({"status": "ready"}), 200

    @routes.get("/info")
    def info() -> Response:
        who = {"caller": caller().name, "role": caller().role, "takes_paths": takes_paths(services)}
        return jsonify({**services.describe(), "api_version": API_VERSION, **who})

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(_metrics_page(services), content_type="text/plain; version=0.0.4; charset=utf-8")

    @routes.post("/shutdown")
    @needs("admin")
    def shutdown() -> Response:
        keep = bool(json_body(optional=True).get("keep_containers"))
        services.shutdown(keep)
        return jsonify({"status": "stopping"})

    @routes.post("/prune")
    @needs("admin")
    def prune() -> Response:
        dry_run = bool(json_body(optional=True).get("dry_run"))
        return jsonify({"removed": services.workspace.prune(dry_run=dry_run)})

    return routes


def _metrics_page(services: Services) -> bytes:
    workspace = services.workspace
    capacity = {
        (name, deployment.name): workspace.health.instances(name, deployment.name)
        for name in workspace.endpoints.list_names()
        for deployment in workspace.deployments.list_of(name)
    }
    collected = workspace.collecting.counts.minute()
    return metrics_text(services.metrics(), capacity, workspace.uses.measure(), collected)
