"""An emulator in the hands of a test: started, killed at a moment or at a step, and started again."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from amlemu_process import Environ, shows_traceback, until

from emulator.client.client import Client, Json
from emulator.config.admin_token import obtain_admin_token
from emulator.errors import EmulatorError

PROGRAM = Path(__file__).with_name("doomed_emulator.py")
_START_SECONDS = 60.0


class Doomed:
    """The emulator of `environ`; `said` is all that it has ever written to its terminal."""

    def __init__(self, environ: Environ, folder: Path) -> None:
        self.environ = {**environ, "DOOM": str(folder / "doom")}
        self.home = Path(environ["AMLEMU_HOME"])
        self.said = folder / "said.txt"
        self._doom = folder / "doom"
        self._process: subprocess.Popen[bytes] | None = None
        self.token = obtain_admin_token(self.home, lambda: secrets.token_urlsafe(32))
        self.client = Client(f"http://127.0.0.1:{environ['AMLEMU_PORT']}", self.token)

    def start(self) -> Json:
        """Start it and wait until it serves; what it says of itself."""
        with self.said.open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, PROGRAM, "up"], env=self.environ, cwd=self.home.parent, stdout=said, stderr=said
            )
        description: Json = until(self._describe, f"the emulator starts; it said: {self.said}", _START_SECONDS)
        return description

    def _describe(self) -> Json | None:
        assert self.process.poll() is None, f"the emulator ended: {self.said.read_text()[-4000:]}"
        try:
            found = self.client.describe()
        except EmulatorError:
            return None
        return found if found.get("home") == str(self.home) else None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Its process."""
        assert self._process is not None
        return self._process

    @property
    def runs(self) -> bool:
        """Whether it is alive."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, and the end of it."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM, as a service manager ends it."""
        if self.runs:
            self.process.terminate()
            self.process.wait(60)

    def arm(self, step: int) -> None:
        """From now on its steps are counted, and it dies before this one; never for 0."""
        self._doom.write_text(str(step))
        self.process.send_signal(signal.SIGUSR1)
        until(lambda: not self._doom.exists(), "the emulator hears of its end")

    def count(self) -> int:
        """How many steps it has made since it was armed."""
        self.process.send_signal(signal.SIGUSR2)
        until(self._doom.exists, "the emulator tells its steps")
        steps = int(self._doom.read_text())
        self._doom.unlink()
        return steps

    def check_said(self) -> None:
        """It never met a bug of its own."""
        said = self.said.read_text()
        assert not shows_traceback(said), said[-6000:]


def outcome_of(deed: Callable[[], Any]) -> tuple[Any, EmulatorError | None]:
    """What a deed returned, or the error of ours that it ended with."""
    try:
        return deed(), None
    except EmulatorError as error:
        return None, error


def killed_after(doomed: Doomed, seconds: float, deed: Callable[[], Any]) -> tuple[Any, EmulatorError | None]:
    """Do something, and kill the emulator after that time, or once it is done where that is sooner."""
    done = threading.Event()

    def kill() -> None:
        done.wait(seconds)
        doomed.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        return outcome_of(deed)
    finally:
        done.set()
        killer.join()


def killed_at(doomed: Doomed, step: int, deed: Callable[[], Any]) -> tuple[Any, EmulatorError | None]:
    """Do something, and let the emulator die before that step of it, or at the end where it makes fewer."""
    doomed.arm(step)
    try:
        return outcome_of(deed)
    finally:
        if doomed.runs:
            doomed.kill()
        else:
            doomed.process.wait()


def measured(doomed: Doomed, deed: Callable[[], Any]) -> tuple[float, int]:
    """How many seconds a deed takes that succeeds, and how many steps of the emulator."""
    doomed.arm(0)
    began = time.monotonic()
    deed()
    return time.monotonic() - began, doomed.count()


def supervisors_in(home: Path) -> list[int]:
    """The processes of the process engine that have a file of this home open."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            opened = [str(link.readlink()) for link in (folder / "fd").iterdir()]
        except OSError:
            continue
        if any(path.startswith(f"{home}/") for path in opened) and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def leftovers(home: Path) -> list[str]:
    """What nothing should have left in a home of which everything was deleted and pruned."""
    patterns = (
        "**/.*.json.*", "files/.adding-*", "files/*/*", "layouts/*/*/*", "contexts/*", "endpoints/*", "sinks/*/*",
        "process/containers/*", "process/environments/.building-*", "logs/*.requests.jsonl", "logs/*.events.jsonl",
    )  # fmt: skip
    return [str(path.relative_to(home)) for pattern in patterns for path in home.glob(pattern)]


def scored(endpoint: Mapping[str, Any], key: str, deployment: str | None = None) -> Any:
    """The answer of an endpoint; None while none of its containers is ready."""
    import requests

    headers = {"Authorization": f"Bearer {key}"}
    if deployment:
        headers["azureml-model-deployment"] = deployment
    answer = requests.post(endpoint["scoring_uri"], json={}, headers=headers, timeout=60)
    if answer.status_code in (502, 503, 424) and not answer.headers.get("x-ms-server-version"):
        return None
    assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
    return answer.json()["answer"]
