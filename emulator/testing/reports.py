"""What a test that failed is told of its endpoints, and of a deploy that did not come about; never with a key."""

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
    """Code, what, which resource, why, what to do next, and the end of the log that shows it."""
    lines = [f"{error.code}: {error.message}" + (f"  [{error.target}]" if error.target else "")]
    lines += [f"  {fault}" for fault in error.faults]
    lines += [f"  → {error.hint}"] if error.hint else []
    lines += [f"  | {line}" for line in error.log_tail.splitlines()]
    return "\n".join(lines)


def sections(endpoints: Iterable[Endpoint], secrets: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Title and text of what each endpoint's containers and its front door have said last."""
    for endpoint in list(endpoints):
        hidden = {*secrets, *endpoint.secrets}
        try:
            yield from _sections(endpoint, hidden)
        except EmulatorError as error:  # it has been deleted, or the emulator has gone
            yield f"amlemu: endpoint {endpoint.name}", without(hidden, f"its logs cannot be had: {error}")


def _sections(endpoint: Endpoint, hidden: Iterable[str]) -> Iterator[tuple[str, str]]:
    if explained := endpoint.explain():
        cause, hint = explained
        yield f"amlemu: why {endpoint.name} answered so", without(hidden, f"{cause}\n  → {hint}")
    for deployment in endpoint.client.get_endpoint(endpoint.name)["deployments"]:
        lines = endpoint.logs(deployment["name"], tail=_LOG_LINES)
        yield f"amlemu: log of {endpoint.name}/{deployment['name']}", without(hidden, "\n".join(lines) or "(nothing)")
    shown = [json.dumps(_shown(line)) for line in endpoint.requests(tail=_REQUEST_LINES)]
    yield f"amlemu: requests to {endpoint.name}", without(hidden, "\n".join(shown) or "(none)")


def _shown(line: dict[str, object]) -> dict[str, object]:
    return {name: line[name] for name in _SHOWN_COLUMNS if line.get(name) not in (None, "")}


def without(secrets: Iterable[str], text: str) -> str:
    """The text with `***` for each of the secrets.

    >>> without(["abc", ""], "Bearer abc")
    'Bearer ***'
    """
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return text
