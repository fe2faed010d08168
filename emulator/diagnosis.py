"""What a scoring container's log says about why it did not start, in one sentence about the user's own script."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Stage = Literal["import", "function", "init", "other"]
"""What failed a start: the script's import, a function that it lacks, its init(), or something else."""

MISSING_SERVER = "A required package azureml-inference-server-http is missing."

_FRAME = re.compile(r'^\s+File "(?P<file>[^"]+)", line (?P<line>\d+)')
# A class made inside a function is told as `module.function.<locals>.Class`.
_RAISED = re.compile(r"^(?:[A-Za-z_]\w*\.|<locals>\.)*[A-Za-z_]\w*(?:: .*)?$")
_BINDS_ANYTHING = frozenset({"*", "exec", "globals", "setattr", "vars", "locals"})
# Of which a script is looked at here: parsing more of it would keep other requests waiting.
_MOST_CHARACTERS = 1 << 18
_BEGIN = "Traceback (most recent call last):"
# Both generations of the server end their own checks of the script with such a class.
_SERVER_CLASS = re.compile(r"(?:\w+\.)*(UserScript\w*|ModuleNotFoundError|RunFunctionException)$")
# The older one looks for the functions without asking first.
_NO_FUNCTION = re.compile(r"AttributeError: module 'entry_module' has no attribute '(?P<name>init|run)'")

_NO_FUNCTION_TOLD = re.compile(r"does not have an? (?:init|run)\(\) function defined")
# Both generations of the server log one of these around init(), the second with a slip of its own.
_INIT_FAILED = "User's init function failed"
_INIT_DONE = "init has completed successfully"


@dataclass(frozen=True)
class Cause:
    """An exception, `Type: text`, and where in the user's code it was raised; file '' when that is unknown.

    `stage` is what of a start it failed.
    """

    exception: str
    file: str = ""
    line: int = 0
    stage: Stage = "other"

    def __str__(self) -> str:
        return f"{self.exception} ({self.file}, line {self.line})" if self.file else self.exception


def explain(log: str, code_roots: Sequence[str]) -> Cause | None:
    """The cause that `log` shows: the last traceback through a file below `code_roots`, else what the server says.

    Works on the logs of servers 0.4 to 1.5, whose lines have different prefixes.
    """
    if MISSING_SERVER in log:
        return Cause(MISSING_SERVER)
    tracebacks = [_read_traceback(block) for block in log.split(_BEGIN)[1:]]
    in_user_code = [(t, f) for t in tracebacks if (f := _last_frame(t, code_roots))]
    if in_user_code:
        traceback, (file, line) = in_user_code[-1]
        return Cause(traceback.exception, file, line, _stage_of(log))
    told = [cause for t in tracebacks if (cause := _told_by_server(t.exception))]
    return told[-1] if told else None


def _told_by_server(exception: str) -> Cause | None:
    missing = _NO_FUNCTION.match(exception)
    if missing:
        return Cause(f"the scoring script does not define {missing['name']}()", stage="function")
    if not _SERVER_CLASS.match(exception.partition(":")[0]):
        return None
    stage: Stage = "other"
    if _NO_FUNCTION_TOLD.search(exception):
        stage = "function"
    elif "UserScriptImportException" in exception:
        stage = "import"
    return Cause(exception.rpartition("user_script.")[2], stage=stage)


def _stage_of(log: str) -> Stage:
    """Where a traceback through the user's code comes from: before init() nothing of it runs but its import."""
    if _INIT_FAILED in log:
        return "init"
    return "other" if _INIT_DONE in log else "import"


@dataclass(frozen=True)
class _Traceback:
    frames: tuple[tuple[str, int], ...]
    exception: str


def _read_traceback(block: str) -> _Traceback:
    frames: list[tuple[str, int]] = []
    for text in block.splitlines()[1:]:
        frame = _FRAME.match(text)
        if frame:
            frames.append((frame["file"], int(frame["line"])))
        elif text and not text[0].isspace():
            return _Traceback(tuple(frames), text.strip() if _RAISED.match(text) else "")
    return _Traceback(tuple(frames), "")


def _last_frame(traceback: _Traceback, code_roots: Sequence[str]) -> tuple[str, int] | None:
    if not traceback.exception:
        return None
    for file, line in reversed(traceback.frames):
        for root in code_roots:
            if file.startswith(root + "/") and "/site-packages/" not in file:
                return file.removeprefix(root + "/"), line
    return None


def check_script(source: str, name: str) -> Cause | None:
    """Why the scoring script `source` cannot work whatever its environment: no Python, or no init() or run().

    Only what can be seen for sure: a star import or an assignment may bring a name in, so those count as found, and a
    script that is too long or too deep to be looked at here is the container's to judge.
    """
    if len(source) > _MOST_CHARACTERS:
        return None
    try:
        tree = ast.parse(source, name)
    except (RecursionError, MemoryError):
        return None
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)  # none of a text with a zero byte
        where = f"{name}, line {line}" if line else name
        return Cause(f"SyntaxError: {getattr(error, 'msg', error)} ({where})", stage="import")
    bound = _bound_names(tree.body)
    if bound & _BINDS_ANYTHING:
        return None
    missing = [f"{function}()" for function in ("init", "run") if function not in bound]
    return Cause(f"{name} does not define {' and '.join(missing)}", stage="function") if missing else None


def _bound_names(body: Sequence[ast.stmt]) -> set[str]:
    """What the statements bind in their module: not what functions and classes have inside, but for `global`."""
    names: set[str] = set()
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            names.update(*map(_bound_from_inside, ast.walk(node)))
        else:
            names |= _names_of(node)
            waiting.extend(ast.iter_child_nodes(node))
    return names


def _bound_from_inside(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Global):
        return set(node.names)
    return {node.id} & _BINDS_ANYTHING if isinstance(node, ast.Name) else set()


def _names_of(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    if isinstance(node, ast.Name) and (isinstance(node.ctx, ast.Store) or node.id in _BINDS_ANYTHING):
        return {node.id}
    return set()
