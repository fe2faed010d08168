"""Asks a scoring container over HTTP whether it is ready."""

from __future__ import annotations

import http.client

from emulator.engines import Container


def answers(container: Container, timeout_seconds: float) -> bool:
    """Whether `GET /` of the container is 200 within the time, as the cloud's probes ask (contract/managed §6.4)."""
    if not container.port:
        return False
    connection = http.client.HTTPConnection(container.host, container.port, timeout=timeout_seconds)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
