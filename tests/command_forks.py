"""Commands of amlemu as processes of their own that need not import it anew: a suite runs thousands of them.

A program that has imported everything, and done nothing else, forks for each command.  The command has the words,
variables, folder, umask and standard files that its caller gives it, and ends as `python -m emulator` does.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

# These are read when an interpreter starts, not when a command does.
_OF_INTERPRETERS = ("PYTHON", "LANG", "LC_", "TZ", "LD_", "MALLOC_")


class CommandForks:
    """The program that forks, started when it is first needed; its methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self._program: subprocess.Popen[bytes] | None = None

    def close(self) -> None:
        """End the program; the next command starts another one."""
        with self._lock:
            channel, program, self._channel, self._program = self._channel, self._program, None, None
        if channel is not None and program is not None:
            channel.close()
            program.wait()

    def can_run(self, environ: Mapping[str, str]) -> bool:
        """Whether an interpreter with these variables would begin like this one's."""
        return _interpreter_variables(environ) == _interpreter_variables(os.environ)

    def run(
        self, words: Sequence[str], environ: Mapping[str, str], cwd: Path, stdin: str | None, timeout_seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end; subprocess.TimeoutExpired when that takes too long."""
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write((stdin or "").encode())
            given.seek(0)
            mask = os.umask(0)
            os.umask(mask)
            request = {"words": list(words), "environ": dict(environ), "cwd": str(cwd), "umask": mask}
            code = self._code_of(request, [file.fileno() for file in (given, out, err)], timeout_seconds)
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode().replace("\r\n", "\n"))
            return subprocess.CompletedProcess(list(words), code, *said)

    def _code_of(self, request: Mapping[str, Any], files: Sequence[int], timeout_seconds: float) -> int:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            # not in one message: a shell's variables may be longer than that
            with tempfile.TemporaryFile() as asked:
                asked.write(json.dumps(request).encode())
                asked.flush()
                self._send([theirs.fileno(), asked.fileno(), *files])
            theirs.close()
            ours.settimeout(timeout_seconds)
            pid = int(ours.recv(64))
            try:
                return int(ours.recv(64))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(request["words"]), timeout_seconds) from None

    def _send(self, files: Sequence[int]) -> None:
        with self._lock:
            if self._channel is None:
                self._channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                with other:
                    words = [sys.executable, __file__, str(other.fileno())]
                    self._program = subprocess.Popen(words, pass_fds=[other.fileno()], stdin=subprocess.DEVNULL)
            socket.send_fds(self._channel, [b"run"], files)


def _interpreter_variables(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(_OF_INTERPRETERS)}


def _import_everything() -> None:
    import emulator

    for module in pkgutil.walk_packages(emulator.__path__, "emulator."):
        if not module.name.endswith("__main__") and "pytest_plugin" not in module.name:
            importlib.import_module(module.name)


def _next_command(channel: socket.socket) -> list[str] | None:
    """Its words, in the process that is to run it; None once nobody is left to ask for one."""
    while True:
        message, files, _, _ = socket.recv_fds(channel, 16, 5)
        if not message:
            return None
        if os.fork() == 0:
            break
        for file in files:
            os.close(file)
    channel.close()
    # Its parent, which waits for it, and is nobody's child that is waited for.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    reply = socket.socket(fileno=files[0])
    if pid := os.fork():
        reply.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        reply.send(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    reply.close()
    with os.fdopen(files[1], encoding="utf-8") as asked:
        asked.seek(0)
        request = json.load(asked)
    for number, file in enumerate(files[2:]):
        os.dup2(file, number)
        os.close(file)
    os.umask(request["umask"])
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environ"])
    return list(request["words"])


def _serve() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    _import_everything()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    words = _next_command(channel)
    if words is None:
        return
    sys.argv[1:] = words
    os._exit(_ended_as_programs_do())


def _ended_as_programs_do() -> int:
    """Run the command and what an interpreter does at its end, but for taking down what everything has left in memory,
    which takes longer than most commands."""
    from emulator.__main__ import main

    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for file in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError):
            file.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    _serve()
