"""What a `.dockerignore` file keeps out of a build context, by Docker's own rules (page build/concepts/context)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


class Pattern(Protocol):
    """What a line matches."""

    def fullmatch(self, path: str, /) -> object:
        """Something true where it is the whole path."""


@dataclass(frozen=True)
class IgnoreRule:
    """One line: what it matches is left out, or with `keeps` taken in again."""

    pattern: Pattern
    keeps: bool


def parse_ignore(text: str) -> tuple[IgnoreRule, ...]:
    """Return the rules of an ignore file; a line that is no pattern is passed over."""
    rules = []
    for line in text.removeprefix("\ufeff").splitlines():
        word = line.strip()
        if word.startswith("#"):
            continue
        keeps = word.startswith("!")
        pattern = posixpath.normpath(word[keeps:].strip()).lstrip("/") if word[keeps:].strip() else "."
        if pattern != ".":
            rules.append(IgnoreRule(_compiled(pattern), keeps))
    return tuple(rules)


def is_ignored(path: str, rules: Sequence[IgnoreRule]) -> bool:
    """Return whether a file's path below the context, with '/', is left out: the last rule that matches it or a folder
    above it decides.

    >>> is_ignored("data/raw/a.csv", parse_ignore("data\\n!data/raw"))
    False
    >>> is_ignored("a/b.md", parse_ignore("*.md")), is_ignored("a/b.md", parse_ignore("**/*.md"))
    (False, True)
    """
    parts = path.split("/")
    above = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
    last = next((rule for rule in reversed(rules) if any(map(rule.pattern.fullmatch, above))), None)
    return last is not None and not last.keeps


_TOKENS = re.compile(r"(?P<folders>\*\*/)|(?P<all>\*\*)|(?P<some>\*)|(?P<one>\?)|(?P<set>\[[^\]]+\])|\\?(?P<plain>.)")
_MEANINGS = {"folders": "(?:.*/)?", "all": ".*", "some": "[^/]*", "one": "[^/]"}
# With more of them than that, an expression may try more ways than there is time for.
_MOST_STARS = 2
_STARS = ("folders", "all", "some")


def _compiled(pattern: str) -> Pattern:
    tokens = list(_TOKENS.finditer(pattern))
    try:
        expression = re.compile("".join(map(_meaning, tokens)))
    except re.error:  # a set such as [z-a], which Docker refuses as it builds
        return re.compile(re.escape(pattern))
    stars = sum(token.lastgroup in _STARS for token in tokens)
    return expression if stars <= _MOST_STARS else _Steps(tuple(map(_step, tokens)))


def _meaning(token: re.Match[str]) -> str:
    kind = token.lastgroup or "plain"
    if kind == "set":
        return token[0]
    return _MEANINGS.get(kind) or re.escape(token["plain"])


@dataclass(frozen=True)
class _Steps:
    """A pattern as steps, each of a kind and what it takes, that are gone side by side: one look at each character."""

    steps: tuple[tuple[str, re.Pattern[str] | None], ...]

    def fullmatch(self, path: str) -> bool:
        """Return whether the pattern takes the whole path."""
        here = self._reached({0})
        for character in path:
            here = self._reached({after for at in here for after in self._after(at, character)})
        return len(self.steps) in here

    def _reached(self, positions: set[int]) -> set[int]:
        """With those behind steps that take nothing."""
        found: set[int] = set()
        waiting = list(positions)
        while waiting:
            at = waiting.pop()
            if at not in found:
                found.add(at)
                if 0 <= at < len(self.steps) and self.steps[at][0] in _STARS:
                    waiting.append(at + 1)
        return found

    def _after(self, at: int, character: str) -> Iterator[int]:
        """Yield where one is after a character; within the folders of a step `**/` at its complement."""
        step = ~at if at < 0 else at
        if step == len(self.steps):
            return
        kind, taken = self.steps[step]
        if kind == "folders":
            yield ~step
            if character == "/":
                yield step + 1
        elif kind == "all" or (kind == "some" and character != "/"):
            yield step
        elif taken and taken.fullmatch(character):
            yield step + 1


def _step(token: re.Match[str]) -> tuple[str, re.Pattern[str] | None]:
    kind = token.lastgroup or "plain"
    return kind, None if kind in _STARS else re.compile(_meaning(token))
