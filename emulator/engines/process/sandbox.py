"""Run programs that execute code of packages, isolated from the emulator, while an environment is made.

What builds a source distribution, what imports a package: it runs as scoring servers do (`process_isolation`), with a
home and temporary folders of its own that are gone afterwards, none of the emulator's variables and none of its files
but those that it is given.  Where a machine allows no isolation it runs with the emulator user's rights, as its scoring
servers do there, which their differences say; its variables and its home are its own all the same.

It ends with the emulator, unlike containers.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emulator.engines.process.containers import stop
from emulator.engines.process.files import is_readable_by_all, locked, read_json
from emulator.engines.process.isolation import (
    CONTAINER_UID,
    HOME,
    SYSTEM_PATH,
    Folders,
    Isolation,
    not_shown,
    supervisor_plan,
)
from emulator.engines.process.launch import LaunchRefused, bound_socket, launch, read_machine, resolver_folders
from emulator.errors import EngineUnavailable, OperationCanceled
from emulator.system.os_process import ProcessFacts, kill_all_marked, wait_until_gone
from emulator.system.removal import remove_tree

_POLL_SECONDS = 0.05
_LOG_BYTES = 8 * 2**20
_GRACE_SECONDS = 2.0
_KILLED = 137
_ABANDONED_SECONDS = 60
# Held while its program runs.
_LOCK = "lock"


@dataclass(frozen=True)
class Program:
    """What to run: `command` begins with an absolute path.

    It may read the files and folders `readable`, and write to the folders `writable`, which lie in those; all are where
    they are outside.  The rest of the machine it sees as a scoring server does.
    """

    command: Sequence[str]
    readable: Sequence[Path]
    writable: Sequence[Path]
    variables: Mapping[str, str]
    working_dir: Path


@dataclass(frozen=True)
class Ended:
    """How a program ended, and what it printed, stdout and stderr as they came; of very long texts the end."""

    exit_code: int
    output: str


class Sandbox:
    """Runs programs with folders of their own below `folder`; of `home`, the emulator's, they see what they may read.

    `choose` tells the best isolation that the machine allows, and takes whether any user may read what is needed.
    `mark` is a variable that every program gets: by it they are found when the emulator was killed.
    """

    def __init__(self, folder: Path, home: Path, choose: Callable[[bool], Isolation], mark: Mapping[str, str]) -> None:
        self._folder, self._home, self._choose, self._mark = folder, home, choose, mark

    def isolation(self, readable: Sequence[Path]) -> Isolation:
        """Return the isolation for a program that must read these."""
        return self._choose(all(is_readable_by_all(path) for path in readable))

    def run(self, program: Program, canceled: threading.Event) -> Ended:
        """Run it to its end.  Raises EngineUnavailable, and OperationCanceled soon after `canceled` is set."""
        isolation = self.isolation(program.readable)
        own = self._folder / secrets.token_hex(6)
        own.mkdir(parents=True, mode=0o700)
        facts: list[ProcessFacts] = []
        try:
            with locked(own / _LOCK), bound_socket() as unused:
                _make_folders(own, for_container_user=isolation.mode == "root")
                launch(self._plan(program, isolation, own), unused, facts.append)
                _wait(facts[0], canceled)
                ended = read_json(own / "exit.json")
                return Ended(ended["exit_code"] if ended else _KILLED, _output(own))
        except LaunchRefused as refusal:
            message = f"a program of the environment could not be started: {refusal}"
            raise EngineUnavailable(message, hint="see `amlemu doctor`") from refusal
        finally:
            for started in facts:
                stop(started, 0)
            if facts and not isolation.pid_namespace:
                kill_all_marked("HOSTNAME", own.name)
            remove_tree(own)

    def clear(self, *, dry_run: bool = False) -> list[str]:
        """Remove what programs have left whose emulator was killed, with which they ended; what is removed."""
        said = []
        for folder in sorted(self._folder.glob("*")):
            if not self._is_in_use(folder):
                said.append(f"unfinished build {folder.name}")
                if not dry_run:
                    remove_tree(folder)
        return said

    def _is_in_use(self, folder: Path) -> bool:
        try:
            if not (folder / _LOCK).exists():  # it begins just now, or is being removed
                return folder.stat().st_mtime > time.time() - _ABANDONED_SECONDS
            with locked(folder / _LOCK) as free:
                return not free
        except FileNotFoundError:
            return True

    def _plan(self, program: Program, isolation: Isolation, own: Path) -> Mapping[str, object]:
        folders = Folders(
            str(own), str(own), str(own / "layout"), not_shown([*map(str, program.readable), *resolver_folders()])
        )
        plan = supervisor_plan(
            isolation,
            folders,
            read_machine(),
            command=program.command,
            environment=self._variables(program, isolation, own),
            working_dir=str(program.working_dir),
            log_bytes=_LOG_BYTES,
        )
        steps = _with_folders(plan["mounts"], f"{own}/root", self._home, program)
        return {**plan, "mounts": steps, "ends_with_emulator": True}

    def _variables(self, program: Program, isolation: Isolation, own: Path) -> dict[str, str]:
        places = {"HOME": HOME, "TMPDIR": "/tmp"}  # noqa: S108 - its own
        if isolation.mode == "none":
            places = {"HOME": f"{own}/home", "TMPDIR": f"{own}/tmp"}  # noqa: S108
        # By HOSTNAME its processes are found where no process namespace keeps them together.
        ours = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", **places, "HOSTNAME": own.name, **self._mark}
        return {**program.variables, **ours}


def _make_folders(own: Path, *, for_container_user: bool) -> None:
    (own / "log").touch(mode=0o600)
    (own / "launch.py").touch()
    for name, mode in (
        ("root", 0o755),
        ("venv", 0o755),
        ("layout", 0o755),
        ("home", 0o755),
        ("tmp", 0o1777),
        ("var-tmp", 0o1777),
    ):
        (own / name).mkdir()
        (own / name).chmod(mode)
        if for_container_user and name in ("home", "tmp", "var-tmp"):
            os.chown(own / name, CONTAINER_UID, CONTAINER_UID)


def _with_folders(
    steps: Sequence[Mapping[str, str]], root: str, home: Path, program: Program
) -> list[Mapping[str, str]]:
    """Return the steps of a container, and before its last one those for what the program may read and write.

    Where the emulator's home lies in one of the system's folders, all of it is hidden first.
    """
    if not steps:
        return []
    shown = [path for path in map(str, program.readable) if path not in not_shown([path])]
    hidden = str(home)
    hide: list[Mapping[str, str]] = []
    if hidden not in not_shown([hidden]):
        hide = [{"kind": "tmpfs", "path": root + hidden, "options": "mode=0755,size=1m"}]
        hide += [
            {"kind": "bind", "source": path, "path": root + path} for path in shown if Path(path).is_relative_to(hidden)
        ]
        hide += [{"kind": "readonly", "path": root + hidden}]
    writable = [{"kind": "bind", "source": str(path), "path": f"{root}{path}"} for path in program.writable]
    return [*steps[:-1], *hide, *writable, steps[-1]]


def _wait(process: ProcessFacts, canceled: threading.Event) -> None:
    while not wait_until_gone(process, _POLL_SECONDS):
        if canceled.is_set():
            stop(process, _GRACE_SECONDS)
            raise OperationCanceled("the build of the environment was interrupted")


def _output(own: Path) -> str:
    files = [file for file in (own / "log.1", own / "log") if file.exists()]
    return b"".join(file.read_bytes() for file in files).decode("utf-8", "replace")
