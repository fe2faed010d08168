"""One line for each request, in the columns of AmlOnlineEndpointTrafficLog."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from gateway_support import AUTHORIZED, Door, answering, ask, container, free_port, get, post

from emulator.gateway.request import Request
from emulator.gateway.traffic_log import FORM_WARNING, Exchange, TrafficLog
from emulator.profiles import profile_of, rows

COLUMNS = {
    "TimeGenerated",
    "SubscriptionId",
    "AzureMLWorkspaceId",
    "AzureMLWorkspaceName",
    "Method",
    "Path",
    "EndpointName",
    "DeploymentName",
    "Protocol",
    "ResponseCode",
    "ResponseCodeReason",
    "ModelStatusCode",
    "ModelStatusReason",
    "RequestPayloadSize",
    "ResponsePayloadSize",
    "UserAgent",
    "XRequestId",
    "XMSClientRequestId",
    "TotalDurationMs",
    "RequestDurationMs",
    "ResponseDurationMs",
    "RequestThrottlingDelayMs",
    "ResponseThrottlingDelayMs",
    "AuthType",
    "IdentityData",
}


@pytest.mark.row("logs.traffic_columns", "logs.user_agent_characters")
def test_the_line_of_a_scored_request(door: Door) -> None:
    with container(answering(b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nabc")) as upstream:
        headers = (
            b"User-Agent: " + b"u" * 100 + b"\r\nx-ms-client-request-id: mine\r\nContent-Type: application/json\r\n"
        )
        answer = ask(door.serve(upstream.port).port, post(b"12345", target=b"/score?q=1", headers=headers))
        line = door.line()
        (row,) = (row for row in rows() if row.id == "logs.traffic_columns")
        assert set(line) == COLUMNS == set(row.facts["managed"].value)
        assert door.lines[0][0] == "iris"
        expected = {
            "Method": "POST",
            "Path": "/score",
            "EndpointName": "iris",
            "DeploymentName": "blue",
            "Protocol": "HTTP/1.1",
            "ResponseCode": 424,
            "ResponseCodeReason": "",
            "ModelStatusCode": 201,
            "ModelStatusReason": "model_error",
            "RequestPayloadSize": 5,
            "ResponsePayloadSize": 3,
            "UserAgent": "u" * 70,
            "XRequestId": answer.all("x-request-id")[0],
            "XMSClientRequestId": "mine",
            "AuthType": "Key",
        }
        assert {name: line[name] for name in expected} == expected
        assert 0 < line["RequestDurationMs"] <= line["ResponseDurationMs"] <= line["TotalDurationMs"]
        assert datetime.now(timezone.utc) - datetime.fromisoformat(line["TimeGenerated"]) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("raw", "status", "reason", "deployment"),
    [
        (get(method=b"DELETE"), 405, "routing.rejected_method", ""),
        (get(headers=b""), 401, "auth.no_header", ""),
        (get(headers=b"Authorization: Bearer nope\r\n"), 401, "auth.wrong_key", ""),
        (get(headers=AUTHORIZED + b"azureml-model-deployment: red\r\n"), 404, "traffic.unknown_deployment", ""),
        (get(), 424, "status.container_unreachable", "blue"),
    ],
)
def test_the_line_of_a_refused_request_names_the_row(
    door: Door, raw: bytes, status: int, reason: str, deployment: str
) -> None:
    answer = ask(door.serve(free_port()).port, raw)
    line = door.line()
    assert (line["ResponseCode"], line["ResponseCodeReason"], line["DeploymentName"]) == (status, reason, deployment)
    assert (line["ModelStatusCode"], line["ResponsePayloadSize"]) == (None, len(answer.body))


def test_no_line_holds_a_credential(door: Door) -> None:
    with container() as upstream:
        route = door.serve(upstream.port)
        ask(route.port, post(target=b"/score?code=primary-key"))
        ask(route.port, get(headers=b"Authorization: Bearer secondary-kez\r\nCookie: secondary-key\r\n"))
        door.line(2)
        assert "ary-ke" not in repr(door.lines)


@pytest.mark.parametrize(
    ("method", "target", "content_type", "warned"),
    [
        (b"POST", b"/score", b"application/x-www-form-urlencoded", True),
        (b"POST", b"/score?a=b", b"application/x-www-form-urlencoded; charset=utf-8", True),
        (b"POST", b"/score", b"application/json", False),
        (b"POST", b"/other", b"application/x-www-form-urlencoded", False),
        (b"GET", b"/score", b"application/x-www-form-urlencoded", False),
    ],
)
def test_a_form_encoded_body_is_warned_of(
    door: Door, method: bytes, target: bytes, content_type: bytes, warned: bool
) -> None:
    """Row server.body_as_text: what `curl -d` sends by itself arrives empty."""
    with container() as upstream:
        raw = post(b"{}", target=target, headers=b"Content-Type: %s\r\n" % content_type)
        ask(door.serve(upstream.port).port, raw.replace(b"POST", method, 1))
        assert door.line().get("Warning") == (FORM_WARNING if warned else None)


def exchange(size: int) -> Exchange:
    request = Request("POST", b"/score", "1.1", [], keep_alive=True)
    return Exchange("iris", request, b"/score", 0.0, "", "Key", profile_of("managed").logs, request_size=size)


def test_lines_of_a_slow_writer_are_dropped_and_counted() -> None:
    going_on = threading.Event()
    written: list[dict[str, Any]] = []

    def write_line(_endpoint: str, line: dict[str, Any]) -> None:
        going_on.wait(10)
        written.append(line)

    log = TrafficLog(write_line, capacity=5)
    log.start()
    began = time.monotonic()
    for number in range(100):
        log.add(exchange(number))
    assert time.monotonic() - began < 5
    going_on.set()
    log.close()
    assert len(written) + log.dropped == 100
    assert [line["RequestPayloadSize"] for line in written] == list(range(len(written)))
    assert 5 <= len(written) < 100


def test_a_writer_that_fails_is_not_the_end_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    written: list[int] = []

    def write_line(_endpoint: str, line: dict[str, Any]) -> None:
        if line["RequestPayloadSize"] == 1:
            raise OSError("no space left")
        written.append(line["RequestPayloadSize"])

    log = TrafficLog(write_line)
    log.start()
    for number in range(3):
        log.add(exchange(number))
    log.close()
    assert (written, log.dropped) == ([0, 2], 1)
    assert "iris was not written" in caplog.text


def test_requests_are_answered_while_the_writer_hangs(door: Door) -> None:
    going_on = threading.Event()
    hanging = Door(type(door.gateway)("127.0.0.1", 0, lambda _endpoint, _line: going_on.wait(20) and None))
    hanging.gateway.start()
    with container() as upstream:
        route = hanging.serve(upstream.port)
        assert [ask(route.port, post()).status for _ in range(20)] == [200] * 20
    going_on.set()
    hanging.gateway.stop(1.0)
    assert hanging.gateway.dropped_lines == 0
