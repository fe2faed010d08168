"""The program in a container that takes what packages send, run by itself."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

SINK = Path(__file__).parents[2] / "images/scoring/sink.py"
HEADERS = {
    "ce-type": "azureml.inference.model_inputs",
    "ce-time": "1653469188",
    "trace-id": "an-id",
    "Content-Type": "application/json",
    "X-Other": "not kept",
}


class Sink:
    """A running sink; `hand` is the folder that it hands over in."""

    def __init__(self, hand: Path) -> None:
        self.hand = hand
        command = [sys.executable, "-I", "-S", str(SINK), str(hand)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def post(self, path: str, body: Any, **headers: str) -> requests.Response:
        return requests.post(self.url + path, data=body, headers=headers, timeout=10)

    def records(self, count: int) -> list[dict[str, Any]]:
        """What was handed over, once there is so much."""
        end = time.monotonic() + 10
        while True:
            files = sorted(self.hand.glob("*.jsonl"))
            found = [json.loads(line) for file in files for line in file.read_text().splitlines()]
            if len(found) >= count:
                return found
            assert time.monotonic() < end, f"only {found}"
            time.sleep(0.02)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    one = Sink(tmp_path)
    yield one
    one.process.kill()
    one.process.communicate()


def test_what_a_collector_sends(sink: Sink) -> None:
    assert sink.post("/modeldata/log", b'[{"a": 1}]', **HEADERS).status_code == 200
    (record,) = sink.records(1)
    assert record["kind"] == "collected"
    assert (record["id"], record["content_type"]) == ("an-id", "application/json")
    assert record["attributes"] == {name: text for name, text in HEADERS.items() if name.startswith("ce-")}
    assert base64.b64decode(record["body"]) == b'[{"a": 1}]'


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/v2/track", b'[{"a": 1}, {"b": 2}]', {}),
        ("/v2.1/track", b'{"a": 1}\n{"b": 2}\n', {}),
        ("//v2.1/track?x=1", gzip.compress(b'[{"a": 1}, {"b": 2}]', mtime=0), {"Content-Encoding": "gzip"}),
        ("/v2/track", iter([b'[{"a": 1},', b'{"b": 2}]']), {}),
    ],
)
def test_what_application_insights_gets(sink: Sink, path: str, body: Any, headers: dict[str, str]) -> None:
    answer = sink.post(path, body, **headers)
    assert answer.json() == {"itemsReceived": 2, "itemsAccepted": 2, "errors": []}
    (record,) = sink.records(1)
    assert (record["kind"], record["items"]) == ("telemetry", [{"a": 1}, {"b": 2}])


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/other", b"{}", {}, 404),
        ("/v2/track", b"no json", {}, 400),
        ("/v2/track", b"no gzip", {"Content-Encoding": "gzip"}, 400),
        ("/modeldata/log", b"", {"Content-Length": str(1 << 40)}, 413),
    ],
)
def test_what_is_refused(sink: Sink, path: str, body: bytes, headers: dict[str, str], status: int) -> None:
    assert sink.post(path, body, **headers).status_code == status
    assert sink.post("/modeldata/log", b"{}", **HEADERS).status_code == 200, "it goes on"


def test_what_is_dropped_is_counted(sink: Sink) -> None:
    length = {"Content-Length": str(1 << 40)}
    for _ in range(2):
        assert sink.post("/modeldata/log", b"", **{**HEADERS, **length}).status_code == 413
    found = sink.records(1)
    assert {record["what"] for record in found} == {HEADERS["ce-type"]}
    assert sum(record["count"] for record in found) == 2


def test_while_nobody_takes_no_more_than_a_bound_is_kept(sink: Sink) -> None:
    for number in range(256):
        (sink.hand / f"{number}.jsonl").touch()
    assert sink.post("/modeldata/log", b"1", **HEADERS).status_code == 200
    time.sleep(0.3)
    assert len(list(sink.hand.iterdir())) == 256
    for file in sink.hand.iterdir():
        file.unlink()
    assert sink.post("/modeldata/log", b"2", **HEADERS).status_code == 200
    found = sink.records(2)
    assert [base64.b64decode(record["body"]) for record in found if record["kind"] == "collected"] == [b"2"]
    assert [record["count"] for record in found if record["kind"] == "dropped"] == [1]
