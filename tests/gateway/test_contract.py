"""The front door's rows, each shown over the wire for every target that has it."""

from __future__ import annotations

import threading
import uuid

import pytest
from gateway_support import (
    AUTHORIZED,
    Answer,
    Conversation,
    Door,
    Received,
    answering,
    ask,
    caller,
    container,
    free_port,
    get,
    post,
)

from emulator.entities import Target
from emulator.profiles import profile_of
from emulator.routing.routes import DeploymentRoute, Instance

ALL: tuple[Target, ...] = ("managed", "kubernetes", "aks", "aci", "local")
FRONT_DOORS: tuple[Target, ...] = ("managed", "kubernetes", "aks", "aci")
OTHER_METHODS = (b"OPTIONS", b"HEAD", b"PUT", b"PATCH", b"DELETE", b"TRACE")
NO_VALID_DEPLOYMENT = (
    b"No valid deployments to route to. Please check that the endpoint has at least one deployment with positive"
    b" weight values or use a deployment specific header to route."
)

every_target = pytest.mark.parametrize("target", ALL)
every_front_door = pytest.mark.parametrize("target", FRONT_DOORS)


def ask_at(
    door: Door, target: Target, upstream: int, raw: bytes, keys: tuple[str, ...] = ("primary-key", "k2")
) -> Answer:
    """Ask an endpoint of that target; `raw` holds @ where its path prefix goes."""
    port, prefix = door.base(door.serve(upstream, target=target, keys=keys))
    return ask(port, raw.replace(b"@", prefix, 1))


@pytest.mark.row("routing.front_door")
@every_target
def test_a_request_without_a_key_reaches_the_container_of_local_only(door: Door, target: Target) -> None:
    with container() as upstream:
        answer = ask_at(door, target, upstream.port, get(b"@/score", headers=b""))
        assert (answer.status == 200) is (target == "local") is (len(upstream.received) == 1)


@pytest.mark.row("routing.methods")
@every_target
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_get_and_post_reach_the_container(door: Door, target: Target, method: bytes) -> None:
    with container() as upstream:
        answer = ask_at(door, target, upstream.port, get(b"@/score", method=method))
        assert (answer.status, answer.json()["method"]) == (200, method.decode())


@pytest.mark.row("routing.methods", "routing.rejected_method")
@every_front_door
@pytest.mark.parametrize("method", OTHER_METHODS)
def test_no_other_method_reaches_the_container(door: Door, target: Target, method: bytes) -> None:
    with container() as upstream:
        answer = ask_at(door, target, upstream.port, get(b"@/score", method=method))
        assert (answer.status, answer.all("Allow")) == (405, ["GET, POST"])
        assert upstream.connections == 0


@pytest.mark.row("routing.rejected_method")
@every_front_door
def test_a_preflight_is_refused_before_its_missing_key(door: Door, target: Target) -> None:
    with container() as upstream:
        answer = ask_at(
            door, target, upstream.port, get(b"@/score", headers=b"Origin: http://a\r\n", method=b"OPTIONS")
        )
        assert answer.status == 405
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.row("routing.methods", "routing.rejected_method")
@pytest.mark.parametrize("method", OTHER_METHODS)
def test_every_method_reaches_the_container_of_local(door: Door, method: bytes) -> None:
    with container() as upstream:
        answer = ask_at(door, "local", upstream.port, get(b"/score", headers=b"", method=method))
        assert (answer.status, upstream.received[0].method) == (200, method.decode())


@pytest.mark.row("routing.path_prefix")
@pytest.mark.parametrize(
    ("target", "prefix"),
    [
        ("managed", ""),
        ("kubernetes", "/api/v1/endpoint/iris"),
        ("aks", "/api/v1/service/iris"),
        ("aci", ""),
        ("local", ""),
    ],
)
def test_the_prefix_is_on_the_shared_port_and_taken_off(door: Door, target: Target, prefix: str) -> None:
    with container() as upstream:
        route = door.serve(upstream.port, target=target)
        port = door.gateway.shared_port if prefix else route.port
        for rest, expected in ((b"/score", "/score"), (b"?a=1", "/?a=1"), (b"/a//b?c=/d", "/a//b?c=/d"), (b"", "/")):
            if prefix or rest.startswith(b"/"):
                assert ask(port, get(prefix.encode() + rest)).json()["target"] == expected


@pytest.mark.row("routing.paths")
@every_target
@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/score",
        b"/swagger.json?version=3",
        b"/v2/models/m/infer",
        b"/a/../b/./c//d/",
        b"/%2e%2E/%7e?q=%20+%2B&q=&&x=/../;y#f",
        b"/%ED%95%9c/%zz?%ff",
        b'/|^`{}[]<>\\"?|^`{}[]<>\\"',
    ],
)
def test_no_byte_of_path_and_query_changes(door: Door, target: Target, path: bytes) -> None:
    with container() as upstream:
        assert ask_at(door, target, upstream.port, get(b"@" + path)).status == 200
        assert upstream.received[0].head.startswith(b"GET " + path + b" HTTP/1.1\r\n")


@pytest.mark.row("routing.no_such_endpoint")
@pytest.mark.parametrize("path", [b"/", b"/score", b"/api/v1/service/other/score", b"/api/v1/endpoint/iris/score"])
def test_the_shared_port_knows_no_other_path(door: Door, path: bytes) -> None:
    with container() as upstream:
        door.serve(upstream.port, target="aks")
        answer = ask(door.gateway.shared_port, get(path))
        assert (answer.status, answer.body) == (404, b"No endpoint of this name is served here.")
        assert upstream.connections == 0


@pytest.mark.row("headers.authorization")
@every_target
def test_the_container_sees_the_authorization(door: Door, target: Target) -> None:
    with container() as upstream:
        ask_at(door, target, upstream.port, get(b"@/score"))
        assert upstream.received[0].all("Authorization") == ["Bearer primary-key"]


@pytest.mark.row("traffic.deployment_header", "traffic.unknown_deployment")
@every_target
def test_the_deployment_header(door: Door, target: Target) -> None:
    named = b"azureml-model-deployment: %s\r\n"
    with container(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ngreen")) as green, container() as blue:
        route = door.put(
            DeploymentRoute("blue", 100, (Instance("b", "127.0.0.1", blue.port),)),
            DeploymentRoute("green", 0, (Instance("g", "127.0.0.1", green.port),)),
            target=target,
        )
        port, prefix = door.base(route)
        to_green = ask(port, post(target=prefix + b"/score", headers=named % b"green"))
        to_nobody = ask(port, post(target=prefix + b"/score", headers=named % b"red"))
        if target in ("managed", "kubernetes"):
            assert to_green.body == b"green"
            assert (to_nobody.status, to_nobody.body) == (404, NO_VALID_DEPLOYMENT)
        else:
            assert [to_green.json()["method"], to_nobody.json()["method"]] == ["POST", "POST"]


@pytest.mark.row("traffic.no_valid_deployment")
@every_target
@pytest.mark.parametrize("deployments", [(), (("blue", 0),)])
def test_no_deployment_with_a_positive_weight(
    door: Door, target: Target, deployments: tuple[tuple[str, int], ...]
) -> None:
    with container() as upstream:
        instances = (Instance("b", "127.0.0.1", upstream.port),)
        route = door.put(*(DeploymentRoute(name, weight, instances) for name, weight in deployments), target=target)
        port, prefix = door.base(route)
        answer = ask(port, post(target=prefix + b"/score"))
        assert (answer.status, answer.body) == (404, NO_VALID_DEPLOYMENT)
        assert upstream.connections == 0


def test_the_weights_split_the_traffic(door: Door) -> None:
    green_answer = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", keep=True)
    with container(green_answer) as green, container(green_answer) as blue:
        route = door.put(
            DeploymentRoute("blue", 75, (Instance("b", "127.0.0.1", blue.port),)),
            DeploymentRoute("green", 25, (Instance("g", "127.0.0.1", green.port),)),
        )
        answered = [ask(route.port, post()).all("azureml-model-deployment")[0] for _ in range(400)]
        assert 50 <= answered.count("green") == len(green.received) <= 150


CONTAINER_ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: gunicorn\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nX-Request-Id: container\r\n"
    b"azureml-model-deployment: forged\r\nazureml-model-session: forged\r\nContent-Length: 2\r\n\r\n{}"
)
SENT_ID = b"x-request-id: caller\r\n"


def exchange_heads(door: Door, target: Target, headers: bytes = SENT_ID) -> tuple[Answer, list[str]]:
    """What came back for a request that names its own id, and the ids that the container saw."""
    with container(answering(CONTAINER_ANSWER)) as upstream:
        answer = ask_at(door, target, upstream.port, get(b"@/score", headers=AUTHORIZED + headers))
        return answer, upstream.received[0].all("x-request-id")


@pytest.mark.row("headers.server")
@every_target
def test_the_server_header(door: Door, target: Target) -> None:
    answer, _ = exchange_heads(door, target)
    assert answer.all("Server") == ["azureml-frontdoor" if target == "managed" else "gunicorn"]


@pytest.mark.row("headers.request_id")
@every_target
def test_the_request_id(door: Door, target: Target) -> None:
    answer, seen = exchange_heads(door, target)
    if target == "managed":
        assert answer.all("x-request-id") == seen != ["caller"]
        assert str(uuid.UUID(seen[0])) == seen[0]
    else:
        assert (answer.all("x-request-id"), seen) == (["container"], ["caller"])


@pytest.mark.row("headers.model_deployment")
@every_target
def test_the_model_deployment_header(door: Door, target: Target) -> None:
    answer, _ = exchange_heads(door, target)
    assert answer.all("azureml-model-deployment") == ["blue" if target == "managed" else "forged"]


@pytest.mark.row("headers.model_session")
@every_target
def test_the_model_session_header(door: Door, target: Target) -> None:
    weighted, _ = exchange_heads(door, target)
    named, _ = exchange_heads(door, target, b"azureml-model-deployment: blue\r\n")
    assert weighted.all("azureml-model-session") == ["blue" if target == "managed" else "forged"]
    assert named.all("azureml-model-session") == ([] if target == "managed" else ["forged"])


@pytest.mark.row("headers.server", "headers.model_deployment", "headers.model_session", "headers.request_id")
def test_the_order_of_a_managed_answer(door: Door) -> None:
    """A published answer of a managed endpoint (row headers.server), but for what an inference server puts between."""
    answer, _ = exchange_heads(door, "managed")
    names = [name.lower() for name, _ in answer.headers]
    last = ["x-request-id", "azureml-model-deployment", "azureml-model-session"]
    assert names == ["server", "date", "content-length", *last]


@pytest.mark.row("headers.server", "headers.request_id", "headers.model_deployment", "headers.model_session")
def test_a_managed_refusal_has_the_front_doors_headers(door: Door) -> None:
    route = door.serve()
    names = [name.lower() for name, _ in ask(route.port, get(headers=b"")).headers]
    assert names == ["server", "date", "content-type", "content-length", "x-request-id"]


@pytest.mark.row("headers.client_request_id")
@every_target
@pytest.mark.parametrize(
    ("sent", "kept"),
    [(b"order-17_a", b"order-17_a"), (b"a b/c\xc3\xa9", b"abc"), (b"x" * 60, b"x" * 40), (b"?!", b"")],
)
def test_the_callers_own_id(door: Door, target: Target, sent: bytes, kept: bytes) -> None:
    with container() as upstream:
        headers = AUTHORIZED + b"X-Ms-Client-Request-Id: %s\r\n" % sent
        ask_at(door, target, upstream.port, get(b"@/score", headers=headers))
        seen = [value.encode("latin-1") for value in upstream.received[0].all("x-ms-client-request-id")]
        expected = kept if target == "managed" else sent
        assert seen == ([expected] if expected else [])


@pytest.mark.row("headers.end_to_end", "headers.cors")
@every_target
def test_other_headers_pass_in_both_directions(door: Door, target: Target) -> None:
    """Among them what a script sets for browsers (row headers.cors)."""
    theirs = b"A: 1\r\nAccess-Control-Allow-Origin: *\r\na: 2\r\nX-Odd:  \xe9 \r\n"
    with container(answering(b"HTTP/1.1 200 OK\r\n%sContent-Length: 2\r\n\r\n{}" % theirs)) as upstream:
        asked = AUTHORIZED + b"Origin: http://a\r\nB: 1\r\nb: 2\r\nConnection: close, b-hop\r\nB-Hop: 1\r\n"
        answer = ask_at(door, target, upstream.port, get(b"@/score", headers=asked))
        kept = [(name, text) for name, text in answer.headers if name.lower() in ("a", "x-odd") or "-A" in name]
        assert kept == [("A", "1"), ("Access-Control-Allow-Origin", "*"), ("a", "2"), ("X-Odd", "\xe9")]
        received = upstream.received[0]
        assert [pair for pair in received.headers if pair[0].lower() in ("origin", "b", "b-hop")] == [
            ("Origin", "http://a"),
            ("B", "1"),
            ("b", "2"),
        ]


@pytest.mark.row("headers.model_time")
@every_target
def test_there_is_no_header_with_the_models_time(door: Door, target: Target) -> None:
    with container() as upstream:
        answer = ask_at(door, target, upstream.port, get(b"@/score"))
        assert answer.all("ms-azureml-model-time") == []


@pytest.mark.row("routing.streaming")
@every_target
def test_a_stream_passes_piece_by_piece(door: Door, target: Target) -> None:
    """The container sends its second piece only once the caller has the first."""
    turn = threading.Event()

    def script(conversation: Conversation, received: Received) -> bool:
        conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        assert turn.wait(10)
        conversation.send(b"1\r\nb\r\n0\r\n\r\n")
        return False

    with container(script) as upstream:
        port, prefix = door.base(door.serve(upstream.port, target=target))
        with caller(port) as one:
            one.send(get(prefix + b"/score"))
            assert one.read_until(b"1\r\na\r\n")
            turn.set()
            assert one.read_until(b"0\r\n\r\n") == b"1\r\nb\r\n0\r\n\r\n"


@pytest.mark.row("routing.http_version")
@every_target
def test_the_versions_that_are_spoken(door: Door, target: Target) -> None:
    with container() as upstream:
        port, prefix = door.base(door.serve(upstream.port, target=target))
        raw = get(prefix + b"/score")
        for version, status in ((b"1.1", 200), (b"1.0", 200), (b"2.0", 505)):
            assert ask(port, raw.replace(b"HTTP/1.1", b"HTTP/" + version)).status == status
        upgrade = AUTHORIZED + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        assert ask(port, get(prefix + b"/score", headers=upgrade)).status == 200


@pytest.mark.row("status.container_unreachable", "status.not_ready_reason")
@every_target
@pytest.mark.parametrize("fault", ["refused", "closed", "half an answer", "no HTTP"])
def test_a_container_that_does_not_answer(door: Door, target: Target, fault: str) -> None:
    raw = {"half an answer": b"HTTP/1.1 200 OK\r\nContent-", "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n"}.get(fault, b"")
    with container(answering(raw)) as upstream:
        upstream_port = free_port() if fault == "refused" else upstream.port
        answer = ask_at(door, target, upstream_port, post(target=b"@/score"))
        assert answer.status == (424 if target == "managed" else 502)
        assert answer.body.decode() == profile_of(target).scoring.container_unreachable.body
        reasons = ["model_not_ready"] if target == "managed" else []
        assert answer.all("ms-azureml-model-error-reason") == reasons
        assert upstream.connections == (0 if fault == "refused" else 1)


@pytest.mark.row("status.no_ready_instance", "traffic.failed_keeps_weight")
@every_target
def test_a_deployment_without_a_ready_instance(door: Door, target: Target) -> None:
    with container() as upstream:
        green = DeploymentRoute("green", 10, (Instance("g", "127.0.0.1", upstream.port),))
        route = door.put(DeploymentRoute("blue", 90, ()), green, target=target)
        port, prefix = door.base(route)
        statuses = [ask(port, post(target=prefix + b"/score")).status for _ in range(60)]
        failed = {"managed": 424, "kubernetes": 503, "aks": 503}.get(target, 502)
        assert set(statuses) == {200, failed}
        assert statuses.count(failed) > statuses.count(200)  # its share of the traffic stays where it was
        answer = next(a for a in iter(lambda: ask(port, post(target=prefix + b"/score")), None) if a.status == failed)
        texts = {"aks": "No ready replicas for service iris"}
        assert answer.body.decode() == texts.get(target, profile_of(target).scoring.no_ready_instance.body)


STATUSES = (200, 201, 202, 302, 400, 404, 415, 500, 503)


@pytest.mark.row("status.mapping", "status.mapped_phrase", "status.mapped_body", "status.mapped_headers")
@pytest.mark.row("status.original_header", "status.reason_header", "status.model_error_reason")
@every_target
@pytest.mark.parametrize("status", STATUSES)
def test_what_becomes_of_the_containers_status(door: Door, target: Target, status: int) -> None:
    theirs = b"HTTP/1.1 %d Odd\r\nX-Own: kept\r\nContent-Length: 4\r\n\r\nbody" % status
    with container(answering(theirs)) as upstream:
        answer = ask_at(door, target, upstream.port, post(target=b"@/score"))
        seen = status
        if target == "managed" and status != 200:
            seen = 424
        if target in ("kubernetes", "aks", "aci") and status == 500:
            seen = 502
        assert (answer.status, answer.body, answer.all("X-Own")) == (seen, b"body", ["kept"])
        assert answer.reason == {424: "Failed Dependency", 502: "Bad Gateway"}.get(seen, "Odd")
        explained = target == "managed" and status != 200
        assert answer.all("ms-azureml-model-error-statuscode") == ([str(status)] if explained else [])
        assert answer.all("ms-azureml-model-error-reason") == (["model_error"] if explained else [])
        line = door.line()
        assert (line["ResponseCode"], line["ModelStatusCode"]) == (seen, status)
        assert line["ModelStatusReason"] == ("model_error" if explained else "")


@pytest.mark.row("status.mapping")
@pytest.mark.parametrize(
    "theirs",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_mapped_status_has_a_body_even_where_the_containers_has_none(door: Door, theirs: bytes) -> None:
    with container(answering(theirs, keep=True)) as upstream, caller(door.serve(upstream.port).port) as one:
        for _ in range(2):
            one.send(post())
            answer = one.answer()
            assert (answer.status, answer.body, answer.all("content-length")) == (424, b"", ["0"])


@pytest.mark.row("status.mapping")
def test_a_mapped_stream_is_still_a_stream(door: Door) -> None:
    theirs = b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    with container(answering(theirs)) as upstream:
        answer = ask(door.serve(upstream.port).port, post())
        assert (answer.status, answer.body, answer.all("transfer-encoding")) == (424, b"abc", ["chunked"])
