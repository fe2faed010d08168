"""The package indexes that requirements name, and which of them cannot be read.  Pure.

pip asks all of them and takes the best version; one that it cannot read it passes over with a warning (page Finding
Packages of its documentation).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from emulator.difference import Difference, differs
from emulator.errors import ImageBuildFailure
from emulator.secret import mask_credentials

_LINE = re.compile(r"(?P<option>--index-url|-i|--extra-index-url|--find-links|-f)[\s=]*(?P<url>\S+)")
_DEFAULT = ("--index-url", "-i")
_LINKS = ("--find-links", "-f")
_PYPI = "https://pypi.org/simple"

_FAILED = re.compile(r"(?:Failed to fetch: |--find-links` URL: |for url \()`?(?P<url>https?://[^\s`)]+)")
_STATUS = re.compile(r"HTTP status \w+ error \((?P<told>\d{3} [^)]+?)\)|\((?P<unauthorized>401 Unauthorized)\)"
                     r"|returned a (?P<forbidden>403 Forbidden)")  # fmt: skip
_SILENT = re.compile(
    r"failed to lookup address information|dns error|[Cc]onnection refused|[Cc]onnection reset|timed out"
    r"|invalid peer certificate: \w+|certificate verify failed|network is unreachable|error sending request",
    re.I,
)


@dataclass(frozen=True)
class UnreadableIndex:
    """An index that answers nothing which can be used: its URL without credentials, why, and the `line` that names it,
    '' for one of this machine's settings.
    """

    url: str
    why: str
    line: str = ""

    @property
    def difference(self) -> Difference:
        """The difference that a line makes which was passed over."""
        text = f"'{mask_credentials(self.line)}': {self}; pip goes on without it, and so does this build"
        return differs("packages.index_passed_over", text)

    def __str__(self) -> str:
        return f"{self.url} {self.why}"


def index_urls(lines: Iterable[str]) -> dict[str, str]:
    """Return the line of each index, but not of pages of links, that requirement lines name, by its URL."""
    found = ((line, _LINE.fullmatch(line)) for line in lines)
    return {match["url"]: line for line, match in found if match and match["option"] not in _LINKS}


def machine_index_urls(variables: Mapping[str, str], lines: Iterable[str]) -> list[str]:
    """Return the indexes of this machine's settings that are asked beside those of the lines."""
    named = any(match and match["option"] in _DEFAULT for match in map(_LINE.fullmatch, lines))
    default = "" if named else variables.get("UV_DEFAULT_INDEX") or variables.get("UV_INDEX_URL") or _PYPI
    extra = f"{variables.get('UV_INDEX', '')} {variables.get('UV_EXTRA_INDEX_URL', '')}".split()
    urls = [default, *(re.sub(r"^[\w-]+=", "", url) for url in extra)]
    return [url for url in dict.fromkeys(urls) if url]


def unreadable_index(lines: Iterable[str], stderr: str) -> UnreadableIndex | None:
    """Return the index among the lines for which the resolver has ended, as its words tell; None for another reason."""
    failed = [_place(found["url"]) for found in _FAILED.finditer(stderr)]
    named = [(line, match) for line in lines if (match := _LINE.fullmatch(line))]
    for line, match in sorted(named, key=lambda pair: -len(pair[1]["url"])):
        if any(_is_page_of(_place(match["url"]), place) for place in failed):
            return UnreadableIndex(mask_credentials(match["url"]), unreadable_reason(stderr) or "does not answer", line)
    return None


def unreadable_reason(stderr: str) -> str:
    """Why an index cannot be read, as a phrase after its URL; '' where the resolver does not say such a thing."""
    if status := _STATUS.search(stderr):
        return f"answers {next(text for text in status.groups() if text)}"
    silent = _SILENT.findall(stderr)
    return f"does not answer ({silent[-1].lower()})" if silent else ""


def without_index(lines: Sequence[str], index: UnreadableIndex) -> list[str]:
    """Return the lines with which pip goes on; ImageBuildFailure where none stands in the place of the default."""
    rest = [line for line in lines if line != index.line]
    match = _LINE.fullmatch(index.line)
    if not match or match["option"] not in _DEFAULT or any(_is_default(line) for line in rest):
        return rest
    # PyPI does not take the place of an index that was named instead of it.
    for number, line in enumerate(rest):
        if (extra := _LINE.fullmatch(line)) and extra["option"] == "--extra-index-url":
            return [*rest[:number], f"--index-url {extra['url']}", *rest[number + 1 :]]
    raise ImageBuildFailure(f"the package index {index}", hint=f"mend the line '{mask_credentials(index.line)}'")


def _is_default(line: str) -> bool:
    match = _LINE.fullmatch(line)
    return match is not None and match["option"] in _DEFAULT


def _place(url: str) -> tuple[str, str]:
    """Host and path, which a resolver prints as they were written; it leaves out credentials in its own way."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2].lower(), parts.path.rstrip("/")


def _is_page_of(index: tuple[str, str], page: tuple[str, str]) -> bool:
    """Return whether the page is the index's own, or its page of one package: not a file that lies below it."""
    host, path = page
    return host == index[0] and (path == index[1] or path.rpartition("/")[0] == index[1])
