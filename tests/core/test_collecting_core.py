"""What a deployment's data_collector and app_insights_enabled come to: routes, variables, folders, lines, metrics."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from core_support import House
from served import Served

from emulator.client.client import Client
from emulator.containers.cloud_events import Collected
from emulator.containers.data_collection import SINK_FOLDER
from emulator.difference import texts
from emulator.errors import BadArgument, ResourceNotFound
from emulator.profiles import overridden, profile_of, rows
from emulator.routing.routes import PayloadCollection

KEPT = "collected data is kept in AMLEMU_HOME/modelDataCollector; no data asset is registered for it"


def value(row_id: str) -> Any:
    (row,) = (row for row in rows() if row.id == row_id)
    return row.facts["managed"].value


def collector(*names: str, **more: Any) -> dict[str, Any]:
    return {"collections": {name: {"enabled": True} for name in names}, **more}


def route(house: House) -> PayloadCollection | None:
    return house.gateway.routes["iris"].by_name["blue"].collector


def sink_of(house: House) -> Path:
    (running,) = house.engine.containers()
    assert running.spec.sink is not None
    return Path(running.spec.sink)


def record(name: str = "model_inputs", **changes: Any) -> dict[str, Any]:
    """What the sink writes of a Collector's data."""
    attributes = {
        "ce-type": f"azureml.inference.{name}",
        "ce-time": "1653469188",
        "ce-collect-data-type": "pandas.core.frame.DataFrame",
        "ce-agent": "azureml-ai-monitoring/1.0.0",
        "ce-x-request-id": "mine",
        "ce-model-version": "default",
    }
    whole = {
        "kind": "collected",
        "id": "an-id",
        "content_type": "application/json",
        "attributes": {**attributes, **changes.pop("attributes", {})},
        "host": "0123456789ab",
        "body": base64.b64encode(b'[{"a":1}]').decode(),
    }
    return {**whole, **changes}


def hand_over(folder: Path, *records: Any, name: str = "1.jsonl") -> None:
    (folder / name).write_text("".join(json.dumps(one) + "\n" for one in records))


def collected(house: House, collection: str | None = None, **more: Any) -> list[dict[str, Any]]:
    deployment = house.deployment()
    lines = house.workspace.collecting.get_collected(deployment, collection, **{"tail": None, "follow": False, **more})
    return [json.loads(line) for line in lines]


def counts(house: House) -> dict[tuple[str, str], int]:
    """By type and reason."""
    minute = house.workspace.collecting.counts.minute()
    return {(counted.type, counted.reason): number for counted, number in minute.items()}


# What is published and started.


@pytest.mark.row("collection.available")
def test_the_route_carries_what_to_collect(house: House) -> None:
    deployment = house.deploy(
        data_collector=collector(
            "request", "Response", sampling_rate=0.5, rolling_rate="day", capture_headers=["X-Tenant"]
        )
    )
    assert route(house) == PayloadCollection(True, True, 0.5, "day", ("X-Tenant",))
    assert KEPT in texts(deployment.differences)
    (running,) = house.engine.containers()
    assert running.spec.sink is None, "nothing is collected in the container"
    assert not [name for name in running.spec.environment_variables if "MDC" in name or "INSIGHTS" in name]


@pytest.mark.parametrize(
    "asked",
    [
        None,
        collector(),
        collector("model_inputs"),
        collector("request", sampling_rate=0),
        {"collections": {"request": {"enabled": False}}},
    ],
)
def test_the_route_carries_no_collector(house: House, asked: dict[str, Any] | None) -> None:
    house.deploy(data_collector=asked)
    assert route(house) is None


@pytest.mark.row("collection.available")
@pytest.mark.parametrize("target", ["aks", "aci", "local"])
def test_a_target_without_a_data_collector_collects_nothing(house: House, target: str) -> None:
    deployment = house.deploy(target=target, data_collector=collector("request", "model_inputs"))
    assert route(house) is None
    assert f"data_collector collects nothing: target {target} has none" in texts(deployment.differences)
    assert house.engine.containers()[0].spec.sink is None


def test_a_collector_gets_its_configuration(house: House) -> None:
    deployment = house.deploy(
        data_collector={
            "collections": {
                "model_inputs": {"enabled": True, "data": {"name": "n", "path": "azureml://elsewhere"}},
                "off": {"enabled": False},
                "request": {"enabled": True},
            },
            "sampling_rate": 0.25,
        }
    )
    variables = house.engine.variables()
    assert variables["AZUREML_MDC_CONFIG_PATH"] == f"{SINK_FOLDER}/mdc-config.json"
    folder = sink_of(house)
    assert folder == house.store.home / "sinks/iris/blue/1/0"
    assert json.loads((folder / "mdc-config.json").read_text()) == {
        "runMode": "cloud",
        "collections": {"model_inputs": {"enabled": True, "sampleRatePercentage": 25}},
    }
    assert folder.stat().st_mode & 0o777 == 0o777
    assert (house.store.home / "sinks").stat().st_mode & 0o777 == 0o700
    assert "data.path of model_inputs is not followed" in texts(deployment.differences)


@pytest.mark.row("collection.most_custom")
def test_more_collectors_than_the_cloud_takes_are_a_difference(house: House) -> None:
    most = value("collection.most_custom")
    names = [f"c{number}" for number in range(most + 1)]
    said = f"{most + 1} custom collections: the cloud documents {most}"
    assert said not in texts(house.deploy(data_collector=collector(*names[:-1], "request", "response")).differences)
    assert said in texts(house.deploy(data_collector=collector(*names)).differences)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".", "2024", "a b", "x" * 300])
def test_an_invalid_collection_name_is_refused(house: House, name: str) -> None:
    with pytest.raises(BadArgument, match="cannot name a collection"):
        house.deploy(data_collector=collector(name))
    assert house.workspace.endpoints.list_names() == []


@pytest.mark.row("insights.available", "insights.variables")
@pytest.mark.parametrize(
    ("target", "set_there"), [("managed", True), ("kubernetes", True), ("aks", True), ("aci", True), ("local", False)]
)
def test_application_insights_never_leads_away_from_this_machine(house: House, target: str, set_there: bool) -> None:
    deployment = house.deploy(target=target, app_insights_enabled=True)
    variables = house.engine.variables()
    told = {name: text for name, text in variables.items() if "INSIGHTS" in name}
    assert bool(told) is set_there is profile_of(deployment.target).collection.insights
    assert any("app_insights_enabled" in difference for difference in texts(deployment.differences))
    if set_there:
        assert told.keys() >= set(value("insights.variables"))
        assert (told["AML_APP_INSIGHTS_ENABLED"], len(told["AML_APP_INSIGHTS_KEY"])) == ("true", 36)
        assert told["AML_APP_INSIGHTS_ENDPOINT"].startswith("http://127.0.0.1:9/")
        assert "IngestionEndpoint=http://127.0.0.1:9/" in told["APPLICATIONINSIGHTS_CONNECTION_STRING"]


def test_the_users_own_telemetry_settings_are_kept(house: House) -> None:
    own = {"APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=1"}
    house.deploy(app_insights_enabled=True, environment_variables=own)
    assert house.engine.variables().items() >= own.items()


# What containers hand over.


def test_a_collectors_event_becomes_a_line(house: House) -> None:
    house.deploy(data_collector=collector("Model_Inputs", "other"))
    hand_over(sink_of(house), record(attributes={"ce-my-own": "kept", "ce-data": "forged"}))
    (line,) = collected(house, "Model_Inputs")
    assert tuple(line) == (*value("collection.collector_attributes"), "myown")
    assert line["data"] == [{"a": 1}]
    assert (line["correlationid"], line["contentrange"], line["myown"]) == ("mine", "bytes 0-8/9", "kept")
    path = house.store.home / "modelDataCollector/iris/blue/Model_Inputs/2022/05/25/08/0123456789ab.jsonl"
    assert json.loads(path.read_text()) == line
    assert counts(house) == {("Model_Inputs", ""): 1}
    assert list(sink_of(house).glob("*.jsonl")) == [], "it was taken"
    assert collected(house, "other") == []
    assert collected(house) == [line] == collected(house, tail=1)
    with pytest.raises(ResourceNotFound, match="there are: Model_Inputs, other"):
        collected(house, "request")


@pytest.mark.parametrize(
    ("bad", "counted"),
    [
        (record("not_enabled"), ("", "NotEnabled")),
        (record("request"), ("", "NotEnabled")),
        (record("../../../up"), ("", "NotEnabled")),
        (record(id="../up"), ("model_inputs", "BadEvent")),
        (record(id="0.jsonl"), ("model_inputs", "BadEvent")),
        (record(body="%%%"), ("model_inputs", "BadEvent")),
        (record(attributes={"ce-time": "nan"}), ("model_inputs", "BadEvent")),
        (record(attributes={"ce-time": "1e300"}), ("model_inputs", "BadEvent")),
        (record(attributes={"ce-time": ""}), ("model_inputs", "BadEvent")),
        (record(body=base64.b64encode(b"x" * (16 << 20 | 1)).decode()), ("model_inputs", "PayloadTooLarge")),
        ({"kind": "dropped", "what": "azureml.inference.model_inputs", "count": 3}, ("model_inputs", "QueueFull")),
    ],
    ids=str,
)
def test_data_that_is_not_collected_is_counted(house: House, bad: dict[str, Any], counted: tuple[str, str]) -> None:
    house.deploy(data_collector=collector("model_inputs", "request"))
    hand_over(sink_of(house), bad, record())
    assert len(collected(house)) == 1, "the next one is"
    assert counts(house) == {counted: bad.get("count", 1), ("model_inputs", ""): 1}


def test_a_hostile_script_reaches_nothing_through_its_sink(house: House, tmp_path: Path) -> None:
    house.deploy(data_collector=collector("model_inputs"))
    folder = sink_of(house)
    secret = tmp_path / "secret"
    hand_over(tmp_path, record(host="stolen"), name="secret")
    (folder / "1.jsonl").symlink_to(secret)
    (folder / "2.jsonl").mkdir()
    (folder / "2.jsonl" / "x").touch()
    os.mkfifo(folder / "3.jsonl")
    (folder / "4.jsonl").write_bytes(b"\xff\xfe\n[]\n1\nnull\n" + b"[" * 100_000 + b"\n")
    hand_over(folder, {"kind": "dropped", "what": [], "count": -5}, {"kind": "telemetry", "items": 7}, name="5.jsonl")
    odd = {"kind": "collected", "attributes": [1], "host": {}}
    hand_over(folder, odd, record(host="../../up"), {"kind": "telemetry", "items": [1, {"data": 1}]}, name="6.jsonl")
    (line,) = collected(house)
    assert line["data"] == [{"a": 1}]
    (path,) = (house.store.home / "modelDataCollector").rglob("*.jsonl")
    assert path.name == "0.jsonl", "the instance's number where its name is none"
    assert secret.exists()
    assert list(folder.glob("*.jsonl")) == []


def test_a_restarted_container_finds_its_folder_in_order(house: House, tmp_path: Path) -> None:
    house.deploy(data_collector=collector("model_inputs"))
    folder = sink_of(house)
    target = tmp_path / "outside"
    target.write_text("untouched")
    (folder / "mdc-config.json").unlink()
    (folder / "mdc-config.json").symlink_to(target)
    (folder / "sink.py").unlink()
    (folder / "sink.py").mkdir()
    house.behave(exit_code=1, ready=False)
    (running,) = house.engine.containers()
    house.workspace.collecting.prepare(house.deployment(), running.spec)
    assert json.loads((folder / "mdc-config.json").read_text())["runMode"] == "cloud"
    assert not (folder / "mdc-config.json").is_symlink()
    assert (folder / "sink.py").is_file()
    assert target.read_text() == "untouched"


def test_a_replaced_generation_may_hand_over_for_a_while(house: House) -> None:
    house.deploy(data_collector=collector("model_inputs"))
    old = sink_of(house)
    house.deploy(data_collector=collector("model_inputs"))
    house.settle()
    hand_over(old, record())
    assert len(collected(house)) == 1
    assert old.exists()
    long_ago = house.effects.epoch() - 1000
    os.utime(old, (long_ago, long_ago))
    house.workspace.collecting.take()
    assert not old.exists()
    assert sink_of(house).exists()


@pytest.mark.row("collection.kept")
def test_collected_data_outlives_its_endpoint(house: House) -> None:
    house.deploy(data_collector=collector("model_inputs"), app_insights_enabled=True)
    folder = sink_of(house)
    hand_over(folder, record(), {"kind": "telemetry", "items": [envelope()]})
    house.workspace.deployments.delete_endpoint("iris")
    assert len(list((house.store.home / "modelDataCollector/iris").rglob("*.jsonl"))) == 1, "the last of it was taken"
    assert not folder.exists()
    assert not house.store.logs.insights("iris").exists()
    house.workspace.prune(dry_run=False)
    assert len(list((house.store.home / "modelDataCollector/iris").rglob("*.jsonl"))) == 1


def test_settings_may_remove_collected_data_with_its_deployment(house: House) -> None:
    with overridden({"managed": {"collection.kept": False}}):
        house.deploy(data_collector=collector("model_inputs"))
        hand_over(sink_of(house), record())
        house.workspace.deployments.delete_endpoint("iris")
    assert list((house.store.home / "modelDataCollector").rglob("*.jsonl")) == []


def test_following_finds_the_files_of_the_next_hour(house: House) -> None:
    house.deploy(data_collector=collector("model_inputs"))
    hand_over(sink_of(house), record())
    lines = house.workspace.collecting.get_collected(house.deployment(), None, tail=None, follow=True)
    assert json.loads(next(lines))["time"] == "2022-05-25T08:59:48Z"
    hand_over(sink_of(house), record(attributes={"ce-time": "1653472788"}))
    house.workspace.collecting.take()
    assert json.loads(next(lines))["time"] == "2022-05-25T09:59:48Z"
    lines.close()  # type: ignore[attr-defined]
    assert list(lines) == []


def envelope(kind: str = "RequestData") -> dict[str, Any]:
    return {"time": "2024-01-01T00:00:00Z", "iKey": "k", "data": {"baseType": kind, "baseData": {"name": "/score"}}}


def test_telemetry_becomes_lines(house: House) -> None:
    house.deploy(app_insights_enabled=True)
    hand_over(sink_of(house), {"kind": "telemetry", "host": "abc", "items": [envelope(), envelope("Other"), "no"]})
    lines = list(house.workspace.collecting.get_insights_log("iris", tail=None, follow=False))
    assert [json.loads(line) for line in lines] == [
        {
            "TimeGenerated": "2024-01-01T00:00:00Z",
            "Type": kind,
            "DeploymentName": "blue",
            "InstanceId": "abc",
            "Data": {"name": "/score"},
        }
        for kind in ("request", "Other")
    ]


# What the front door has seen, and both doors.


def payload(collection: str = "request", body: bytes = b"{}") -> Collected:
    profile = profile_of("managed").collection
    return Collected("id", "iris", "blue", "i", collection, profile, "hour", 1_653_469_188, "application/json", body)


def test_a_disk_that_refuses_is_counted(house: House) -> None:
    house.deploy(data_collector=collector("request"))
    (house.store.home / "modelDataCollector").touch()  # a file where the folder should be
    house.workspace.collecting.write([payload(), payload("response")])
    assert counts(house) == {("request", "StorageError"): 1, ("response", "StorageError"): 1}


def test_a_minute_is_a_minute(house: House) -> None:
    house.workspace.collecting.write([payload()])
    house.effects.sleep(30)
    house.workspace.collecting.write([payload()])
    assert counts(house) == {("request", ""): 2}
    house.effects.sleep(31)
    assert counts(house) == {("request", ""): 1}
    house.effects.sleep(61)
    assert counts(house) == {}


@pytest.mark.row("collection.metrics")
def test_routes_of_collected_data(served: Served, client: Client) -> None:
    house = served.house
    house.deploy(data_collector=collector("request"), app_insights_enabled=True)
    house.workspace.collecting.write([payload(), payload(body=b"[1]")])
    house.workspace.collecting.drop("iris", "blue", "request", "QueueFull", 2)
    hand_over(sink_of(house), {"kind": "telemetry", "items": [envelope()]})
    lines = client.get_logs("iris", kind="collected", follow=False, collection="request", tail=1)
    assert [json.loads(line)["data"] for line in lines] == [[1]]
    assert len(list(client.get_logs("iris", kind="collected", follow=False))) == 2
    assert len(list(client.get_logs("iris", kind="insights", follow=False))) == 1
    assert served.error("GET", "/onlineEndpoints/iris/collected?collection=none")[:2] == (404, "ResourceNotFound")
    assert served.error("GET", "/onlineEndpoints/pets/insights")[:2] == (404, "ResourceNotFound")
    events, errors = value("collection.metrics")
    text = served.ask("GET", "//_amlemu/metrics").text
    assert f'{events}{{deployment="blue",endpoint="iris",type="request"}} 2.0' in text
    assert f'{errors}{{deployment="blue",endpoint="iris",reason="QueueFull",type="request"}} 2.0' in text
