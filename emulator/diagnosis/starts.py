"""Explanations of failed starts: an exception, workers that crash repeatedly, or a start that is too slow."""

from __future__ import annotations

from collections.abc import Sequence

from emulator.diagnosis.explanation import Deployed, Explanation, Stage
from emulator.diagnosis.log import INIT_BEGUN, INIT_DONE, explain
from emulator.diagnosis.steps import with_step
from emulator.diagnosis.workers import WorkerEnds, signal_name

_NATIVE = frozenset({"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"})
_DOING = {"import": "while the script was imported", "init": "in init()", "run": "while it worked on a request"}
_STAGES: dict[str, Stage] = {"import": "import", "init": "init", "run": "run"}
_IMPORT_BEGUN = "Starting up app insights client"
_PROBES_OF_V2 = frozenset({"managed", "kubernetes"})


def explain_start(log: Sequence[str], deployed: Deployed) -> Explanation | None:
    """Explain, by its log, why a container ended before it was ready; None when the log has no cause."""
    text = "\n".join(log)
    found = explain(text, deployed.code_roots)
    return with_step(found, deployed, text) if found else None


def explain_exit(exit_code: int, when: str, deployed: Deployed) -> Explanation:
    """Explain a container whose log has no cause of its end; `when` is the time of the end in words."""
    named = f" ({signal_name(exit_code - 128)})" if 128 < exit_code < 160 else ""
    hint = f"{deployed.command('logs')} prints what it said"
    return Explanation(f"the container exited with code {exit_code}{named}{when}", hint=hint)


def explain_crashes(ends: WorkerEnds, deployed: Deployed) -> Explanation:
    """Explain workers of the scoring server that ended without an exception."""
    how = f"was killed by {ends.how}" if ends.how.startswith("SIG") else _exited(ends.how)
    told = f"a worker of the scoring server {how} {_DOING.get(ends.doing, '')} ({ends.times})"
    place = f", at {ends.place}" if ends.place else ""
    stage = _STAGES.get(ends.doing, "other")
    return Explanation(told + place, stage=stage, hint=_step_after(ends, deployed))


def _exited(how: str) -> str:
    return f"exited with {how}" if how else "ended, with a code that the server does not log,"


def _step_after(ends: WorkerEnds, deployed: Deployed) -> str:
    logs = f"{deployed.command('logs')} has its last words"
    if ends.how == "SIGILL":
        return f"a package was built for another processor: take another build of it; {logs}"
    if ends.how in _NATIVE:
        where = deployed.environment or "the environment"
        return f"native code crashed, not Python: try other versions of the packages in {where}; {logs}"
    if ends.how == "SIGKILL":
        return f"that is what happens when memory runs out, or by a script that kills itself; {logs}"
    return f"something ends the process itself, such as os._exit() in the script or in a package; {logs}"


def explain_slow_start(
    log: Sequence[str], deployed: Deployed, budget_seconds: float, settings: str, suggested: int
) -> Explanation:
    """Explain a running container that is not ready within its budget.

    `settings` are those that the budget comes from, `suggested` an initial delay in seconds that doubles it.
    """
    text = "\n".join(log)
    latest = text.rpartition("Booting worker with pid")[2]
    seconds = f"{budget_seconds:.0f} s"
    if INIT_BEGUN in latest and INIT_DONE not in latest:
        what, stage = f"init() had not come to its end after {seconds}", "init"
    elif _IMPORT_BEGUN in latest and INIT_DONE not in latest:
        what, stage = f"the import of the scoring script had not come to its end after {seconds}", "import"
    else:
        what, stage = f"the scoring server did not answer its probe within {seconds}", "other"
    what = f"{what}, the liveness probe's budget ({settings})"
    if deployed.target in _PROBES_OF_V2:
        more = f"`liveness_probe: {{initial_delay: {suggested}}}` in the deployment's YAML gives it more time"
    else:
        more = f"a greater initialDelaySeconds of the liveness probe ({suggested}) gives it more time"
    hint = f"{more}, here as in the cloud; if it is stuck, {deployed.command('logs')} shows how far it came"
    return Explanation(what, stage=_STAGES.get(stage, "other"), hint=hint)
