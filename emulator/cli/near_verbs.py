"""Commands of `az ml`, docker and kubectl, and the amlemu command that does the same."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

# By the words as they are typed; the longest match wins.
NEAR_VERBS: Mapping[tuple[str, ...], str] = {
    ("ps",): "amlemu list",
    ("ls",): "amlemu list",
    ("get",): "amlemu show ENDPOINT",
    ("rm",): "amlemu delete ENDPOINT",
    ("remove",): "amlemu delete ENDPOINT",
    ("rmi",): "amlemu prune",
    ("stop",): "amlemu down",
    ("start",): "amlemu up",
    ("restart",): "amlemu down, then amlemu up",
    ("run",): "amlemu deploy",
    ("create",): "amlemu deploy",
    ("apply",): "amlemu deploy -f FILE",
    ("update",): "amlemu deploy",
    ("build",): "amlemu environment build",
    ("describe",): "amlemu show ENDPOINT",
    ("inspect",): "amlemu show ENDPOINT",
    ("info",): "amlemu status",
    ("version",): "amlemu --version",
    ("settings",): "amlemu config",
    ("score",): "amlemu invoke ENDPOINT",
    ("call",): "amlemu invoke ENDPOINT",
    ("register",): "amlemu model register",
    ("models",): "amlemu model list",
    ("endpoints",): "amlemu list",
    ("endpoint",): "amlemu list",
    ("deployment",): "amlemu show ENDPOINT",
    ("service",): "amlemu list",
    ("env",): "amlemu environment list",
    ("model", "create"): "amlemu model register",
    ("env", "create"): "amlemu environment register -f FILE",
    ("system", "prune"): "amlemu prune",
}
_OF_ENDPOINTS: Mapping[str, str] = {
    "list": "amlemu list",
    "show": "amlemu show ENDPOINT",
    "create": "amlemu deploy -f FILE",
    "update": "amlemu deploy -f FILE, or amlemu traffic ENDPOINT DEPLOYMENT=PERCENT",
    "delete": "amlemu delete ENDPOINT",
    "invoke": "amlemu invoke ENDPOINT --data @FILE",
    "get-credentials": "amlemu keys ENDPOINT",
    "regenerate-keys": "amlemu keys ENDPOINT --regenerate primary",
    "get-logs": "amlemu logs ENDPOINT --deployment DEPLOYMENT",
    "get-keys": "amlemu keys ENDPOINT",
    "run": "amlemu invoke ENDPOINT --data @FILE",
}
_GROUPS = ("online-endpoint", "endpoint", "online-deployment", "deployment", "service")


def near_command(words: Sequence[str], commands: Iterable[str]) -> str:
    """Return the command that was meant; '' if none is similar.

    >>> near_command(["online-deployment", "create", "-f", "blue.yml"], [])
    'amlemu deploy -f FILE'
    >>> near_command(["ml", "model", "create"], []), near_command(["lst"], ["list"])
    ('amlemu model register', 'list')
    """
    plain = [word for word in words if not word.startswith("-")]
    while plain and plain[0] in ("az", "ml", "docker", "kubectl", "container"):
        plain = plain[1:]
    if not plain:
        return ""
    if plain[0] in _GROUPS:
        return _OF_ENDPOINTS.get("".join(plain[1:2]), "amlemu list")
    for count in (2, 1):
        if tuple(plain[:count]) in NEAR_VERBS:
            return NEAR_VERBS[tuple(plain[:count])]
    if plain[0] in set(commands) and plain[0] != words[0]:
        return f"amlemu {plain[0]}"
    near = difflib.get_close_matches(words[0], list(commands), n=1)
    return near[0] if near else ""
