"""The changes that the front door makes to responses: to the container's, and to its own.  Pure."""

from __future__ import annotations

from http import HTTPStatus

from emulator.gateway.traffic_log import Exchange
from emulator.profiles import ScoringProfile
from emulator.routing.http_heads import HeaderEdits, ResponseHead, header_line
from emulator.routing.routes import EndpointRoute

_CONTENT_LENGTH = b"content-length"
_OF_THE_BODY = frozenset({_CONTENT_LENGTH, b"content-type", b"content-encoding", b"transfer-encoding", b"date"})


def response_edits(route: EndpointRoute, exchange: Exchange) -> HeaderEdits:
    """The headers that the front door sets in a response, in the order of a published one (row headers.end_to_end)."""
    last = exchange.id_line
    if exchange.deployment:
        last += route.deployment_lines(exchange.deployment, exchange.by_weight)
    return HeaderEdits(route.dropped_from_answers, route.first_lines, last)


def reason_lines(route: EndpointRoute, exchange: Exchange, model_reason: str | None) -> bytes:
    """The header line that says why the model did not answer (row status.reason_header)."""
    header = route.profile.scoring.reason_header
    if header is None or model_reason is None:
        return b""
    exchange.model_reason = model_reason
    return header_line(header, model_reason)


def map_status(profile: ScoringProfile, head: ResponseHead, exchange: Exchange) -> tuple[ResponseHead, bytes]:
    """Map the container's status; return the head for the caller and the header lines that explain it (status.*)."""
    mapping = profile.status_mapping
    status = head.status if mapping is None else mapping.of(head.status)
    if status == head.status:
        return head, b""
    phrase = profile.mapped_phrase or HTTPStatus(status).phrase
    lines = b""
    if profile.original_status_header:
        lines += header_line(profile.original_status_header, str(head.status))
    if profile.reason_header and profile.model_error_reason:
        lines += header_line(profile.reason_header, profile.model_error_reason)
        exchange.model_reason = profile.model_error_reason
    head = head._replace(status=status, reason=phrase.encode())
    if not profile.mapped_headers_stay:
        head = head._replace(headers=[header for header in head.headers if header[0] in _OF_THE_BODY])
    if head.has_body and profile.mapped_body_stays:
        return head, lines
    return _with_empty_body(head), lines


def _with_empty_body(head: ResponseHead) -> ResponseHead:
    """Add an empty body: 204 and 304 have none by their status, the mapped status needs one."""
    kept = [header for header in head.headers if header[0] != _CONTENT_LENGTH]
    length = (_CONTENT_LENGTH, _CONTENT_LENGTH, b"0")
    return head._replace(headers=[*kept, length], content_length=0, chunked=False, has_body=False)


def legal_client_id(value: bytes) -> bytes:
    """Return the caller's own id as the platform keeps it: 40 letters, digits, '-' and '_' at most.

    Source: row headers.client_request_id.

    >>> legal_client_id(b"order 17/" + b"x" * 50)
    b'order17xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'
    """
    return bytes(byte for byte in value if byte in _ID_CHARACTERS)[:40]


_ID_CHARACTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
