"""What the front door makes of answers: its own, and the container's.  Pure."""

from __future__ import annotations

from http import HTTPStatus

from emulator.gateway.traffic_log import Exchange
from emulator.profiles import ScoringProfile
from emulator.routing.http_heads import Changes, ResponseHead, line
from emulator.routing.routes import EndpointRoute

_CONTENT_LENGTH = b"content-length"
_OF_THE_BODY = frozenset({_CONTENT_LENGTH, b"content-type", b"content-encoding", b"transfer-encoding", b"date"})


def answer_changes(route: EndpointRoute, exchange: Exchange) -> Changes:
    """What the front door puts into an answer, in the order of a published answer (row headers.end_to_end)."""
    last = exchange.id_line
    if exchange.deployment:
        last += route.deployment_lines(exchange.deployment, exchange.by_weight)
    return Changes(route.dropped_from_answers, route.first_lines, last)


def own_lines(route: EndpointRoute, exchange: Exchange, model_reason: str | None) -> bytes:
    """The lines that say why the model did not answer (row status.reason_header)."""
    header = route.profile.scoring.reason_header
    if header is None or model_reason is None:
        return b""
    exchange.model_reason = model_reason
    return line(header, model_reason)


def mapped(profile: ScoringProfile, head: ResponseHead, exchange: Exchange) -> tuple[ResponseHead, bytes]:
    """The head that the caller sees in place of the container's, and the lines that explain it (rows status.*)."""
    mapping = profile.status_mapping
    status = head.status if mapping is None else mapping.of(head.status)
    if status == head.status:
        return head, b""
    phrase = profile.mapped_phrase or HTTPStatus(status).phrase
    lines = b""
    if profile.original_status_header:
        lines += line(profile.original_status_header, str(head.status))
    if profile.reason_header and profile.model_error_reason:
        lines += line(profile.reason_header, profile.model_error_reason)
        exchange.model_reason = profile.model_error_reason
    head = head._replace(status=status, reason=phrase.encode())
    if not profile.mapped_headers_stay:
        head = head._replace(headers=[header for header in head.headers if header[0] in _OF_THE_BODY])
    if head.has_body and profile.mapped_body_stays:
        return head, lines
    return _with_empty_body(head), lines


def _with_empty_body(head: ResponseHead) -> ResponseHead:
    """204 and 304 have no body by their status; the status in their place has one, which is empty."""
    kept = [header for header in head.headers if header[0] != _CONTENT_LENGTH]
    length = (_CONTENT_LENGTH, _CONTENT_LENGTH, b"0")
    return head._replace(headers=[*kept, length], content_length=0, chunked=False, has_body=False)


def legal_client_id(value: bytes) -> bytes:
    """The caller's own id as the platform keeps it: letters, digits, '-' and '_', at most 40.

    Source: row headers.client_request_id.

    >>> legal_client_id(b"order 17/" + b"x" * 50)
    b'order17xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'
    """
    return bytes(byte for byte in value if byte in _ID_CHARACTERS)[:40]


_ID_CHARACTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
