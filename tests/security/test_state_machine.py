"""Register, deploy, update, set traffic, ask, delete and prune, from six threads at once, of an emulator that is killed
again and again: what was acknowledged holds, and nothing is left of what is gone.

`--survival-seed N` takes the same steps again; which of them meet is up to the machine.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from random import Random

import pytest
from amlemu_process import end, new_environ
from doomed import Doomed
from state_machine import Machine, explained

STEPS = 200
STEPS_IF_SLOW = 2000


def run(seed: int, steps: int) -> None:
    with tempfile.TemporaryDirectory(prefix="amlemu-machine-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # Deleting is refused while there is traffic; a machine of random steps asks for it at any time.
        chosen = json.dumps({"managed": {"traffic.refuses_delete": False}})
        environ = new_environ(folder / "home", TMPDIR=name, AMLEMU_ASSUMED=chosen)
        (folder / "sent").mkdir()
        doomed = Doomed(environ, folder)
        machine = Machine(doomed, folder / "sent", Random(seed))
        try:
            with explained(machine, seed):
                machine.run(steps)
            assert machine.steps == steps
            assert machine.restarts >= steps // 60
        finally:
            doomed.stop()
            end(environ)


def test_what_was_acknowledged_survives_every_kill(survival_seed: int) -> None:
    run(survival_seed, STEPS)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_what_was_acknowledged_survives_every_kill_of_a_long_run(survival_seed: int) -> None:
    run(survival_seed + 1, STEPS_IF_SLOW)
