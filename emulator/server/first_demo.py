"""The demo that a new workspace begins with, in the background of the emulator's first start, and never again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from emulator.store import Store
from emulator.store.disk import read_document, write_document
from emulator.system.child_environment import EMULATOR, child_environment

_MARKER = "demo.json"
_FOLDER = "demo"
_END_SECONDS = 5.0
_STDERR = 2


class FirstDemo:
    """`command` deploys the demo, with `environ`; `say` takes a line for the emulator's log.

    What the command prints goes to the log as well.  A failure is told there and does no harm to anything else.  As a
    context it starts, and is broken off at the end.
    """

    def __init__(
        self, store: Store, command: Sequence[str], environ: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        self._marker = store.home / _MARKER
        self._command = command
        self._environ = environ
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._ended = threading.Event()
        if not self._is_wanted(store):
            self._ended.set()

    def _is_wanted(self, store: Store) -> bool:
        """Whether the workspace is new, or its first demo was broken off."""
        marker = read_document(self._marker)
        if marker is not None:
            return bool(marker.get("state") == "begun")
        return store.is_new()

    def __enter__(self) -> FirstDemo:
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Begin, where it is wanted."""
        if self._ended.is_set():
            return
        write_document(self._marker, {"state": "begun"})
        self._say("a new workspace: the demo is being deployed (AMLEMU_DEMO=false leaves it out)")
        self._process = subprocess.Popen(
            self._command,
            env=child_environment(EMULATOR, self._environ),
            cwd=self._marker.parent,
            stdin=subprocess.DEVNULL,
            stdout=_STDERR,
            start_new_session=True,
        )
        threading.Thread(target=self._wait, args=(self._process,), name="first-demo", daemon=True).start()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        if not self._stopping.is_set():
            write_document(self._marker, {"state": "ended", "exit_code": code})
            if code != 0:
                self._say(f"THE DEMO FAILED with exit code {code}: see above.  All else works; again: amlemu demo")
        self._ended.set()

    def in_the_way(self) -> str:
        """Why the emulator is not ready yet: a condition of its readiness."""
        return "" if self._ended.is_set() else "the demo is being deployed"

    def stop(self) -> None:
        """Break it off; the next start begins anew."""
        self._stopping.set()
        if self._process is None or self._ended.is_set():
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            if self._ended.wait(_END_SECONDS):
                return


def demo_command(home: Path) -> tuple[str, ...]:
    """The command that deploys it; its files are kept below the home."""
    return (sys.executable, "-m", "emulator", "demo", str(home / _FOLDER))


def demo_environ(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """The variables of that command: it speaks to this home's emulator, whatever else the shell names."""
    return {**environ, "AMLEMU_HOME": str(home), "AMLEMU_URL": ""}
