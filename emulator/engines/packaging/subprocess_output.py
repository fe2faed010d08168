"""A child process fed, read and waited for, and ended with all that it has started when the work is canceled."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterable

from emulator.engines import Log
from emulator.errors import OperationCanceled

_END_SECONDS = 5.0


def talk(
    process: subprocess.Popen[str], stdin: str | None, log: Log | None, canceled: threading.Event
) -> tuple[str, str]:
    """Feed the process, which leads a session of its own, wait for its end, and return its stdout and stderr."""
    out: list[str] = []
    err: list[str] = []
    readers = [
        threading.Thread(target=_collect, args=(process.stdout, out, None), daemon=True),
        threading.Thread(target=_collect, args=(process.stderr, err, log), daemon=True),
    ]
    with process:
        for reader in readers:
            reader.start()
        try:
            if process.stdin is not None:
                _feed(process.stdin, stdin or "")
            _wait(process, canceled)
        finally:
            for reader in readers:  # also of a canceled process, before its pipes are closed
                reader.join()
    return "".join(out), "".join(err)


def _collect(stream: Iterable[str] | None, lines: list[str], log: Log | None) -> None:
    for line in stream or ():
        lines.append(line)
        if log and line.strip():
            log(line.rstrip())


def _feed(pipe: object, text: str) -> None:
    try:
        pipe.write(text)  # type: ignore[attr-defined]
        pipe.close()  # type: ignore[attr-defined]
    except BrokenPipeError:
        pass  # uv's exit code says why it did not read


def _wait(process: subprocess.Popen[str], canceled: threading.Event) -> None:
    while True:
        try:
            process.wait(0.05)
            return
        except subprocess.TimeoutExpired:
            if canceled.is_set():
                _end(process)
                raise OperationCanceled("the installation of packages was interrupted") from None


def _end(process: subprocess.Popen[str]) -> None:
    """End the process and all that it has started: asked first, then killed."""
    os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
