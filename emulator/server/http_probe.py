"""HTTP probes of scoring containers: liveness and readiness."""

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
    """Send `GET path` to the container; the timeout covers everything to the end of the response's headers.

    Like the cloud's probes (rows probes.path, probes.no_auth) it goes to the container's own port, without a key, with
    only the headers given.  Failures are worded like those of Kubernetes' prober.
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
            # One deadline for the whole response: a server that sends it byte by byte must not block the probe.
            sock.settimeout(left)
            data = sock.recv(_READ_BYTES)
            if not data:
                raise EOFError
            parser.feed_data(data)
        return int(parser.get_status_code())


class _Head:
    """Parser callbacks: notes when the headers are complete."""

    complete = False

    def on_headers_complete(self) -> None:
        self.complete = True
