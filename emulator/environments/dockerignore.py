"""What a `.dockerignore` file keeps out of a build context, by Docker's own rules (page build/concepts/context)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class IgnoreRule:
    """One line: what it matches is left out, or with `keeps` taken in again."""

    pattern: re.Pattern[str]
    keeps: bool


def parse_ignore(text: str) -> tuple[IgnoreRule, ...]:
    """The rules of an ignore file; a line that is no pattern is passed over."""
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
    """Whether a file's path below the context, with '/', is left out: the last rule that matches it or a folder
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


def _compiled(pattern: str) -> re.Pattern[str]:
    text = "".join(map(_meaning, _TOKENS.finditer(pattern)))
    try:
        return re.compile(text)
    except re.error:  # a set such as [z-a], which Docker refuses as it builds
        return re.compile(re.escape(pattern))


def _meaning(token: re.Match[str]) -> str:
    kind = token.lastgroup or "plain"
    if kind == "set":
        return token[0]
    return _MEANINGS.get(kind) or re.escape(token["plain"])
