"""The OpenAPI document: current, whole, well-formed, and what the routes answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from served import Served

from emulator.azure_paths import WORKSPACE_PATH
from emulator.control_api import create_control_api
from emulator.control_api.api_version import API_VERSION
from emulator.control_api.openapi import described_routes, openapi_document
from emulator.control_api.openapi_metadata import QUERY
from emulator.control_api.response_schemas import Health
from emulator.control_api.statuses import STATUSES

FILE = Path(__file__).parents[2] / "docs/schemas/control-api.json"


@pytest.fixture
def document(served: Served) -> dict[str, Any]:
    found: dict[str, Any] = served.ask("GET", "//_amlemu/openapi.json").json()
    return found


def test_the_file_is_current(document: dict[str, Any]) -> None:
    assert json.loads(FILE.read_text()) == document, "run `make schemas`"


def test_it_is_of_this_version(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == API_VERSION


def test_every_route_is_documented_and_nothing_else(served: Served, document: dict[str, Any]) -> None:
    flask = create_control_api(served.services)
    routes = {
        (rule.rule.replace("<", "{").replace(">", "}"), method.lower())
        for rule in flask.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(path, method) for path, method, _ in operations(document)} == routes
    assert len(routes) > 40


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def test_a_route_without_a_description_is_found(served: Served) -> None:
    flask = create_control_api(served.services)
    flask.add_url_rule("/new", view_func=lambda: "")
    with pytest.raises(LookupError, match="/new is not described"):
        list(described_routes(flask))


def test_two_documents_are_one(served: Served) -> None:
    first, second = (json.dumps(openapi_document(create_control_api(served.services))) for _ in range(2))
    assert first == second


def test_every_schema_is_one(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert {"ModelRequest", "DeploymentRequest", "EndpointRequest", "ErrorAnswer", "Endpoint"} <= schemas.keys()
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = list(references(document))
    assert len(found) > 300
    for reference in found:
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    assert all(operation["summary"].endswith(".") for _, _, operation in operations(document))


def test_roles_in_the_document(document: dict[str, Any]) -> None:
    paths = document["paths"]
    assert paths["/_amlemu/health"]["get"]["x-amlemu-role"] == "nobody"
    assert paths["/_amlemu/health"]["get"]["security"] == []
    assert paths["/_amlemu/shutdown"]["post"]["x-amlemu-role"] == "admin"
    assert paths[f"{WORKSPACE_PATH}/onlineEndpoints"]["get"]["x-amlemu-role"] == "viewer"
    assert paths[f"{WORKSPACE_PATH}/onlineEndpoints/{{name}}"]["put"]["x-amlemu-role"] == "deployer"
    assert document["security"] == [{"bearer": []}]


def test_fields_of_the_path_are_optional_in_the_body(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert "required" not in schemas["DeploymentRequest"] or schemas["DeploymentRequest"]["required"] == []
    assert schemas["DeploymentRequest"]["properties"]["endpoint_name"]["type"] == "string"
    body = document["paths"][f"{WORKSPACE_PATH}/onlineEndpoints/{{name}}/deployments/{{deployment}}"]["put"]
    assert body["requestBody"]["required"] is True


def test_every_status_of_an_error_is_documented(document: dict[str, Any]) -> None:
    """Each error's status is one of some operation, and each failure has the one form."""
    told = {int(status) for status in document["components"]["responses"]}
    assert set(STATUSES.values()) <= told
    for response in document["components"]["responses"].values():
        assert response["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}


def test_streams_may_be_too_many(document: dict[str, Any]) -> None:
    """Whatever has a thread of the server for as long as its client listens."""
    endpoint = f"{WORKSPACE_PATH}/onlineEndpoints/{{name}}"
    for path in (f"{endpoint}/logs", f"{WORKSPACE_PATH}/mfeOperationsStatus/{{operation_id}}/events"):
        assert "507" in document["paths"][path]["get"]["responses"]
    assert "507" not in document["paths"][endpoint]["get"]["responses"]


def test_every_query_parameter_is_used(document: dict[str, Any]) -> None:
    used = {
        p["name"] for _, _, operation in operations(document) for p in operation["parameters"] if p["in"] == "query"
    }
    assert used == set(QUERY)


def test_a_health_that_changes_is_noticed(served: Served) -> None:
    """The shapes are closed: a field too many or too few breaks the contract."""
    Health.model_validate(served.ask("GET", "//_amlemu/health").json())
    with pytest.raises(ValueError, match="Extra inputs"):
        Health.model_validate({"status": "ok", "version": "1", "home": "/"})


def test_the_document_is_made_once(served: Served) -> None:
    first = served.ask("GET", "//_amlemu/openapi.json")
    assert first.headers["Content-Type"] == "application/json"
    assert served.ask("GET", "//_amlemu/openapi.json").content == first.content
