"""pip's requirements files: lines checked, includes followed, what a build cannot have refused."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement

from emulator.difference import Difference, differs
from emulator.documents.yaml_document import check_length
from emulator.environments.hash_pins import (
    hash_problem,
    hashes_of,
    unpinned_problem,
    wants_hashes,
    with_hashes,
    without_hashes,
)
from emulator.environments.lead import lead_problem, line_problem, url_problem
from emulator.environments.package_urls import is_editable, is_url_alone, url_alone_problem, with_name
from emulator.errors import BadArgument, BadDocument, Fault, fault_count
from emulator.secret import MASK, is_masked, mask_credentials

ReadText = Callable[[str], str]
"""Takes a path relative to the document that names it, gives the file's text; raises BadArgument."""
Locate = Callable[[str], object]
"""Takes a path likewise, and raises BadArgument when it is not that document's to name."""

_INCLUDE = re.compile(r"(-r|--requirement)[\s=]*(?P<file>.+)")
_MOST_LEVELS = 20
_MOST_LINES = 20_000
_LINES_OF_A_FILE = 20
_MOST_FAULTS = 100
_MOST_DIFFERENCES = 100
_COMMENT = re.compile(r"(^|\s)#.*$")
_SEVERAL = re.compile(r"[A-Za-z0-9][\w.-]*([\s,]+[A-Za-z0-9][\w.-]*)+")
_SINGLE_EQUALS = re.compile(r"(?P<name>[A-Za-z0-9._-]+(\[[^\]]*\])?)\s*=(?P<turned>[<>]?)\s*(?P<version>[^=<>]+)")


@dataclass(frozen=True)
class Requirements:
    """The lines of a requirements file, includes in place and comments gone, and where installing them differs."""

    lines: tuple[str, ...]
    differences: tuple[Difference, ...]


def parse_requirements(text: str, file: str, read: ReadText) -> Requirements:
    """Parse a requirements file; BadDocument lists every bad line.

    Hashes are kept: with one, every requirement must be pinned and have its own, as for pip.
    """
    faults: list[Fault] = []
    bounded = _bounded(read)
    placed = _lines(bounded(file, text), file, bounded, faults, frozenset({file}))
    lines = [plain_line(line) for _, line in placed]
    if wants_hashes(lines):
        faults += [
            Fault(problem, where)
            for (where, _), line in zip(placed, lines, strict=True)
            if (problem := unpinned_problem(line))
        ]
    if faults:
        raise BadDocument(f"{file} has {fault_count(faults)}", faults=faults[:_MOST_FAULTS])
    return Requirements(tuple(lines), tuple(editable_differences(placed)))


def editable_differences(placed: Iterable[tuple[str, str]]) -> list[Difference]:
    """Return the differences of lines that ask for an editable install, each given with its place in a file."""
    return [
        differs(
            "packages.editable",
            f"{where}: '{mask_credentials(line)}' is installed like any other package: pip would check the repository"
            " out into a folder 'src' and install that",
        )
        for where, line in [(where, line) for where, line in placed if is_editable(line)][:_MOST_DIFFERENCES]
    ]


def _bounded(read: ReadText) -> Callable[..., str]:
    """`read`, or a text that was read already, as long as all of them together are no more than anybody means."""
    left = _MOST_LINES

    def bounded(file: str, text: str | None = None) -> str:
        nonlocal left
        text = read(file) if text is None and left > 0 else text or ""
        check_length(text, file)
        # A file that is included again and again costs something, however little is in it.
        left -= len(text.splitlines()) + _LINES_OF_A_FILE
        if left < 0:
            raise BadDocument(f"{file} makes more than {_MOST_LINES} lines of requirements, with all that is included")
        return text

    return bounded


def check_requirement(line: str) -> str | None:
    """Return why `line`, which may end with hashes, cannot be a requirement, or None."""
    return _problem(with_name(without_hashes(line))) or hash_problem(line)


def _problem(line: str) -> str | None:
    shown = mask_credentials(line)
    if problem := text_problem(line, shown):
        return problem
    if is_url_alone(line):
        return line_problem(line, shown) or url_alone_problem(line, shown)
    if problem := lead_problem(line, shown):
        return problem
    if line.startswith("-"):
        return None
    if _SEVERAL.fullmatch(line):
        return f"'{shown}' names several packages: each has a line of its own"
    one = _SINGLE_EQUALS.fullmatch(line)
    return _single_equals(one["name"], one["turned"], one["version"].strip()) if one else _not_pep508(line, shown)


def text_problem(text: str, shown: str) -> str | None:
    """Return why `text`, which is shown as `shown`, cannot be taken as it is written.

    pip and conda put in variables of whoever runs them; what amlemu has masked is no credential any more.
    """
    if is_masked(text):
        return f"'{shown}' has {MASK} where amlemu has masked a credential: write the true one"
    if "${" not in text:
        return None
    return (
        f"'{shown}' names a variable, and none is expanded: where the cloud builds there is no such variable either;"
        " write what it stands for"
    )


def _not_pep508(line: str, shown: str) -> str | None:
    try:
        return url_problem(Requirement(line), shown)
    except InvalidRequirement as error:
        return f"'{shown}' is not a requirement: {str(error).splitlines()[0]}"


def _single_equals(name: str, turned: str, version: str) -> str:
    if turned:
        return f"pip writes '{name}{turned}={version}', not '={turned}'"
    return f"pip writes '{name}=={version}': one '=' is conda's"


def _lines(text: str, file: str, read: ReadText, faults: list[Fault], seen: frozenset[str]) -> list[tuple[str, str]]:
    """Return each line with the place where it stands."""
    result: list[tuple[str, str]] = []
    for number, line in logical_lines(text):
        where = f"{file}:{number}"
        include = _INCLUDE.fullmatch(line)
        if include:
            # As for pip, a path is relative to the file that names it.
            name = posixpath.normpath(posixpath.join(posixpath.dirname(file), include["file"].strip()))
            result += _include(name, where, read, faults, seen)
        elif problem := check_requirement(line):
            faults.append(Fault(problem, where))
        else:
            result.append((where, line))
    return result


def plain_line(line: str) -> str:
    """The line in the one form that amlemu keeps: with the name of a package that is given by its URL, hashes last."""
    return with_hashes(with_name(without_hashes(line)), hashes_of(line))


def _include(name: str, where: str, read: ReadText, faults: list[Fault], seen: frozenset[str]) -> list[tuple[str, str]]:
    if name in seen:
        faults.append(Fault(f"'{name}' includes itself", where))
        return []
    if len(seen) > _MOST_LEVELS:
        faults.append(Fault(f"'{name}' is included by more than {_MOST_LEVELS} files, one from another", where))
        return []
    try:
        text = read(name)
    except BadArgument as error:
        faults.append(Fault(error.message, where))
        return []
    return _lines(text, name, read, faults, seen | {name})


def logical_lines(text: str) -> list[tuple[int, str]]:
    """(1-based number, line) without comments and blanks, continuations joined; options and hashes are kept."""
    result: list[tuple[int, str]] = []
    held, start = "", 0
    raw_lines = text.lstrip("\ufeff").splitlines()
    for number, raw in enumerate(raw_lines, 1):
        start = start if held else number
        line = _COMMENT.sub("", raw).rstrip()
        if line.endswith("\\"):
            held += line[:-1]
            if number < len(raw_lines):
                continue
            line = ""
        joined = (held + line).strip()
        held = ""
        if joined:
            result.append((start, joined))
    return result
