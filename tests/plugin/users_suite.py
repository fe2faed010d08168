"""A user's suite in a folder of its own, run by a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree

import psutil
from amlemu_process import until
from projects_of_plugin import ENDPOINT, PROJECT

_SECONDS = 120.0


@dataclass(frozen=True)
class Ran:
    """What a run has come to: `outcomes` by test, as `passed`, `failed`, `error` or `skipped`."""

    code: int
    output: str
    outcomes: Mapping[str, str]


class Suite:
    """A project with tests, and a folder for temporary files in which whatever a run leaves is seen."""

    def __init__(self, folder: Path, **more: str) -> None:
        self.folder = folder / "project"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        for name, text in PROJECT.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AMLEMU_", "PYTEST_"))}
        self.environ = inherited | {"TMPDIR": str(self.temporary), "AMLEMU_ENGINE": "process"} | more

    def write(self, name: str, text: str) -> None:
        """A file of tests, in which ENDPOINT stands for a call that deploys the project."""
        (self.folder / name).write_text(dedent(text).replace("ENDPOINT", ENDPOINT))

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml=result.xml", *words]

    def run(self, *words: str) -> Ran:
        """Run the tests to their end."""
        done = subprocess.run(
            self.command(*words), cwd=self.folder, env=self.environ, capture_output=True, text=True,
            timeout=_SECONDS, check=False,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout + done.stderr, self._outcomes())

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """A run that goes on, as the first of its process group; killed at the end."""
        with (self.folder / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                self.command(*words), cwd=self.folder, env=self.environ, stdout=output, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            try:
                yield process
            finally:
                process.kill()
                process.wait()

    def said(self, name: str) -> list[str]:
        """The lines that tests have written to that file."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def processes(self, home: Path | None = None) -> list[str]:
        """What runs of this suite's emulators and of their scoring servers, which may have that home."""
        folders = [str(folder) for folder in (self.temporary, home) if folder]
        found = []
        for process in psutil.process_iter():
            try:
                told = " ".join([*process.cmdline(), *process.environ().values()])
                if process.pid != os.getpid() and any(folder in told for folder in folders):
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found

    def until_nothing_is_left(self, home: Path) -> None:
        """Wait until no process and no temporary file of a run is there any more."""
        until(lambda: not self.processes(home), "the emulator and its containers end", 30)
        until(lambda: not list(self.temporary.glob("amlemu-pytest-*")), "the run's folder goes", 10)

    def _outcomes(self) -> Mapping[str, str]:
        file = self.folder / "result.xml"
        if not file.exists():
            return {}
        cases = ElementTree.parse(file).getroot().iter("testcase")
        tags = {"failure": "failed", "error": "error", "skipped": "skipped"}
        return {case.get("name", ""): next((tags[e.tag] for e in case if e.tag in tags), "passed") for case in cases}
