"""One answer as it came over the wire, what of it two calls never share, and what each target makes of it."""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from differential_requests import Request

from emulator.profiles import Answer as OwnAnswer
from emulator.profiles import Profile

DEPLOYMENT = "blue"

# They belong to one hop: how the connection goes on, and how a body of unknown length is framed, is decided anew on
# each (RFC 9110 §7.6.1).  `chunked` is compared on its own.
_OF_ONE_HOP = ("connection", "transfer-encoding")
_BYTES = 1 << 16


@dataclass(frozen=True)
class Answer:
    """`whole` tells that the body was as long as its framing said; `headers` keep order, case and repeats."""

    status: int
    reason: bytes
    headers: tuple[tuple[str, str], ...]
    body: bytes
    chunked: bool = False
    whole: bool = True


@dataclass(frozen=True)
class Served:
    """One script's ports: the bare server's, and those of the endpoints in front of it."""

    bare: int
    local: int
    managed: int
    local_profile: Profile
    managed_profile: Profile


def ask(port: int, request: Request, *, half_closed: bool = False) -> Answer | None:
    """The final answer to one request on a connection of its own; None when there is none."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as sock:
        sock.sendall(request.raw)
        if half_closed:
            sock.shutdown(socket.SHUT_WR)
        return _read(sock, request.method)


def _read(sock: socket.socket, method: str) -> Answer | None:
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = _receive(sock)
            if not more:
                return None
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        answer = _head(head)
        if answer.status >= 200:
            return _with_body(sock, answer, data, method)


def _receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(_BYTES)
    except ConnectionError:
        return b""


def _head(head: bytes) -> Answer:
    first, *lines = head.split(b"\r\n")
    matched = re.fullmatch(rb"HTTP/1\.[01] (\d{3}) (.*)", first)
    assert matched, first
    headers = [line.decode("latin-1").partition(":") for line in lines]
    values = tuple((name, value.removeprefix(" ")) for name, _, value in headers)
    coded = any(name.lower() == "transfer-encoding" for name, _ in values)
    return Answer(int(matched[1]), matched[2], values, b"", chunked=coded)


def _with_body(sock: socket.socket, answer: Answer, data: bytes, method: str) -> Answer:
    lengths = [int(value) for name, value in answer.headers if name.lower() == "content-length"]
    if method == "HEAD" or answer.status in (204, 304):
        return replace(answer, body=data)  # must be nothing
    if answer.chunked:
        body, whole = _chunks(sock, data)
        return replace(answer, body=body, whole=whole)
    while (not lengths or len(data) < lengths[0]) and (more := _receive(sock)):
        data += more
    return replace(answer, body=data, whole=not lengths or len(data) == lengths[0])


def _chunks(sock: socket.socket, data: bytes) -> tuple[bytes, bool]:
    """A chunked body, and whether it came to its end."""
    body = b""
    while True:
        while b"\r\n" not in data:
            if not (more := _receive(sock)):
                return body, False
            data += more
        line, _, data = data.partition(b"\r\n")
        size = int(line, 16)
        while len(data) < size + 2:
            if not (more := _receive(sock)):
                return body + data[:size], False
            data += more
        assert data[size : size + 2] == b"\r\n"
        body, data = body + data[:size], data[size + 2 :]
        if size == 0:
            return body, not data


# What no two calls share.


def _date(value: str) -> str:
    parsedate_to_datetime(value)
    return "<date>"


def _guid(value: str) -> str:
    return "<guid>" if re.fullmatch(r"[0-9a-f-]{36}", value) and str(uuid.UUID(value)) == value else value


def _milliseconds(value: str) -> str:
    assert re.fullmatch(r"\d+\.\d{3}", value), value
    return "<ms>"


_VARIABLE: dict[str, Callable[[str], str]] = {
    "date": _date,  # the clock
    "x-request-id": _guid,  # a new GUID for each request that brings none
    "x-ms-request-id": _guid,  # the same one
    "x-ms-run-fn-exec-ms": _milliseconds,  # how long run() took
}


def comparable(answer: Answer | None) -> Answer | None:
    """The answer with a mark in place of each value that differs from call to call, and without its hop's headers."""
    if answer is None:
        return None
    headers = tuple(
        (name, _VARIABLE.get(name.lower(), str)(value))
        for name, value in answer.headers
        if name.lower() not in _OF_ONE_HOP
    )
    return replace(answer, headers=headers)


# What each target makes of the bare server's answer; `bare` and what comes back are comparable.


def asked_bare(request: Request, profile: Profile) -> Request:
    """The request as it reaches the container: without what the front door sets itself, the caller's own id cut."""
    asked = request.without(profile.request_id_header) if profile.request_id_header else request
    own_id = profile.scoring.client_request_id_header
    if own_id is None or (value := request.value(own_id)) is None:
        return asked
    kept = re.sub(rb"[^A-Za-z0-9_-]", b"", value)[:40]
    asked = asked.without(own_id)
    return asked.with_last(own_id, kept) if kept else asked


def expected_local(bare: Answer | None, request: Request, profile: Profile) -> Answer:
    """The same, but for an answer that never came (row status.container_unreachable)."""
    return bare if bare is not None else _own(profile.scoring.container_unreachable, profile, deployment="")


def expected_managed(bare: Answer | None, request: Request, profile: Profile) -> Answer:
    """The bare answer behind the front door of `profile`, every difference of it a row of the table."""
    refusal, methods = profile.rejected_method, profile.routed_methods
    if refusal is not None and methods is not None and request.method not in methods:
        allow = (("allow", ", ".join(sorted(methods))),)
        return _own(refusal, profile, deployment="", last=allow, method=request.method)
    if bare is None:
        why = _reason(profile, profile.scoring.not_ready_reason)
        answer = profile.scoring.container_unreachable
        return _own(answer, profile, deployment=DEPLOYMENT, weighted=False, last=why)
    replaced = [name.lower() for name, _ in (*_first(profile), *_last(profile, DEPLOYMENT))]
    kept = tuple((name, value) for name, value in bare.headers if name.lower() not in replaced)
    answer = replace(bare, headers=(*_first(profile), *kept, *_last(profile, DEPLOYMENT)))
    return _mapped(answer, profile)


def _mapped(answer: Answer, profile: Profile) -> Answer:
    """The status that the caller sees, and the headers that tell of it (rows status.*)."""
    scoring = profile.scoring
    status = answer.status if scoring.status_mapping is None else scoring.status_mapping.of(answer.status)
    if status == answer.status:
        return answer
    headers = answer.headers
    if answer.status in (204, 304):  # the status in their place has a body, which is empty
        own = len(_last(profile, DEPLOYMENT))
        kept = tuple(header for header in headers if header[0].lower() != "content-length")
        headers = (*kept[: len(kept) - own], ("content-length", "0"), *kept[len(kept) - own :])
    original = ((scoring.original_status_header, str(answer.status)),) if scoring.original_status_header else ()
    phrase = scoring.mapped_phrase or HTTPStatus(status).phrase
    why = _reason(profile, scoring.model_error_reason)
    return replace(answer, status=status, reason=phrase.encode(), headers=(*headers, *original, *why))


def _reason(profile: Profile, reason: str | None) -> tuple[tuple[str, str], ...]:
    header = profile.scoring.reason_header
    return ((header, reason),) if header and reason else ()


def _own(
    answer: OwnAnswer,
    profile: Profile,
    *,
    deployment: str,
    weighted: bool = False,
    last: tuple[tuple[str, str], ...] = (),
    method: str = "GET",
) -> Answer:
    """An answer that the front door gives by itself."""
    body = answer.body.encode()
    told = (("date", "<date>"), ("content-type", "text/plain"), ("content-length", str(len(body))))
    headers = (*_first(profile), *told, *_last(profile, deployment, weighted=weighted), *last)
    reason = HTTPStatus(answer.status).phrase.encode()
    return Answer(answer.status, reason, headers, b"" if method == "HEAD" else body)


def _first(profile: Profile) -> tuple[tuple[str, str], ...]:
    return (("server", profile.server),) if profile.server else ()


def _last(profile: Profile, deployment: str, *, weighted: bool = True) -> tuple[tuple[str, str], ...]:
    last = [(profile.request_id_header, "<guid>")]
    if deployment:
        last.append((profile.model_deployment_header, deployment))
        if weighted:
            last.append((profile.model_session_header, deployment))
    return tuple((name, value) for name, value in last if name is not None)
