"""Routes of the server itself: health, readiness, description, shutdown, maintenance and metrics."""

from __future__ import annotations

import functools
import json

from flask import Blueprint, Flask, Response, current_app, jsonify

from emulator.control_api.access import caller, needs, takes_paths
from emulator.control_api.api_version import API_VERSION
from emulator.control_api.metrics import metrics_text
from emulator.control_api.openapi_metadata import Answer, openapi
from emulator.control_api.readiness import blocking_conditions
from emulator.control_api.request_parsing import Services, body_of
from emulator.control_api.request_schemas import PruneRequest, ShutdownRequest
from emulator.control_api.response_schemas import Damaged, Health, Info, OpenApi, Pruned, Ready, Stopping
from emulator.errors import ResourceNotReady


def system_routes(services: Services) -> Blueprint:
    """`/_amlemu/…`."""
    routes = Blueprint("own", __name__)
    _state_routes(routes, services)
    _damage_routes(routes, services)
    _document_routes(routes, services)
    _verb_routes(routes, services)
    return routes


def _state_routes(routes: Blueprint, services: Services) -> None:
    @routes.get("/health")
    @openapi("Whether the server lives.", Health)
    def health() -> Response:
        # No token is needed, so it tells nothing of this machine.
        return jsonify({"status": "ok", "version": services.describe()["version"]})

    @routes.get("/ready")
    @openapi("Whether everything is there that the emulator was started for.", Ready, errors=(503,))
    def ready() -> tuple[Response, int]:
        if why := blocking_conditions(services.conditions):
            error = ResourceNotReady("; ".join(why), target="emulator", hint="ask again in a moment")
            return jsonify({"error": error.to_dict()}), 503
        return jsonify({"status": "ready"}), 200

    @routes.get("/info")
    @openapi("Who the server is, and how it was set.", Info)
    def info() -> Response:
        who = {"caller": caller().name, "role": caller().role, "takes_paths": takes_paths(services)}
        return jsonify({**services.describe(), "api_version": API_VERSION, **who})


def _damage_routes(routes: Blueprint, services: Services) -> None:
    @routes.get("/damage")
    @openapi("What of the home cannot be read, and which resources that takes out of service.", Damaged)
    def damage() -> Response:
        found = services.workspace.damage()
        value = [{"resource": d.resource, "file": d.file, "fault": d.fault} for d in found]
        return jsonify({"value": value, "kept": services.workspace.kept_for_damage()})


def _document_routes(routes: Blueprint, services: Services) -> None:
    @routes.get("/openapi.json", endpoint="openapi")
    @openapi("This document.", {200: Answer(OpenApi, "An OpenAPI document.")})
    def get_openapi() -> Response:
        return Response(_openapi_text(current_app), content_type="application/json")

    @routes.get("/metrics")
    @openapi(
        "How endpoints and their containers are doing.",
        {200: Answer(text="Azure Monitor's metrics in Prometheus' text format.", media_type="text/plain")},
    )
    def metrics() -> Response:
        return Response(_metrics_page(services), content_type="text/plain; version=0.0.4; charset=utf-8")


def _verb_routes(routes: Blueprint, services: Services) -> None:
    @routes.post("/shutdown")
    @openapi("End the server.", Stopping, body=ShutdownRequest, body_is_optional=True)
    @needs("admin")
    def shutdown() -> Response:
        services.shutdown(body_of(ShutdownRequest, optional=True).keep_containers)
        return jsonify({"status": "stopping"})

    @routes.post("/prune")
    @openapi(
        "Remove what nothing uses any more.",
        Pruned,
        body=PruneRequest,
        body_is_optional=True,
        errors=(409, 503),
    )
    @needs("admin")
    def prune() -> Response:
        dry_run = body_of(PruneRequest, optional=True).dry_run
        return jsonify({"removed": services.workspace.prune(dry_run=dry_run)})


@functools.cache
def _openapi_text(flask: Flask) -> str:
    from emulator.control_api.openapi import openapi_document  # loaded on request, not at every start

    return json.dumps(openapi_document(flask))


def _metrics_page(services: Services) -> bytes:
    workspace = services.workspace
    capacity = {
        (name, deployment.name): workspace.health.instances(name, deployment.name)
        for name in workspace.endpoints.list_names()
        for deployment in workspace.deployments.list_of(name)
    }
    collected = workspace.collecting.counts.minute()
    return metrics_text(services.metrics(), capacity, workspace.resource_usage.measure(), collected)
