"""Compiled bytecode of an environment: what a scoring server needs at once, and later all the rest.

uv compiles what it installs only when asked, and asking it would make every deploy wait for files that few scripts
import: compiling the whole of scikit-learn's environment takes 9 s on two cores, importing the server uncompiled 0.9 s
more than compiled.  So what the server itself imports is compiled while the environment is built, and the rest behind
the first start, at the lowest priority.

To import is to run the packages' code, and any Python of the environment begins with what they bring for its start.  So
both happen in the sandbox, which cannot write to the environment: what was compiled is moved into it afterwards.
Pythons before 3.8 cannot compile to another place, and leave nothing.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from emulator.engines.packaging.untrusted_files import walk_untrusted
from emulator.engines.process.sandboxed_build import SandboxedBuild
from emulator.errors import EmulatorError

_COMPLETE = "bytecode-complete"

# Servers before 0.7 import the scoring script along with themselves, and end without one.
_SCRIPT = "def init(): pass\ndef run(data): pass\n"
_IMPORT_SERVER = """
import importlib
server = "azureml_inference_server_http."
for name in (server + "amlserver", server + "server.aml_blueprint", "gunicorn.app.wsgiapp", "gunicorn.workers.sync"):
    try:
        importlib.import_module(name)
    except BaseException:
        pass
"""
_COMPILE_ALL = """
import compileall, os, sys
os.nice(19)
try:
    # Where the kernel groups processes by session (sched(7), autogroup), being nice counts within the session only.
    with open("/proc/self/autogroup", "w") as group:
        group.write("19")
except OSError:
    pass
for above, folders, names in os.walk(sys.argv[1]):
    for name in names:
        source = os.path.join(above, name)
        compiled = os.path.join(above, "__pycache__", name[:-3] + "." + sys.implementation.cache_tag + ".pyc")
        if name.endswith(".py") and not os.path.exists(compiled):
            compileall.compile_file(source, quiet=2)
"""


def compile_server(build: SandboxedBuild) -> None:
    """Import what the scoring server imports, for the compiled files that this leaves; OperationCanceled."""
    _compile(build, ["-c", _IMPORT_SERVER])


def compile_all(build: SandboxedBuild) -> None:
    """Compile whatever lies in the environment; OperationCanceled."""
    _compile(build, ["-I", "-c", _COMPILE_ALL, str(build.folder / "venv/lib")])


def _compile(build: SandboxedBuild, words: Sequence[str]) -> None:
    with build.writable("compiled") as out:
        (out / "main.py").write_text(_SCRIPT)
        command = [str(build.folder / "venv/bin/python"), "-X", f"pycache_prefix={out}/pycache", *words]
        try:
            build.run(command, (out,), {"AML_APP_ROOT": str(out), "PYTHONPATH": str(out)})
        finally:
            move_in(out / "pycache", build.folder / "venv")


def move_in(compiled: Path, venv: Path) -> None:
    """Put compiled files where Python looks for them; who compiled them may have put anything else there too."""
    real = venv.resolve()
    found = Path(f"{compiled}{venv}")
    for above, entries in walk_untrusted(found):
        files = [entry for entry in entries if entry.name.endswith(".pyc") and entry.is_file(follow_symlinks=False)]
        source = venv / above.relative_to(found)
        # A folder of the environment may be a link to somewhere else.
        if files and source.is_dir() and source.resolve().is_relative_to(real):
            _move_into(source / "__pycache__", files)


def _move_into(folder: Path, files: Sequence[os.DirEntry[str]]) -> None:
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    if folder.is_symlink() or not folder.is_dir():
        return
    for file in files:
        if file.stat(follow_symlinks=False).st_nlink == 1:
            os.chown(file, os.geteuid(), os.getegid(), follow_symlinks=False)
            Path(file.path).chmod(0o644)
            Path(file.path).replace(folder / file.name)


class BackgroundCompiler:
    """Compiles whole environments, each behind a thread of its own."""

    def __init__(self) -> None:
        self._running: dict[Path, tuple[threading.Thread, threading.Event]] = {}
        self._lock = threading.Lock()

    def begin(self, environment: Path, build: Callable[[threading.Event], SandboxedBuild]) -> None:
        """Compile all that is not compiled yet; returns at once, and does nothing when that was done or goes on.

        `build` gives what runs the environment's programs until the event is set.
        """
        with self._lock:
            found = self._running.get(environment)
            if (found and found[0].is_alive()) or (environment / _COMPLETE).exists():
                return
            canceled = threading.Event()
            thread = threading.Thread(target=_run, args=(environment, build(canceled)), daemon=True)
            self._running[environment] = (thread, canceled)
            thread.start()

    def stop(self, environment: Path) -> None:
        """End the work on one environment; what is compiled and in its place stays."""
        with self._lock:
            found = self._running.pop(environment, None)
        if found:
            found[1].set()
            found[0].join()

    def close(self) -> None:
        """End all work."""
        for environment in list(self._running):
            self.stop(environment)


def _run(environment: Path, build: SandboxedBuild) -> None:
    # Nobody waits for it: an environment that is removed meanwhile, or a full disk, leaves it undone.
    with contextlib.suppress(EmulatorError, OSError):
        compile_all(build)
        (environment / _COMPLETE).touch()
