"""Asks a scoring container over HTTP whether it is alive and ready."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from types import MappingProxyType

import httptools

from emulator.engines import Container
from emulator.entities.probing import ProbeAnswer

_READ_BYTES = 4096
_NONE: Mapping[str, str] = MappingProxyType({})


def probe(container: Container, path: str, timeout_seconds: float, headers: Mapping[str, str] = _NONE) -> ProbeAnswer:
    """What `GET path` of the container answers within the time, from the first packet to the end of the headers.

    As the cloud's probes ask (rows probes.path, probes.no_auth): on the container's own port, with no key but for what
    `headers` say.  Failures are told in the words of Kubernetes' prober.
    """
    address = f"{container.host}:{container.port}"
    if not container.port:
        return ProbeAnswer(0, "the container does not run")
    try:
        return ProbeAnswer(_ask(container, address, path, timeout_seconds, headers))
    except (OSError, EOFError, httptools.HttpParserError) as error:
        return ProbeAnswer(0, f'Get "http://{address}{path}": {_why(error, address)}')


def _why(error: Exception, address: str) -> str:
    if isinstance(error, TimeoutError):
        return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {address}: connect: connection refused"
    if isinstance(error, EOFError):
        return "EOF"
    return str(getattr(error, "strerror", None) or error or "malformed HTTP response")


def _ask(container: Container, address: str, path: str, timeout_seconds: float, headers: Mapping[str, str]) -> int:
    deadline = time.monotonic() + timeout_seconds
    with socket.create_connection((container.host, container.port), timeout_seconds) as sock:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {address}\r\n{lines}Connection: close\r\n\r\n".encode())
        head = _Head()
        parser = httptools.HttpResponseParser(head)
        while not head.complete:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            # Not a time-out for each piece: a server that drips its answer must not hold the probe for ever.
            sock.settimeout(left)
            data = sock.recv(_READ_BYTES)
            if not data:
                raise EOFError
            parser.feed_data(data)
        return int(parser.get_status_code())


class _Head:
    """Learns from the parser that all headers have come."""

    complete = False

    def on_headers_complete(self) -> None:
        self.complete = True
