"""Compiled Python files of an environment, which its containers cannot write: it is read-only to them.

Compiling all of scikit-learn's environment takes 9 s on two cores, importing the server uncompiled 0.9 s more than
compiled.  So what the server itself imports is compiled while the environment is built, and the rest behind the first
start, at the lowest priority.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import threading
from pathlib import Path

from emulator.errors import OperationCanceled

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
compileall.compile_dir(sys.argv[1], quiet=2)
open(sys.argv[2], "w").close()
"""


def compile_server(venv: Path, canceled: threading.Event) -> None:
    """Import what the scoring server imports, for the compiled files that this leaves; OperationCanceled."""
    with tempfile.TemporaryDirectory(prefix="amlemu-import-") as folder:
        Path(folder, "main.py").write_text(_SCRIPT)
        with subprocess.Popen(
            [venv / "bin/python", "-c", _IMPORT_SERVER],
            cwd=folder,
            env={"AML_APP_ROOT": folder, "PYTHONPATH": folder, "HOME": folder},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            _wait(process, canceled)


def _wait(process: subprocess.Popen[bytes], canceled: threading.Event) -> None:
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            return
        if canceled.is_set():
            process.kill()
            raise OperationCanceled("the build of the environment was interrupted")


class BackgroundCompiler:
    """Compiles whole environments, each in a process of its own."""

    def __init__(self) -> None:
        self._running: dict[Path, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def begin(self, environment: Path) -> None:
        """Compile all that is not compiled yet; returns at once, and does nothing when that was done or goes on."""
        with self._lock:
            found = self._running.get(environment)
            if (found and found.poll() is None) or (environment / _COMPLETE).exists():
                return
            self._running[environment] = subprocess.Popen(
                [
                    environment / "venv/bin/python",
                    "-I",
                    "-c",
                    _COMPILE_ALL,
                    environment / "venv/lib",
                    environment / _COMPLETE,
                ],
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def stop(self, environment: Path) -> None:
        """End the work on one environment; what is compiled stays."""
        with self._lock:
            process = self._running.pop(environment, None)
        if process:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End all work."""
        for environment in list(self._running):
            self.stop(environment)
