"""The demo that is deployed in the background at the first start of an emulator on a new workspace."""

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
    """Runs `command`, which deploys the demo, with `environ`; as a context manager it stops an unfinished one.

    `say` writes a line to the emulator's log, where the output of the command goes too.  A failure is logged and
    affects nothing else.
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
        """Return whether the workspace is new, or its first demo was interrupted."""
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
        """Start the demo if the workspace needs one."""
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

    def blocking_reason(self) -> str:
        """Return why the emulator is not ready yet, '' once the demo has ended."""
        return "" if self._ended.is_set() else "the demo is being deployed"

    def stop(self) -> None:
        """Interrupt the demo; the next start begins it again."""
        self._stopping.set()
        if self._process is None or self._ended.is_set():
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            if self._ended.wait(_END_SECONDS):
                return


def demo_command(home: Path) -> tuple[str, ...]:
    """Return the command that deploys the demo, with its files below the home."""
    return (sys.executable, "-m", "emulator", "demo", str(home / _FOLDER))


def demo_environ(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the variables of that command: it uses this home's emulator, whichever the shell names."""
    return {**environ, "AMLEMU_HOME": str(home), "AMLEMU_URL": ""}
