"""Collected data as lines: layouts, content types, large and binary data."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from emulator.containers.cloud_events import DATASTORE, Collected, RollingRate, written
from emulator.profiles import profile_of, rows

PROFILE = profile_of("managed").collection
MOMENT = 1_653_469_188.7  # 2022-05-25T08:59:48.7Z
ONE = Collected(
    id="19790b87-a63c-4295-9a67-febb2d8fbce0",
    endpoint="iris",
    deployment="blue",
    instance="abc123",
    collection="request",
    profile=PROFILE,
    rolling_rate="hour",
    time=MOMENT,
    content_type="application/json; charset=utf-8",
    body=b"{}",
)


def value(row_id: str) -> Any:
    (row,) = (row for row in rows() if row.id == row_id)
    return row.facts["managed"].value


def data(one: Collected) -> tuple[Any, str]:
    line = json.loads(written(one).line)
    return line["data"], line["datacontenttype"]


PARTS = {"yyyy": "2022", "MM": "05", "dd": "25", "HH": "08", "mm": "59"}


@pytest.mark.row("collection.path")
def test_where_a_line_lies() -> None:
    names = {"endpoint": "iris", "deployment": "blue", "collection": "request", "instance_id": "abc123"}
    assert f"modelDataCollector/{written(ONE).path}" == value("collection.path").format(**names, **PARTS)


@pytest.mark.row("collection.rolled_by_day", "collection.rolled_by_minute")
@pytest.mark.parametrize("rate", ["day", "minute"])
def test_other_rolling_rates(rate: RollingRate) -> None:
    folders = value(f"collection.rolled_by_{rate}").format(**PARTS)
    assert written(replace(ONE, rolling_rate=rate)).path == f"iris/blue/request/{folders}/abc123.jsonl"


def test_the_folders_of_minutes_may_be_chosen() -> None:
    chosen = replace(PROFILE, rolled_by_minute="{yyyy}{MM}{dd}/{HH}{mm}")
    one = replace(ONE, rolling_rate="minute", profile=chosen)
    assert written(one).path == "iris/blue/request/20220525/0859/abc123.jsonl"


def test_the_time_is_utc_in_whole_seconds() -> None:
    assert json.loads(written(ONE).line)["time"] == "2022-05-25T08:59:48Z"


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", b'{"a": [1,\r\n 2.50]}', ({"a": [1, 2.5]}, "application/json")),
        ("", b"[1]", ([1], "application/json")),
        ("application/vnd.x+json", b"null", (None, "application/json")),
        ("text/csv; charset=utf-8", b"a,b\n1,2\n", ("a,b\n1,2\n", "text/csv")),
        ("application/json", b"{not json", ("{not json", "text/plain")),
        ("application/json", b"[NaN]", ("[NaN]", "text/plain")),
        ("application/json", b"[" * 100_000, ("[" * 100_000, "text/plain")),
        ("application/json", b"", ("", "text/plain")),
        ("text/plain", "\u2028 line".encode(), ("\u2028 line", "text/plain")),
    ],
)
@pytest.mark.row("collection.text")
def test_text_stands_in_the_line(content_type: str, body: bytes, expected: tuple[Any, str]) -> None:
    one = replace(ONE, content_type=content_type, body=body)
    assert data(one) == expected
    assert written(one).raw_path == ""
    assert len(written(one).line.splitlines()) == 1


def test_numbers_stay_as_they_were_written() -> None:
    assert "1.50000000000000000001" in written(replace(ONE, body=b"[1.50000000000000000001]")).line


@pytest.mark.row("collection.binary")
@pytest.mark.parametrize(
    "changes",
    [
        {"content_type": "application/octet-stream"},
        {"content_type": "image/png"},
        {"content_type": "application/json", "body": b"\xff\xfe"},
        {"content_type": "application/json", "content_encoding": "gzip"},
    ],
)
def test_what_is_no_text_has_a_file_of_its_own(changes: dict[str, Any]) -> None:
    one = replace(ONE, attributes={"path": "/score", "method": "POST"}, **changes)
    found = written(one)
    line = json.loads(found.line)
    assert found.raw_path == f"iris/blue/request/2022/05/25/08/{ONE.id}"
    assert found.raw == one.body
    assert {name: line[name] for name in value("collection.binary")} == value("collection.binary")
    assert line["data"] == f"{DATASTORE}/{found.raw_path}"
    assert tuple(line)[-3:] == ("path", "method", "datainblob")


@pytest.mark.row("collection.inline_bytes")
def test_large_data_has_a_file_of_its_own_beside_the_collections() -> None:
    most = value("collection.inline_bytes")
    fits = replace(ONE, body=b'"%s"' % (b"x" * (most - 2)))
    assert written(fits).raw_path == ""
    found = written(replace(ONE, body=fits.body + b" "))
    assert found.raw_path == f"iris/blue/2022/05/25/08/{ONE.id}.jsonl"
    assert json.loads(found.line)["data"] == f"{DATASTORE}/{found.raw_path}"


def test_attributes_do_not_replace_the_events_own() -> None:
    line = json.loads(written(replace(ONE, attributes={"id": "forged", "data": "forged", "x": "kept"})).line)
    assert (line["id"], line["data"], line["x"]) == (ONE.id, {}, "kept")
