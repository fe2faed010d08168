"""Routes that read the parts of an endpoint, to deploy it elsewhere."""

from __future__ import annotations

from flask import Blueprint, Response

from emulator.control_api.access import values_are_asked_for
from emulator.control_api.json_text import answer_with_values
from emulator.control_api.openapi_metadata import Answer, openapi
from emulator.control_api.request_parsing import Services, match_names_ignoring_case
from emulator.control_api.response_schemas import Export
from emulator.control_api.tar_stream import tar_stream

_TAR = {200: Answer(text="A tar of the files.", media_type="application/x-tar")}


def export_routes(services: Services) -> Blueprint:
    """`{workspace}/onlineEndpoints/<name>/export` and the files beside it."""
    routes = Blueprint("exports", __name__)
    match_names_ignoring_case(routes, services)
    exports, deployments = services.workspace.exports, services.workspace.deployments
    one = "/onlineEndpoints/<name>/deployments/<deployment>"

    @routes.get("/onlineEndpoints/<name>/export")
    @openapi("Everything that an endpoint is made of.", Export, query=("includeValues",), errors=(404, 503))
    def document(name: str) -> Response:
        include_values = values_are_asked_for()
        document = exports.document(name, include_values=include_values)
        return answer_with_values(document, include_values=include_values)

    @routes.get(f"{one}/code")
    @openapi("The deployment's code.", _TAR, errors=(404,))
    def code(name: str, deployment: str) -> Response:
        files = exports.code_files(deployments.get(name, deployment))
        return Response(tar_stream(files), mimetype="application/x-tar")

    @routes.get(f"{one}/context")
    @openapi("The build context of the deployment's environment.", _TAR, errors=(404,))
    def context(name: str, deployment: str) -> Response:
        files = exports.context_files(deployments.get(name, deployment))
        return Response(tar_stream(files), mimetype="application/x-tar")

    @routes.get(f"{one}/layout")
    @openapi("What the deployment's containers see at /var/azureml-app.", _TAR, errors=(404,))
    def layout(name: str, deployment: str) -> Response:
        files = exports.layout_files(deployments.get(name, deployment))
        return Response(tar_stream(files), mimetype="application/x-tar")

    return routes
