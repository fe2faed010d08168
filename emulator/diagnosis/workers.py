"""Workers of the scoring server that end on their own: gunicorn restarts them without limit."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from emulator.diagnosis.log import INIT_BEGUN, INIT_DONE

# gunicorn 21 and later, and before; older ones do not log exit codes.
_CODE = re.compile(r"Worker \(pid:\d+\) exited with code (?P<code>\d+)")
_SIGNAL = re.compile(r"Worker \(pid:\d+\) was sent (?P<name>SIG\w+|code \d+)")
_OLD_SIGNAL = re.compile(r"Worker with pid \d+ was terminated due to signal (?P<number>\d+)")
_BOOTED = re.compile(r"Booting worker with pid: \d+")
_FATAL = "Fatal Python error"
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+) in')
_BY_AMLEMU = frozenset({"SIGTERM", "SIGINT", "SIGQUIT"})


@dataclass(frozen=True)
class WorkerEnds:
    """The number of workers that ended, how the last one ended, and what it was doing."""

    count: int
    how: str = ""
    doing: str = ""
    place: str = ""

    @property
    def times(self) -> str:
        """The count in words."""
        return "once" if self.count == 1 else f"{self.count} times"


def worker_ends(log: Sequence[str], workers: int, code_roots: Sequence[str]) -> WorkerEnds:
    """Read from a log how workers ended, of a server with `workers` of them."""
    told = [how for line in log if (how := _how(line)) and how not in _BY_AMLEMU]
    booted = sum(bool(_BOOTED.search(line)) for line in log)
    count = max(len(told), booted - workers)
    if count <= 0:
        return WorkerEnds(0)
    return WorkerEnds(count, told[-1] if told else "", _doing(log), _place(log, code_roots))


def signal_name(number: int) -> str:
    """Return the name of a signal, SIGSEGV for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _how(line: str) -> str:
    """Return the signal's name, or `code 7`."""
    if found := _SIGNAL.search(line):
        return found["name"]
    if found := _CODE.search(line):
        return f"code {found['code']}"
    found = _OLD_SIGNAL.search(line)
    return signal_name(int(found["number"])) if found else ""


def _doing(log: Sequence[str]) -> str:
    """Return what the last worker that ended was doing."""
    ends = [number for number, line in enumerate(log) if _how(line)]
    begins = [number for number, line in enumerate(log) if _BOOTED.search(line)]
    last = ends[-1] if ends else (begins[-1] if begins else len(log))
    begin = max((number for number in begins if number < last), default=0)
    of_one = "\n".join(log[begin:last])
    if INIT_DONE in of_one:
        return "run"
    return "init" if INIT_BEGUN in of_one else "import"


def _place(log: Sequence[str], code_roots: Sequence[str]) -> str:
    """Return the place of the last crash in the user's code, from Python's fault handler (innermost frame first)."""
    crashes = [number for number, line in enumerate(log) if _FATAL in line]
    for line in log[crashes[-1] :] if crashes else ():
        frame = _FRAME.match(line)
        for root in code_roots if frame else ():
            if frame and frame["file"].startswith(root + "/") and "/site-packages/" not in frame["file"]:
                return f"{frame['file'].removeprefix(root + '/')}, line {frame['line']}"
    return ""
