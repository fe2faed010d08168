"""Python's tracebacks in logs: nested, of several lines, of exception groups."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile, pairwise, takewhile

_BEGIN = "Traceback (most recent call last):"
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)')
# The name of a class made inside a function is `module.function.<locals>.Class`.
_RAISED = re.compile(r"^(?:[A-Za-z_]\w*\.|<locals>\.)*[A-Za-z_]\w*(?::(?: .*)?)?$")
_CHAINED = re.compile(r"^(The above exception was the direct cause of|During handling of the above exception)")
# A line of either generation of the server, or of gunicorn.
_RECORD = re.compile(
    r"^\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"
    r"|^(?:Worker exiting|Shutting down: |Handling signal: |Booting worker with pid: )"
)
_BAR = re.compile(r"^\s*[|+] ?")
_DIVIDER = re.compile(r"^\s*\+(-\+)?-{4,}")
_ORIGINAL = re.compile(r"^Original error was: (.+)")  # NumPy's, below a page of advice
_MOST_LINES = 60
_MOST_CHARACTERS = 400


@dataclass(frozen=True)
class Frame:
    """A line of a file; `source` is its text, where the log has it."""

    file: str
    line: int
    source: str = ""


@dataclass(frozen=True)
class Traceback:
    """A traceback: its frames, outermost first, and the exception, `Type: text` on one line.

    `is_chained` says that it was raised from the traceback before it, or while that was handled; `begins` is the number
    of its first line in the log.
    """

    frames: tuple[Frame, ...]
    exception: str
    is_chained: bool = False
    begins: int = 0


def read_tracebacks(log: str) -> list[Traceback]:
    """Return every complete traceback of a log, in order."""
    lines = log.splitlines()
    starts = [number for number, line in enumerate(lines) if _BEGIN in line and not _is_inner(line)]
    found: list[Traceback] = []
    for start, end in pairwise([*starts, len(lines)]):
        is_group = "Exception Group Traceback" in lines[start]
        block = lines[start + 1 : end]
        read = _read_group(block) if is_group else _read(block)
        found.append(replace(read, is_chained=_is_chained(lines, start), begins=start))
    return [traceback for traceback in found if traceback.exception]


def _is_inner(line: str) -> bool:
    """Whether a traceback belongs to a member of an exception group: it is indented behind the group's bars."""
    return bool(_BAR.match(line)) and "Exception Group" not in line


def _is_chained(lines: Sequence[str], start: int) -> bool:
    before = [line for line in lines[max(0, start - 3) : start] if line.strip()]
    return bool(before) and bool(_CHAINED.match(before[-1].strip()))


def _read(block: Sequence[str]) -> Traceback:
    frames: list[Frame] = []
    for number, text in enumerate(block):
        if frame := _FRAME.match(text):
            frames.append(Frame(frame["file"], int(frame["line"]), _source_after(block, number)))
        elif text and not text[0].isspace() and _BEGIN not in text:
            exception = _one_line(text, block[number + 1 : number + _MOST_LINES]) if _RAISED.match(text) else ""
            return Traceback(tuple(frames), exception)
    return Traceback(tuple(frames), "")


def _source_after(block: Sequence[str], number: int) -> str:
    """Return the line of code that a frame shows below itself."""
    following = block[number + 1] if number + 1 < len(block) else ""
    return following.strip() if following[:1].isspace() and not _FRAME.match(following) else ""


def _one_line(first: str, following: Sequence[str]) -> str:
    """Return an exception's text on one line: its first paragraph, or what NumPy calls the original error."""
    name, colon, text = first.strip().partition(":")
    if not colon:
        return name
    lines = [text.strip(), *(line.strip() for line in _of_the_exception(following))]
    original = next((found[1] for line in lines if (found := _ORIGINAL.match(line))), None)
    paragraph = " ".join(takewhile(bool, dropwhile(operator.not_, lines)))
    told = f"{name}: {original or paragraph}".rstrip()
    return told if len(told) <= _MOST_CHARACTERS else told[:_MOST_CHARACTERS].rstrip() + "…"


def _of_the_exception(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if _CHAINED.match(line.strip()) or _RECORD.match(line) or _BEGIN in line:
            return
        yield line


def _read_group(block: Sequence[str]) -> Traceback:
    """Merge an exception group: its own text and its members', at the place of the first member."""
    inside: list[list[str]] = [[]]
    for line in block:
        if not _BAR.match(line):
            break
        if _DIVIDER.match(line):
            inside.append([])
        else:
            inside[-1].append(_BAR.sub("", line))
    group, *members = [_read(lines) for lines in inside]
    told = [member.exception for member in members if member.exception]
    if not told:
        return group
    exception = f"{group.exception}: {'; '.join(told)}"
    return Traceback(group.frames + members[0].frames, exception)
