"""The control API as its OpenAPI document has it, asked by Schemathesis: what it allows, and what it does not.

The engine is a fake, so what random words deploy comes to nothing; paths lead below a folder of the test.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from core_support import ADMIN, House
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case, GenerationMode
from schemathesis.core import NotSet
from schemathesis.specs.openapi import checks
from served import Served, serving

DOCUMENT = Path(__file__).parents[2] / "docs/schemas/control-api.json"
BEARER = {"Authorization": f"Bearer {ADMIN}"}
CONFIG = schemathesis.Config.from_dict(
    {
        "generation": {"with-security-parameters": False, "deterministic": True},
        # Of those from 500 on, 507 alone can be an answer to what is in order: more than there is room for.
        "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "507"]}},
    }
)
SCHEMA = schemathesis.openapi.from_path(DOCUMENT, config=CONFIG)
LONG = schemathesis.openapi.from_path(DOCUMENT, config=CONFIG)
# What is in order by its schema may be wrong all the same: a path where nothing is, a name that is taken.
NOT_CHECKED = [checks.positive_data_acceptance, checks.missing_required_header]
KNOWN = {
    "onlineEndpoints": "iris",
    "models": "m",
    "deployments": "blue",
    "versions": "1",
    "tokens": "ci",
    "files": "0" * 64,
}
REFUSED = {(400, "BadArgument"), (404, "ResourceNotFound")}
# What is in order but for the name.
VALID = {
    ("PATCH", "{version}"): b'{"isArchived": true}',
    ("PATCH", "{name}"): b'{"traffic": {"blue": 100}}',
    ("POST", "regenerateKeys"): b'{"keyType": "Primary"}',
    ("POST", "versions"): b'{"path": "/none"}',
}
ENDS = ("mfeOperationsStatus", "mfeOperationResults")


class World:
    """A house with one of everything."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.folder = served.house.folder
        self.model = self.folder / "model.pkl"
        self.model.write_text("weights")
        self.environment = self.folder / "conda.yml"
        self.environment.write_text("name: sk\ndependencies: [python=3.9]\n")
        self.make("POST", "/models/m/versions", path=str(self.model))
        self.make("POST", "/environments", file=str(self.environment))
        self.make("POST", "//_amlemu/tokens", name="ci", role="viewer")
        self.make("PUT", "/onlineEndpoints/iris/deployments/blue", models=["m"], **self.deployment())
        served.operations.get("op0").wait(10)
        assert served.operations.get("op0").status == "Succeeded"

    def make(self, method: str, path: str, /, **body: Any) -> None:
        answer = self.served.ask(method, path, json=body, headers=BEARER)
        assert answer.status_code == 201, answer.text

    def deployment(self) -> dict[str, Any]:
        return {"code": str(self.served.house.code), "scoring_script": "score.py"}

    def ask(self, case: Case) -> None:
        """Ask, and hold the answer against the document."""
        self._bound(case)
        excluded = list(NOT_CHECKED)
        if isinstance(case.body, NotSet) and not any(body.is_required for body in case.operation.body):
            excluded.append(checks.negative_data_rejection)  # an optional body that is not there is no violation
        case.call_and_validate(base_url=self.served.url, headers=BEARER, excluded_checks=excluded, timeout=10)
        assert self.served.reported == [], case.as_curl_command()

    def _bound(self, case: Case) -> None:
        """Nothing that leads out of the folder or goes on for ever; where all is in order, to things that are there."""
        case.body = self._below(case.body)
        if case.query and str(case.query.get("follow")).lower() == "true":
            case.query["follow"] = "false"
        if case.query and str(case.query.get("offset", "")).isdecimal():
            case.query["offset"] = "0"  # a piece that comes before its time is waited for
        if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
            self._lead_to_what_is_there(case)

    def _below(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._below(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._below(one) for one in value]
        if isinstance(value, str) and value.startswith(("/", "\\")):
            return str(self.folder / "none") + value
        return value

    def _lead_to_what_is_there(self, case: Case) -> None:
        parts = case.path.split("/")
        for place, part in enumerate(parts):
            if part.startswith("{"):
                before = parts[place - 1]
                case.path_parameters[part[1:-1]] = "op0" if before in ENDS else KNOWN[before]
        if isinstance(case.body, dict):
            there = {"path": str(self.model), "file": str(self.environment), **self.deployment()}
            case.body.update({key: value for key, value in there.items() if isinstance(case.body.get(key), str)})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    house = House(tmp_path)
    with serving(house) as served:
        yield World(served)
        served.operations.cancel_all(10.0)
    house.settle()


@SCHEMA.parametrize()
@settings(
    max_examples=20,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_as_documented(case: Case, world: World) -> None:
    world.ask(case)


@pytest.mark.slow
@LONG.parametrize()
@settings(
    max_examples=400,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_as_documented_for_long(case: Case, world: World) -> None:
    world.ask(case)


ODD_NAMES = [
    "%00",
    "iris%00",
    "%2e%2e",
    "..%2f..%2fworkspace",
    "..%2firis",
    "%2fetc%2fpasswd",
    "..%5c..%5cworkspace",
    "iris%0d%0aX-Evil:%201",
    "%ff%fe",
    "%F0%9F%A6%84",
    "%ED%A0%80",
    "*",
    "iris%20",
    "%25%32%46",
    "~",
    "-rf",
    "a" * 256,
    "a" * 5000,
    "%41" * 20_000,
]
ROUTES = [
    (method.upper(), path)
    for path, methods in json.loads(DOCUMENT.read_text())["paths"].items()
    for method in methods
    if "{" in path and method != "parameters"
]


def raw(port: int, method: str, target: str, body: bytes = b"{}") -> tuple[int, dict[str, Any]]:
    """Sent as it is: a client would mend the path.  Status, and the error."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with closing(connection):
        connection.putrequest(method, target)
        connection.putheader("Authorization", BEARER["Authorization"])
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())["error"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_odd_names_anywhere(world: World, method: str, path: str) -> None:
    before = sorted(world.folder.rglob("*"))
    parts = path.split("/")
    for place in [place for place, part in enumerate(parts) if part.startswith("{")]:
        for name in ODD_NAMES:
            known = [KNOWN.get(parts[i - 1], "op0") if part.startswith("{") else part for i, part in enumerate(parts)]
            known[place] = name
            status, error = raw(world.served.port, method, "/".join(known), VALID.get((method, parts[-1]), b"{}"))
            assert (status, error["code"]) in REFUSED, f"{name}: {error}"
            assert world.served.reported == []
    assert sorted(world.folder.rglob("*")) == before, "nothing was made and nothing removed"
