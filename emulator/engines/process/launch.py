"""Start a container's supervisor, detached, and probe which isolation this machine allows."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from emulator.engines.process.isolation import Entry, Folders, Isolation, supervisor_plan
from emulator.system.child_environment import SUPERVISOR, child_environment
from emulator.system.os_process import ProcessFacts, read_facts, send_signal, wait_until_gone
from emulator.system.removal import remove_tree

_SUPERVISOR = str(Path(__file__).with_name("supervisor.py"))
_ANSWER_SECONDS = 30.0
_GPUS = ("nvidia*", "dri", "kfd", "dxg")


class LaunchRefused(Exception):
    """The supervisor did not start the server; the text says why."""


@contextlib.contextmanager
def bound_socket() -> Iterator[socket.socket]:
    """A socket on a free port of 127.0.0.1.

    Not listening: until the server listens on it callers are refused, as by a container whose server is not up yet.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener


def launch(plan: Mapping[str, Any], listener: socket.socket, started: Callable[[ProcessFacts], None]) -> None:
    """Start a supervisor with `plan` and return once the server's program has been executed.

    `started` is called with the supervisor's facts while nothing runs below it yet: should it fail, or the emulator
    die, the supervisor ends without having started anything.  Raises LaunchRefused.
    """
    plan_read, plan_write = os.pipe()
    answer_read, answer_write = os.pipe()
    with open(plan_write, "wb") as plan_pipe, open(answer_read, "rb") as answer_pipe:  # noqa: PTH123
        try:
            pid = _spawn(plan_read, answer_write, listener.fileno())
        finally:
            os.close(plan_read)
            os.close(answer_write)
        facts = read_facts(pid)
        if facts is None:
            raise LaunchRefused("the supervisor ended at once")
        with _reaped_without_plan(facts, plan_pipe):
            started(facts)
        with contextlib.suppress(BrokenPipeError):  # it has ended; its answer says why
            plan_pipe.write(json.dumps(plan).encode())
            plan_pipe.close()
        _read_answer(answer_pipe.fileno(), facts)


@contextlib.contextmanager
def _reaped_without_plan(facts: ProcessFacts, plan: BinaryIO) -> Iterator[None]:
    try:
        yield
    except BaseException:
        plan.close()
        wait_until_gone(facts, 5)
        raise


def _spawn(plan: int, answer: int, listener: int) -> int:
    """Not subprocess: its objects complain about children that outlive them, and these are meant to."""
    moves = ((plan, 0), (answer, 1), (answer, 2), (listener, 3))
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", _SUPERVISOR],
        child_environment(SUPERVISOR, os.environ),
        file_actions=[(os.POSIX_SPAWN_DUP2, source, target) for source, target in moves],
        setsigmask=(),
        setsigdef=(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE),
    )


def _read_answer(pipe: int, facts: ProcessFacts) -> None:
    """Wait for the end of the answer, which is empty when all went well."""
    answer, deadline = b"", time.monotonic() + _ANSWER_SECONDS
    while True:
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        block = os.read(pipe, 65536) if ready else b"it did not answer in time"
        answer += block
        if not block or not ready:
            break
    if answer:
        send_signal(facts, signal.SIGKILL)
        wait_until_gone(facts, 5)
        raise LaunchRefused(answer.decode("utf-8", "replace").strip())


def probe(isolation: Isolation, machine: list[Entry]) -> str:
    """Start a container that ends at once; empty when this machine allows such `isolation`, else what it refused."""
    own = Path(tempfile.mkdtemp(prefix="amlemu-probe-"))
    try:
        for name in ("home", "tmp", "var-tmp", "root", "venv", "layout"):
            (own / name).mkdir()
        (own / "launch.py").touch()
        plan = supervisor_plan(
            isolation,
            Folders(str(own), str(own), str(own / "layout")),
            machine,
            command=(),
            environment={},
            working_dir="/",
            log_bytes=4096,
        )
        return _try_launch(plan)
    finally:
        remove_tree(own)


def _try_launch(plan: Mapping[str, Any]) -> str:
    supervisors: list[ProcessFacts] = []
    with bound_socket() as listener:
        try:
            launch(plan, listener, supervisors.append)
        except LaunchRefused as refusal:
            return str(refusal)
        finally:
            for facts in supervisors:
                wait_until_gone(facts, 5)
    return ""


def read_machine() -> list[Entry]:
    """Return the entries of this machine's /, /var and /opt, and the devices of GPUs."""
    found = []
    for folder in ("/", "/var", "/opt"):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            found += [_entry(path) for path in sorted(Path(folder).iterdir())]
    return found + [_entry(path) for pattern in _GPUS for path in sorted(Path("/dev").glob(pattern))]


def _entry(path: Path) -> Entry:
    return Entry(str(path), str(path.readlink()) if path.is_symlink() else None)


def resolver_folders() -> list[str]:
    """Return the folder that holds resolv.conf where /etc only links to it."""
    file = Path("/etc/resolv.conf").resolve()
    return [str(file.parent)] if file.is_relative_to("/run") else []
