"""The demo of a new workspace: once, in the background, and harmless when it fails."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from core_support import House

from emulator.server.first_demo import FirstDemo, demo_command, demo_environ
from emulator.store import Store

SUCCEEDS = "open('ran', 'a').write('x')"
FAILS = "import sys; sys.exit(4)"
GOES_ON = "open('ran', 'a').write('x'); import time; time.sleep(60)"


class Said:
    """A demo on that home whose command is a program in Python, and what it says."""

    def __init__(self, store: Store, program: str) -> None:
        self.lines: list[str] = []
        self.demo = FirstDemo(store, (sys.executable, "-c", program), os.environ, self.lines.append)

    def run(self) -> Said:
        self.demo.start()
        until(lambda: not self.demo.blocking_reason())
        return self


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ran(store: Store) -> int:
    """How often the demo was run."""
    file = store.home / "ran"
    return len(file.read_text()) if file.exists() else 0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def test_a_new_workspace_begins_with_the_demo_once(store: Store) -> None:
    first = Said(store, SUCCEEDS)
    assert first.demo.blocking_reason() == "the demo is being deployed", "also before it has begun"
    first.run()
    assert ran(store) == 1
    second = Said(store, SUCCEEDS)
    assert second.demo.blocking_reason() == ""
    second.run()
    assert ran(store) == 1
    assert second.lines == []


def test_a_failed_demo_is_logged_and_does_not_prevent_readiness(store: Store) -> None:
    told = Said(store, FAILS).run().lines[-1]
    assert told.startswith("THE DEMO FAILED with exit code 4")
    assert Said(store, SUCCEEDS).demo.blocking_reason() == "", "it is not tried again by itself"
    assert json.loads((store.home / "demo.json").read_text()) == {"state": "ended", "exit_code": 4}


def test_an_interrupted_demo_begins_again_at_the_next_start(store: Store) -> None:
    first = Said(store, GOES_ON)
    with first.demo:
        until(lambda: ran(store) == 1)
    assert not any("FAILED" in line for line in first.lines)
    Said(store, SUCCEEDS).run()
    assert ran(store) == 2


def test_a_demo_that_ignores_sigterm_is_killed(store: Store) -> None:
    first = Said(store, f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {GOES_ON}")
    first.demo.start()
    until(lambda: ran(store) == 1)
    first.demo.stop()
    assert first.demo.blocking_reason() == ""


def test_a_workspace_that_is_in_use_gets_no_demo(house: House) -> None:
    house.register()
    assert Said(house.store, SUCCEEDS).demo.blocking_reason() == ""
    Said(house.store, SUCCEEDS).run()
    assert ran(house.store) == 0
    assert not (house.store.home / "demo.json").exists()


def test_the_demo_uses_the_emulator_of_its_home(tmp_path: Path) -> None:
    environ = demo_environ({"AMLEMU_URL": "http://elsewhere:1", "A": "1"}, tmp_path)
    assert environ == {"AMLEMU_URL": "", "AMLEMU_HOME": str(tmp_path), "A": "1"}
    assert demo_command(tmp_path)[-2:] == ("demo", str(tmp_path / "demo"))
