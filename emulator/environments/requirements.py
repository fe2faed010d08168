"""pip's requirements files: lines checked, includes followed, what a build cannot have refused."""

from __future__ import annotations

import re
from collections.abc import Callable

from packaging.requirements import InvalidRequirement, Requirement

from emulator.errors import BadDocument, Fault

ReadText = Callable[[str], str]
"""Takes a path relative to the document that names it, gives the file's text; raises BadArgument."""

_INDEX_OPTIONS = ("--index-url", "-i", "--extra-index-url", "--find-links", "-f", "--pre", "--prefer-binary",
                  "--only-binary", "--no-binary", "--trusted-host")  # fmt: skip
_INCLUDE = re.compile(r"(-r|--requirement)[ =]*(?P<file>.+)")
_COMMENT = re.compile(r"(^|\s)#.*$")


def parse_requirements(text: str, file: str, read: ReadText) -> tuple[str, ...]:
    """The requirement lines of `text`, includes in place, comments gone; BadDocument lists every bad line."""
    faults: list[Fault] = []
    lines = _lines(text, file, read, faults, frozenset({file}))
    if faults:
        count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise BadDocument(f"{file} has {count}", faults=faults)
    return tuple(lines)


def check_requirement(line: str) -> str | None:
    """Why `line` cannot be a requirement, or None."""
    if line.startswith(_INDEX_OPTIONS):
        return None
    if line.startswith(("-e", "--editable", ".", "/", "file:")):
        return f"'{line}' names a folder of this machine, which the build cannot see: publish a wheel, or put the code \
beside the script"
    if line.startswith("-"):
        return f"'{line.split(maxsplit=1)[0]}' is not an option for an environment"
    single_equals = re.fullmatch(r"([A-Za-z0-9._-]+)\s*=\s*([^=]+)", line)
    if single_equals:
        return f"pip writes '{single_equals[1]}=={single_equals[2].strip()}': one '=' is conda's"
    try:
        Requirement(line)
    except InvalidRequirement as error:
        return f"'{line}' is not a requirement: {str(error).splitlines()[0]}"
    return None


def _lines(text: str, file: str, read: ReadText, faults: list[Fault], seen: frozenset[str]) -> list[str]:
    result: list[str] = []
    for number, line in _logical_lines(text):
        include = _INCLUDE.fullmatch(line)
        if include:
            result += _include(include["file"].strip(), f"{file}:{number}", read, faults, seen)
        elif problem := check_requirement(line):
            faults.append(Fault(problem, f"{file}:{number}"))
        else:
            result.append(line)
    return result


def _include(name: str, where: str, read: ReadText, faults: list[Fault], seen: frozenset[str]) -> list[str]:
    if name in seen:
        faults.append(Fault(f"'{name}' includes itself", where))
        return []
    return _lines(read(name), name, read, faults, seen | {name})


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """(1-based number, line) without comments and blanks, continuations joined, hashes and options of a line kept."""
    result: list[tuple[int, str]] = []
    held, start = "", 0
    for number, raw in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        start = start if held else number
        line = _COMMENT.sub("", raw).rstrip()
        if line.endswith("\\"):
            held += line[:-1]
            continue
        joined = re.sub(r"\s+--hash=\S+", "", held + line).strip()
        held = ""
        if joined:
            result.append((start, joined))
    return result
