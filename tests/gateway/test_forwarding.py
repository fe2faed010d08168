"""What passes between caller and container, byte by byte."""

from __future__ import annotations

import gzip
import time

import pytest
from gateway_support import (
    AUTHORIZED,
    Conversation,
    Door,
    Received,
    answering,
    ask,
    caller,
    container,
    echo,
    get,
    post,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_request_headers_keep_their_order_case_and_repeats(door: Door) -> None:
    sent = b"X-b: 1\r\nx-A: \xe9\xff\r\nX-b: 2\r\nAccept:  text/*;q=0.1\r\nCookie: a=b\r\nX-Empty:\r\n"
    with container() as upstream:
        route = door.serve(upstream.port, target="local", keys=())
        ask(route.port, get(headers=sent))
        expected = (
            b"Host: amlemu\r\nX-b: 1\r\nx-A: \xe9\xff\r\nX-b: 2\r\nAccept: text/*;q=0.1\r\nCookie: a=b\r\nX-Empty: \r\n"
        )
        assert upstream.received[0].head == b"GET /score HTTP/1.1\r\n" + expected + b"\r\n"


def test_response_headers_keep_their_order_case_and_repeats(door: Door) -> None:
    raw = (
        b"HTTP/1.1 200 Fine, thanks\r\nX-b: 1\r\nset-Cookie: a=1\r\nx-A: \xe9\xff\r\nSet-Cookie: b=2\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )
    with container(answering(raw)) as upstream, caller(door.serve(upstream.port, target="local").port) as one:
        one.send(post())
        assert one.read_until(b"{}") == raw


def test_hop_by_hop_headers_stay_on_their_hop(door: Door) -> None:
    """RFC 9110 §7.6.1."""
    sent = (
        b"Connection: keep-alive, X-Mine, content-length\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n"
        b"Proxy-Authorization: Basic x\r\nProxy-Connection: x\r\nTrailer: X-T\r\nUpgrade: h2c\r\nX-Other: 2\r\n"
    )
    raw = (
        b"HTTP/1.1 200 OK\r\nConnection: X-Theirs, close\r\nX-Theirs: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Proxy-Authenticate: x\r\nTrailer: X-T\r\nUpgrade: h2c\r\nX-Other: 2\r\nContent-Length: 2\r\n\r\n{}"
    )
    with container(answering(raw)) as upstream:
        route = door.serve(upstream.port, target="local", keys=())
        answer = ask(route.port, post(b"body", headers=sent))
        assert answer.headers == [("X-Other", "2"), ("Content-Length", "2")]
        names = [name for name, _ in upstream.received[0].headers]
        assert names == ["Host", "Authorization", "X-Other", "Content-Length"]
        assert upstream.received[0].body == b"body"


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"br", b"identity"])
def test_bodies_are_not_decoded(door: Door, encoding: bytes) -> None:
    body = gzip.compress(b"not for the gateway to read" * 100) + b"\r\n\x00\xff"
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s" % (encoding, len(body), body)
    with container(answering(raw)) as upstream:
        answer = ask(door.serve(upstream.port).port, post(body, headers=b"Content-Encoding: %s\r\n" % encoding))
        assert upstream.received[0].body == body == answer.body
        assert upstream.received[0].all("Content-Encoding") == [encoding.decode()] == answer.all("Content-Encoding")


def test_a_chunked_request_arrives_chunked(door: Door) -> None:
    raw = b"POST /score HTTP/1.1\r\nHost: a\r\n" + AUTHORIZED + b"Transfer-Encoding: chunked\r\n\r\n"
    with container() as upstream, caller(door.serve(upstream.port).port) as one:
        one.send(raw + b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n")
        assert one.answer().json()["body"] == "hello world"
        one.send(raw + b"0\r\n\r\n")
        assert one.answer().json()["body"] == ""
        for received in upstream.received:
            assert (received.all("Transfer-Encoding"), received.all("Content-Length")) == (["chunked"], [])


def test_an_empty_body_keeps_its_framing(door: Door) -> None:
    with container() as upstream:
        route = door.serve(upstream.port)
        ask(route.port, post(b""))
        ask(route.port, get())
        assert [received.all("Content-Length") for received in upstream.received] == [["0"], []]


def test_request_pieces_arrive_as_they_are_sent(door: Door) -> None:
    pieces: list[bytes] = []

    def script(conversation: Conversation, received: Received) -> bool:
        for piece in conversation.chunks():
            pieces.append(piece)
            conversation.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        conversation.send(OK)
        return True

    with container(script) as upstream, caller(door.serve(upstream.port).port) as one:
        one.send(b"POST /score HTTP/1.1\r\nHost: a\r\n" + AUTHORIZED + b"Transfer-Encoding: chunked\r\n\r\n")
        for count in range(1, 4):
            one.send(b"3\r\nabc\r\n")
            while len(pieces) < count:  # the next piece is not sent before this one has arrived
                time.sleep(0.002)
        one.send(b"0\r\n\r\n")
        assert one.answer().body == b"{}"


def test_a_stream_arrives_as_it_is_produced(door: Door) -> None:
    """The container goes on only when the caller has what came before: nothing is held back."""
    turns: list[int] = []

    def script(conversation: Conversation, received: Received) -> bool:
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            while len(turns) <= number:
                time.sleep(0.002)
            conversation.send(b"9\r\ndata: %d\n\n\r\n" % number)
        conversation.send(b"0\r\nX-Trailer: dropped\r\n\r\n")
        return True

    with container(script) as upstream, caller(door.serve(upstream.port).port) as one:
        one.send(post())
        head = one.read_until(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked\r\n" in head
        for number in range(3):
            turns.append(number)
            assert one.read_until(b"\n\n\r\n") == b"9\r\ndata: %d\n\n\r\n" % number
        assert one.read_until(b"0\r\n\r\n") == b"0\r\n\r\n"


def test_a_body_of_known_length_arrives_as_it_is_produced(door: Door) -> None:
    turns: list[int] = []

    def script(conversation: Conversation, received: Received) -> bool:
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        while not turns:
            time.sleep(0.002)
        conversation.send(b"cd")
        return True

    with container(script) as upstream, caller(door.serve(upstream.port).port) as one:
        one.send(post())
        assert one.read_until(b"\r\n\r\nab")
        turns.append(1)
        assert one.read_until(b"cd") == b"cd"


def test_an_answer_that_ends_with_its_connection(door: Door) -> None:
    with container(answering(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")) as upstream:
        route = door.serve(upstream.port)
        answer = ask(route.port, post())
        assert (answer.body, answer.all("Transfer-Encoding")) == (b"until the end", ["chunked"])
        old = post().replace(b"HTTP/1.1", b"HTTP/1.0")
        with caller(route.port) as one:
            one.send(old)
            answer = one.answer()
            assert (answer.body, answer.all("Transfer-Encoding"), answer.all("Connection")) == (
                b"until the end",
                [],
                ["close"],
            )
            assert one.is_closed()


@pytest.mark.parametrize(
    ("method", "raw", "lengths"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", ["500"]),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", []),
        (b"HEAD", b"HTTP/1.1 200 OK\r\n\r\n", []),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n", []),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", ["500"]),
        (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ["0"]),
    ],
)
def test_answers_without_a_body(door: Door, method: bytes, raw: bytes, lengths: list[str]) -> None:
    """RFC 9110 §6.4.1; the connection to the caller goes on."""
    with (
        container(answering(raw, keep=True)) as upstream,
        caller(door.serve(upstream.port, target="local").port) as one,
    ):
        for _ in range(2):
            one.send(get(method=method))
            answer = one.answer(method.decode())
            assert (answer.status, answer.body) == (int(raw[9:12]), b"")
            assert (answer.all("Content-Length"), answer.all("Transfer-Encoding")) == (lengths, [])


def test_the_containers_status_passes(door: Door) -> None:
    for status in (b"201 Created", b"302 Found", b"400 Bad", b"404 Not Found", b"500 Oops", b"599 Odd"):
        with container(answering(b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\n{}" % status)) as upstream:
            answer = ask(door.serve(upstream.port, target="local").port, post())
            assert f"{answer.status} {answer.reason}".encode() == status


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2]
)
def test_interim_answers_are_passed_over(door: Door, interim: bytes) -> None:
    with container(answering(interim + OK, keep=True)) as upstream, caller(door.serve(upstream.port).port) as one:
        for _ in range(2):
            one.send(post())
            answer = one.answer()
            assert (answer.status, answer.body, answer.all("Link")) == (200, b"{}", [])


def test_expect_continue_is_answered_once_the_request_is_let_in(door: Door) -> None:
    with container() as upstream, caller(door.serve(upstream.port).port) as one:
        head, body = post(b"waiting", headers=b"Expect: 100-continue\r\n").split(b"\r\n\r\n")
        one.send(head + b"\r\n\r\n")
        assert one.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        one.send(body)
        assert one.answer().json()["body"] == "waiting"
        assert upstream.received[0].all("Expect") == []


def test_expect_continue_of_a_refused_request(door: Door) -> None:
    with container() as upstream, caller(door.serve(upstream.port).port) as one:
        one.send(b"POST /score HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        answer = one.answer()
        assert (answer.status, answer.all("Connection"), upstream.connections) == (401, ["close"], 0)


def test_an_http_1_0_caller(door: Door) -> None:
    with container() as upstream:
        route = door.serve(upstream.port)
        with caller(route.port) as one:
            one.send(b"GET /score HTTP/1.0\r\n" + AUTHORIZED + b"\r\n")
            answer = one.answer()
            assert (answer.status, answer.all("Connection"), one.is_closed()) == (200, ["close"], True)
        with caller(route.port) as one:
            for _ in range(2):
                one.send(b"GET /score HTTP/1.0\r\nConnection: keep-alive\r\n" + AUTHORIZED + b"\r\n")
                assert one.answer().all("Connection") == ["keep-alive"]
        assert upstream.received[0].all("Host") == [f"127.0.0.1:{upstream.port}"]


def test_the_absolute_form_of_a_target(door: Door) -> None:
    """RFC 9112 §3.2.2."""
    with container() as upstream:
        route = door.serve(upstream.port)
        for target, expected in ((b"http://a:1/score?b=/", "/score?b="), (b"http://a", "/"), (b"http://a?q", "/?q")):
            assert ask(route.port, get(target)).json()["target"].startswith(expected)


def test_pipelined_requests_are_answered_in_order(door: Door) -> None:
    with container() as upstream, caller(door.serve(upstream.port).port) as one:
        one.send(b"".join(post(b"%d" % number) for number in range(20)))
        assert [one.answer().json()["body"] for _ in range(20)] == [str(number) for number in range(20)]


def test_an_upgrade_is_not_followed(door: Door) -> None:
    with container(echo) as upstream, caller(door.serve(upstream.port).port) as one:
        for _ in range(2):
            one.send(get(headers=AUTHORIZED + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"))
            answer = one.answer()
            assert answer.status == 200
        assert upstream.received[1].all("Upgrade") == []


@pytest.mark.parametrize(
    "raw",
    [
        b"NOT HTTP\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_bytes_that_are_not_http_are_rejected(door: Door, raw: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with container() as upstream:
        answer = ask(door.serve(upstream.port).port, raw)
        assert (answer.status, answer.body, answer.all("Connection")) == (400, b"Bad Request", ["close"])
        assert (answer.all("Server"), upstream.connections, caplog.records) == ([], 0, [])


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /score HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 62_000,
        b"GET /score HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 62_000 + b"\r\n\r\n",
        b"GET /score HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 120_000 + b"\r\n\r\n",
        b"GET /score HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 40_000,
        b"GET /" + b"a" * 62_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_a_head_without_end(door: Door, raw: bytes) -> None:
    with container() as upstream, caller(door.serve(upstream.port).port) as one:
        one.send(raw)
        answer = one.answer()
        assert (answer.status, answer.all("Connection"), upstream.connections) == (431, ["close"], 0)
        assert one.is_closed()


def test_a_long_head_passes(door: Door) -> None:
    """A token of many kilobytes, say; and the bytes of a request before it do not count as its own."""
    with container() as upstream, caller(door.serve(upstream.port).port) as one:
        one.send(post(b"x" * 61_000) + post(headers=b"X: %s\r\n" % (b"a" * 50_000)))
        assert one.answer().status == one.answer().status == 200
        assert len(upstream.received[1].all("X")[0]) == 50_000


@pytest.mark.parametrize("version", [b"0.9", b"2.0"])
def test_another_version_of_http(door: Door, version: bytes) -> None:
    with container() as upstream:
        answer = ask(door.serve(upstream.port).port, get().replace(b"HTTP/1.1", b"HTTP/" + version))
        assert (answer.status, answer.all("Connection"), upstream.connections) == (505, ["close"], 0)


def test_a_body_that_breaks_its_framing(door: Door) -> None:
    with container() as upstream, caller(door.serve(upstream.port).port) as one:
        one.send(b"POST /score HTTP/1.1\r\nHost: a\r\n" + AUTHORIZED + b"Transfer-Encoding: chunked\r\n\r\n")
        one.send(b"3\r\nabc\r\n")
        time.sleep(0.05)
        one.send(b"zz\r\n")
        assert one.answer().status == 400
        assert one.is_closed()


def test_a_transfer_coding_other_than_chunked(door: Door) -> None:
    with container() as upstream:
        answer = ask(
            door.serve(upstream.port).port,
            b"POST /score HTTP/1.1\r\nHost: a\r\n" + AUTHORIZED + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        )
        assert (answer.status, upstream.connections) == (501, 0)
