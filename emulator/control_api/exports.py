"""Routes that read what an endpoint is made of, to deploy it somewhere else."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from emulator.control_api.access import check_role
from emulator.control_api.requests import Services, flag
from emulator.control_api.tar_stream import tar_stream


def export_routes(services: Services) -> Blueprint:
    """`{workspace}/onlineEndpoints/<name>/export` and the files beside it."""
    routes = Blueprint("exports", __name__)
    exports, deployments = services.workspace.exports, services.workspace.deployments
    one = "/onlineEndpoints/<name>/deployments/<deployment>"

    @routes.get("/onlineEndpoints/<name>/export")
    def document(name: str) -> Response:
        if flag("includeValues"):
            check_role("deployer")
        return jsonify(exports.document(name, include_values=flag("includeValues")))

    @routes.get(f"{one}/code")
    def code(name: str, deployment: str) -> Response:
        files = exports.code_files(deployments.get(name, deployment))
        return Response(tar_stream(files), mimetype="application/x-tar")

    @routes.get(f"{one}/context")
    def context(name: str, deployment: str) -> Response:
        files = exports.context_files(deployments.get(name, deployment))
        return Response(tar_stream(files), mimetype="application/x-tar")

    @routes.get(f"{one}/layout")
    def layout(name: str, deployment: str) -> Response:
        files = exports.layout_files(deployments.get(name, deployment))
        return Response(tar_stream(files), mimetype="application/x-tar")

    return routes
