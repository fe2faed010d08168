"""data_collector and app_insights_enabled with azureml-ai-monitoring itself and the server's own exporter."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from amlemu_process import Environ, amlemu, client_of, json_of, metrics_of, temporary_environ, until
from projects import SERVER, project

from emulator.profiles import rows

PACKAGES = SERVER + "azureml-ai-monitoring==1.0.0\n"
SCRIPT = """
import json, logging, os
import pandas
from azureml.ai.monitoring import Collector
from azureml.ai.monitoring.context import BasicCorrelationContext

def init():
    global inputs, outputs, off
    inputs, outputs = Collector(name="model_inputs"), Collector(name="model_outputs")
    off = Collector(name="not_enabled", on_error=lambda error: print("on_error says:", error))

def run(body):
    asked = json.loads(body)
    if "no_frame" in asked:
        inputs.collect(asked)
    frame = pandas.DataFrame(asked["data"])
    context = inputs.collect(frame, BasicCorrelationContext(id=asked["id"]) if "id" in asked else None)
    off.collect(frame)
    outputs.collect(pandas.DataFrame({"sum": frame.sum(axis=1)}), context)
    print("scored", len(frame))
    return {name: value for name, value in os.environ.items() if name.startswith(("AML", "AZUREML_MDC", "APPLICATION"))}
"""
# Python imports this before anything else: whatever the process reaches for is written down.
WATCH = """
import os, sys

def watch(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if host not in (None, "127.0.0.1", "localhost", "::1", os.environ.get("HOSTNAME")):
        print("REACHES FOR", host, flush=True)

sys.addaudithook(watch)
print("WATCHING", flush=True)
"""
COLLECTIONS = {name: {"enabled": True} for name in ("request", "response", "model_inputs", "model_outputs")}
PAYLOAD = {"data": {"a": [1, 2], "b": [10.5, 20.5]}}


def value(row_id: str) -> Any:
    (row,) = (row for row in rows() if row.id == row_id)
    return row.facts["managed"].value


class Collected:
    """An endpoint of an emulator, what is asked of it, and what is collected of that."""

    def __init__(self, environ: Environ, folder: Path, **request: Any) -> None:
        self.environ = environ
        script = project(folder / "code", SCRIPT, requirements__txt=PACKAGES, sitecustomize__py=WATCH)
        document = {"code": str(script.parent), "scoring_script": script.name, **request}
        amlemu(environ, "up", "--detach")
        with client_of(environ) as client:
            self.endpoint = client.deploy("collect", "blue", document, lambda _kind, _text: None)
        self.key = json_of(environ, "keys", "collect")["primaryKey"]

    @property
    def differences(self) -> list[str]:
        differences: list[str] = self.endpoint["deployments"][0]["differences"]
        return differences

    def score(self, body: Mapping[str, Any], **headers: str) -> requests.Response:
        given = {"Authorization": f"Bearer {self.key}", **headers}
        return requests.post(self.endpoint["scoring_uri"], json=body, headers=given, timeout=60)

    def lines(self, *words: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in amlemu(self.environ, "logs", "collect", *words).stdout.splitlines()]

    def files(self) -> list[Path]:
        return sorted((Path(self.environ["AMLEMU_HOME"]) / "modelDataCollector").rglob("*.jsonl"))

    def metrics(self) -> str:
        return metrics_of(self.environ)


def check_collected(one: Collected) -> None:
    """Payloads, Collectors and Application Insights of two requests, one of which has no DataFrame."""
    answer = one.score({**PAYLOAD, "id": "mine"}, **{"x-tenant": "me"})
    assert answer.status_code == 200, answer.text
    seen = answer.json()
    assert seen["AZUREML_MDC_HOST"] == "127.0.0.1"
    assert seen["AML_APP_INSIGHTS_ENABLED"] == "true"
    assert seen["AML_APP_INSIGHTS_ENDPOINT"] == f"http://127.0.0.1:{seen['AZUREML_MDC_PORT']}/v2/track"
    assert "AMLEMU_SINK" not in seen
    assert one.score({"no_frame": True}).status_code == 424

    (inputs,) = until(lambda: one.lines("--collected", "model_inputs"), "the Collector's data")
    assert tuple(inputs) == value("collection.collector_attributes")
    assert inputs["type"] == "azureml.inference.model_inputs"
    assert inputs["data"] == [{"a": 1, "b": 10.5}, {"a": 2, "b": 20.5}]
    assert inputs["correlationid"] == inputs["xrequestid"] == "mine"
    assert inputs["collectdatatype"].startswith("pandas.")  # what follows depends on the version of pandas
    assert inputs["agent"].startswith("azureml-ai-monitoring/")
    (outputs,) = until(lambda: one.lines("--collected", "model_outputs"), "the other Collector's data")
    assert outputs["data"] == [{"sum": 11.5}, {"sum": 22.5}]
    assert outputs["correlationid"] == "mine"

    asked = until(lambda: (found := one.lines("--collected", "request")) and len(found) == 2 and found, "the requests")
    assert [line["data"] for line in asked] == [{**PAYLOAD, "id": "mine"}, {"no_frame": True}]
    assert (asked[0]["xrequestid"], asked[0]["xtenant"]) == (answer.headers["x-request-id"], "me")
    told = until(lambda: (found := one.lines("--collected", "response")) and len(found) == 2 and found, "the answers")
    assert told[0]["data"] == seen
    assert len(one.lines("--collected")) == 6
    instances = {path.stem for path in one.files()}
    assert len(instances) == 1, f"all four collections name one instance: {instances}"

    requested = until(
        lambda: [line for line in one.lines("--insights") if line["Type"] == "request"], "what the exporter sends"
    )
    assert {line["Data"]["responseCode"] for line in requested} <= {"0", "200", "500"}, requested
    traces = until(
        lambda: [line for line in one.lines("--insights") if line["Type"] == "trace"], "what the script printed"
    )
    assert any("scored 2" in line["Data"]["message"] for line in traces), traces
    text = one.metrics()
    assert 'data_collection_events_per_minute{deployment="blue",endpoint="collect",type="model_inputs"} 1.0' in text
    assert any("nothing leaves this machine" in difference for difference in one.differences)
    log = amlemu(one.environ, "logs", "collect").stdout
    assert "WATCHING" in log
    assert "REACHES FOR" not in log
    amlemu(one.environ, "logs", "collect", "--requests", "--insights", code=2)
    assert f"on_error says: {value('collection.collector_off')[1].format(name='not_enabled')}" in log


ASKED: dict[str, Any] = {
    "app_insights_enabled": True,
    "environment_variables": {"PYTHONPATH": "/var/azureml-app/code"},
    "data_collector": {"collections": COLLECTIONS, "capture_headers": ["X-Tenant"]},
}


@pytest.fixture
def own() -> Iterator[Environ]:
    """A shell for an emulator of this test's own."""
    with temporary_environ() as environ:
        yield environ


@pytest.mark.row("collection.collector_attributes", "collection.collector_variables", "insights.available")
@pytest.mark.row("collection.kept")
def test_what_the_real_packages_send_is_collected(own: Environ, folder: Path) -> None:
    one = Collected(own, folder, **ASKED)
    check_collected(one)
    before = one.files()
    amlemu(own, "delete", "collect", "--yes")
    assert one.files() == before, "collected data stays"
    assert not list((Path(own["AMLEMU_HOME"]) / "sinks").glob("*")), "what was shared is gone"


@pytest.mark.row("collection.collector_off")
def test_without_a_data_collector_the_package_refuses(own: Environ, folder: Path) -> None:
    script = project(folder / "code", SCRIPT, requirements__txt=PACKAGES)
    told = amlemu(own, "deploy", "--name", "off", "--entry", script, code=5).stderr
    assert value("collection.collector_off")[0] in " ".join(told.split())


@pytest.mark.docker
def test_what_the_real_packages_send_is_collected_from_docker(folder: Path) -> None:
    with temporary_environ("docker") as environ:
        check_collected(Collected(environ, folder, **ASKED))
        assert Path(environ["AMLEMU_HOME"], "sinks").stat().st_mode & 0o077 == 0
