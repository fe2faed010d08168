"""The program that starts the scoring server, where there is no server to start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from emulator.profiles import rows

LAUNCHER = Path(__file__).parents[2] / "images/scoring/launch.py"


@pytest.mark.row("container.server_missing")
def test_without_the_servers_package_it_says_so_and_ends() -> None:
    (row,) = (row for row in rows() if row.id == "container.server_missing")
    # -S: a Python without any package.
    ended = subprocess.run([sys.executable, "-S", LAUNCHER], capture_output=True, text=True, check=False, timeout=30)
    assert ended.stderr.splitlines() == [row.facts["managed"].value]
    assert ended.returncode == 100
