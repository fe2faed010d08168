"""Explanations from a scoring container's log, about the user's own script."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from emulator.diagnosis.explanation import MISSING_SERVER, Explanation, Stage
from emulator.diagnosis.tracebacks import Frame, Traceback, read_tracebacks

# The exceptions with which both generations of the server reject a script.
_SERVER_CLASS = re.compile(r"(?:\w+\.)*(UserScript\w*|ModuleNotFoundError|RunFunctionException)$")
# The older one accesses the functions without checking for them.
_NO_FUNCTION = re.compile(r"AttributeError: module 'entry_module' has no attribute '(?P<name>init|run)'")
_NO_FUNCTION_TOLD = re.compile(r"does not have an? (?:init|run)\(\) function defined")
# Both generations of the server log one of these around init(), the second with a typo.
INIT_BEGUN = "Invoking user's init function"
INIT_FAILED = "User's init function failed"
INIT_DONE = "init has completed successfully"
_WORKER_FAILED = "Exception in worker process"  # gunicorn's, for exceptions that the server does not catch
_WRAPPED = "UserScriptException: Caught an unhandled exception from the user script"
_UNREADABLE = "@input_schema could not make of the request what run() takes"
_OS = re.compile(r"^<frozen os>$|/os\.py$")


def explain(log: str, code_roots: Sequence[str]) -> Explanation | None:
    """Explain why the container ended: by the last traceback through a file below `code_roots`, else by the server.

    Works on the logs of servers 0.4 to 1.5, whose lines have different prefixes.
    """
    if MISSING_SERVER in log:
        return Explanation(MISSING_SERVER)
    tracebacks = read_tracebacks(log)
    for number, traceback in reversed(list(enumerate(tracebacks))):
        if frame := _last_frame(traceback, code_roots):
            return _raised(tracebacks, number, frame, code_roots, _stage_of(log))
    if init := _first_after(log, tracebacks, INIT_FAILED):
        return Explanation(init.exception, stage="init")
    told = [cause for t in tracebacks if (cause := _told_by_server(t.exception))]
    if told:
        return told[-1]
    failed = _first_after(log, tracebacks, _WORKER_FAILED)
    return Explanation(failed.exception, stage="import") if failed else None


def explain_run(log: str, code_roots: Sequence[str]) -> Explanation | None:
    """Explain the last response of status 500: by the exception of run(), or of the conversion of its result."""
    served = log.rpartition(INIT_DONE)[2] or log
    tracebacks = read_tracebacks(served)
    if not tracebacks:
        return None
    first = max(number for number, traceback in enumerate(tracebacks) if not (traceback.is_chained and number))
    chain = tracebacks[first:]
    for number, traceback in reversed(list(enumerate(chain))):
        if frame := _last_frame(traceback, code_roots):
            return _raised(chain, number, frame, code_roots, "run")
    told = chain[0] if _WRAPPED in chain[-1].exception else chain[-1]
    is_read = any("/inference_schema/" in frame.file for frame in told.frames) and "param_name" not in told.exception
    return Explanation(told.exception, stage="run", why=_UNREADABLE if is_read else "")


def _raised(
    tracebacks: Sequence[Traceback], number: int, frame: Frame, code_roots: Sequence[str], stage: Stage
) -> Explanation:
    traceback = tracebacks[number]
    first = number
    while tracebacks[first].is_chained and first:
        first -= 1
    because = tracebacks[first].exception if first != number else ""
    file = next(frame.file.removeprefix(root + "/") for root in code_roots if frame.file.startswith(root + "/"))
    asks_os = bool(traceback.frames) and bool(_OS.search(traceback.frames[-1].file))
    found = Explanation(traceback.exception, file, frame.line, stage, source=frame.source, because=because)
    return replace(found, in_os_environ=asks_os)


def _first_after(log: str, tracebacks: Sequence[Traceback], marker: str) -> Traceback | None:
    """Return the traceback after the last line with `marker`."""
    lines = log.splitlines()
    marked = max((number for number, line in enumerate(lines) if marker in line), default=None)
    if marked is None:
        return None
    return next((traceback for traceback in tracebacks if traceback.begins >= marked), None)


def _told_by_server(exception: str) -> Explanation | None:
    missing = _NO_FUNCTION.match(exception)
    if missing:
        return Explanation(f"the scoring script does not define {missing['name']}()", stage="function")
    if not _SERVER_CLASS.match(exception.partition(":")[0]):
        return None
    stage: Stage = "other"
    if _NO_FUNCTION_TOLD.search(exception):
        stage = "function"
    elif "UserScriptImportException" in exception:
        stage = "import"
    return Explanation(exception.rpartition("user_script.")[2], stage=stage)


def _stage_of(log: str) -> Stage:
    """Return the stage of a traceback through the user's code: before init() only its import runs."""
    if INIT_FAILED in log:
        return "init"
    return "other" if INIT_DONE in log else "import"


def _last_frame(traceback: Traceback, code_roots: Sequence[str]) -> Frame | None:
    for frame in reversed(traceback.frames):
        for root in code_roots:
            if frame.file.startswith(root + "/") and "/site-packages/" not in frame.file:
                return frame
    return None
