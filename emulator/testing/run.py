"""One test run: its emulator, which all its processes share, and its cleanup.

The first process that needs the emulator starts it; the process that the run began with (xdist's controller) ends it,
because it outlives the others.  They share state in the run's folder.
"""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from emulator.cli.connection import connect, start_in_background
from emulator.config import Settings
from emulator.errors import EmulatorError
from emulator.system.files import file_lock
from emulator.system.removal import remove_tree

# Below the ephemeral ports of Linux (32768 and more), which clients get.
_PORTS = range(20000, 32000)
_PORTS_OF_A_RUN = 202
_TRIES = 3
_AGAIN_SECONDS = 0.05
_END_SECONDS = 60.0


@dataclass(frozen=True)
class Run:
    """A test run: its `folder`, and the process that it began with."""

    folder: Path
    owner_pid: int

    @property
    def _held(self) -> Path:
        return self.folder / "emulator.json"

    @property
    def _names(self) -> Path:
        return self.folder / "endpoints.txt"

    def obtain(self, wanted: Settings, *, keep: bool) -> Settings:
        """Return the settings of the run's emulator: the one that `wanted.url` names, or one of the run's own.

        The run's own has ports of its own; with `keep` it outlives the run.
        Raises EngineUnavailable.
        """
        with self._locked():
            if wanted.url:
                return wanted
            held = self._read()
            if held is None:
                held = self._start(wanted, keep=keep)
                self._held.write_text(json.dumps(held), encoding="utf-8")
        return _with_ports(wanted, range(*held["ports"]))

    def remember(self, endpoint: str) -> None:
        """Note the name of an endpoint before it is created, so that it is deleted at the end of the run."""
        with self._names.open("a", encoding="utf-8") as file:
            file.write(endpoint + "\n")

    def end(self, wanted: Settings) -> None:
        """Delete the run's endpoints, stop its own emulator, remove its folder."""
        held = self._read()
        if held is None or not wanted.home.is_relative_to(self.folder):
            self.delete_endpoints(wanted)
        if held is not None:
            _end_process(wanted, int(held["pid"]))
        remove_tree(self.folder, ignore_errors=True)

    def delete_endpoints(self, settings: Settings) -> None:
        """Delete the endpoints that the run has created, ignoring errors."""
        names = self._names.read_text(encoding="utf-8").split() if self._names.exists() else []
        if not names:
            return
        with suppress(EmulatorError), connect(settings) as client:
            for name in dict.fromkeys(names):
                with suppress(EmulatorError):
                    client.delete_endpoint(name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file_lock(self.folder / "lock", pause=lambda: time.sleep(_AGAIN_SECONDS)):
            yield

    def _read(self) -> dict[str, Any] | None:
        try:
            held: dict[str, Any] = json.loads(self._held.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return held

    def _start(self, wanted: Settings, *, keep: bool) -> dict[str, Any]:
        guarded = ("emulator.testing.watchdog", str(self.owner_pid), str(self.folder))
        for left in reversed(range(_TRIES)):
            ports = _free_ports()
            try:
                described = start_in_background(_with_ports(wanted, ports), ("emulator", "up") if keep else guarded)
            except EmulatorError as error:
                if not left or "in use" not in error.log_tail:  # else another run has taken the port
                    raise
            else:
                return {"pid": described["pid"], "ports": [ports.start, ports.stop]}
        raise AssertionError


def _with_ports(settings: Settings, ports: range) -> Settings:
    """Set the ports: the first two are the emulator's own, the others its endpoints'."""
    return replace(settings, port=ports[0], gateway_port=ports[1], endpoint_ports=range(ports[2], ports.stop))


def _free_ports() -> range:
    """Return a block of ports whose first two are free; an endpoint skips one that is taken."""
    first = 0
    for _ in range(100):
        first = random.randrange(_PORTS.start, _PORTS.stop - _PORTS_OF_A_RUN)
        if _is_free(first) and _is_free(first + 1):
            break
    return range(first, first + _PORTS_OF_A_RUN)


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _end_process(settings: Settings, pid: int) -> None:
    """Ask the emulator to stop, and kill it if it does not."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        try:
            with connect(settings) as client:
                client.shutdown()
            process.wait(_END_SECONDS)
        except (EmulatorError, psutil.TimeoutExpired):
            process.kill()
            process.wait(_END_SECONDS)
