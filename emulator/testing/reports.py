"""Reports of failed tests: the logs of their endpoints, and errors of a deploy, with secrets masked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from emulator.errors import EmulatorError
from emulator.testing.endpoint import Endpoint

_LOG_LINES = 50
_REQUEST_LINES = 20
_SHOWN_COLUMNS = ("TimeGenerated", "Method", "Path", "ResponseCode", "ResponseCodeReason", "ModelStatusCode",
                  "TotalDurationMs", "DeploymentName", "XRequestId", "Warning", "Mirrored")  # fmt: skip


def failure_text(error: EmulatorError) -> str:
    """Return an error as text: code, message, resource, faults, hint, and the tail of the log."""
    lines = [f"{error.code}: {error.message}" + (f"  [{error.target}]" if error.target else "")]
    lines += [f"  {fault}" for fault in error.faults]
    lines += [f"  → {error.hint}"] if error.hint else []
    lines += [f"  | {line}" for line in error.log_tail.splitlines()]
    return "\n".join(lines)


def report_sections(endpoints: Iterable[Endpoint], secrets: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield title and text of the last log lines and requests of each endpoint."""
    for endpoint in list(endpoints):
        hidden = {*secrets, *endpoint.secrets}
        try:
            yield from _endpoint_sections(endpoint, hidden)
        except EmulatorError as error:  # the endpoint was deleted, or the emulator has stopped
            yield f"amlemu: endpoint {endpoint.name}", mask_secrets(hidden, f"its logs cannot be read: {error}")


def _endpoint_sections(endpoint: Endpoint, hidden: Iterable[str]) -> Iterator[tuple[str, str]]:
    if explained := endpoint.explain():
        cause, hint = explained
        yield f"amlemu: why {endpoint.name} answered so", mask_secrets(hidden, f"{cause}\n  → {hint}")
    for deployment in endpoint.client.get_endpoint(endpoint.name)["deployments"]:
        lines = endpoint.logs(deployment["name"], tail=_LOG_LINES)
        yield (
            f"amlemu: log of {endpoint.name}/{deployment['name']}",
            mask_secrets(hidden, "\n".join(lines) or "(nothing)"),
        )
    shown = [json.dumps(_shown(line)) for line in endpoint.requests(tail=_REQUEST_LINES)]
    yield f"amlemu: requests to {endpoint.name}", mask_secrets(hidden, "\n".join(shown) or "(none)")


def _shown(line: dict[str, object]) -> dict[str, object]:
    return {name: line[name] for name in _SHOWN_COLUMNS if line.get(name) not in (None, "")}


def mask_secrets(secrets: Iterable[str], text: str) -> str:
    """Replace each of the secrets by `***`.

    >>> mask_secrets(["abc", ""], "Bearer abc")
    'Bearer ***'
    """
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return text
