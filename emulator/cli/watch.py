"""`deploy --watch`: deploys again after each change of the code folder."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator.cli.failures import print_error
from emulator.cli.output import say
from emulator.client.client import Client
from emulator.errors import EmulatorError
from emulator.store.trees import code_tree

_POLL_SECONDS = 0.1
# Files that v2 would not upload are not watched; the command line does not know the target's own rule.
_IGNORE_FILES = (".amlignore", ".gitignore")

Stamps = dict[str, tuple[int, int]]
"""Modification time in ns and size in bytes, by path."""


def watch_folder(client: Client, endpoint: str, deployment: str, request: Mapping[str, Any]) -> None:
    """Deploy again after every change of the code folder, until interrupted; a failure keeps the old deployment."""
    folder = Path(request["code"])
    say(f"watching {folder}; Ctrl-C stops watching, the endpoint keeps running")
    seen = stamps(folder)
    while True:
        time.sleep(_POLL_SECONDS)
        now = stamps(folder)
        if now == seen:
            continue
        now = _settled(folder, now)
        changed = sorted(path for path in now.keys() | seen.keys() if now.get(path) != seen.get(path))
        seen = now
        _deploy_again(client, endpoint, deployment, request, changed)


def _settled(folder: Path, now: Stamps) -> Stamps:
    """Return the stamps once they no longer change: an editor may empty a file before it writes."""
    while True:
        time.sleep(_POLL_SECONDS / 2)
        before, now = now, stamps(folder)
        if now == before:
            return now


def stamps(folder: Path) -> Stamps:
    """Return the stamps of the code's files, without those that vanish meanwhile."""
    found: Stamps = {}
    for file in code_tree(folder, ignore_files=_IGNORE_FILES).files:
        try:
            stat = file.source.stat()
        except OSError:
            continue
        found[file.path] = (stat.st_mtime_ns, stat.st_size)
    return found


def _deploy_again(
    client: Client, endpoint: str, deployment: str, request: Mapping[str, Any], changed: list[str]
) -> None:
    began = time.monotonic()
    try:
        client.put_deployment(endpoint, deployment, request, lambda _kind, _text: None)
    except EmulatorError as error:
        print_error(error)
        say("the change is not deployed; the old deployment keeps serving")
    else:
        say(f"{', '.join(changed[:3])} changed: serving after {time.monotonic() - began:.1f} s")
