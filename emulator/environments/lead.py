"""Check that a requirement line names packages or URLs, never files of this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping

from packaging.requirements import Requirement

from emulator.environments.hash_pins import REQUIRE_HASHES

_URL = re.compile(r"([a-z]+\+)?(https?|ssh|git)://(?!-)[^/\s]\S*", re.I)
_WEB = re.compile(r"https?://[^/\s]\S*", re.I)
_ARCHIVE = r"\.(whl|zip|egg|tgz|tbz2?|txz|tlz|tar(\.(gz|bz2|xz|lzma|lz|zst))?)"
_LOCAL = re.compile(rf"(-e|--editable)\b.*|[./~\\].*|[a-z]:[\\/].*|file:.*|[^@]*{_ARCHIVE}(\[[^\]]*\])?(\s*;.*)?", re.I)
_OPTION = re.compile(r"(?P<name>--[a-z][a-z-]*|-[a-z])[\s=]*(?P<value>.*)", re.I)
_LONGEST_LINE = 8_192

_NOTHING = re.compile("")
_PACKAGES = re.compile(r"[A-Za-z0-9._:-]+(\s*,\s*[A-Za-z0-9._:-]+)*")
_HOST = re.compile(r"[A-Za-z0-9.*_-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")
_OPTIONS: Mapping[str, re.Pattern[str]] = {
    "--index-url": _WEB,
    "-i": _WEB,
    "--extra-index-url": _WEB,
    "--find-links": _WEB,
    "-f": _WEB,
    "--pre": _NOTHING,
    "--prefer-binary": _NOTHING,
    REQUIRE_HASHES: _NOTHING,
    "--only-binary": _PACKAGES,
    "--no-binary": _PACKAGES,
    "--trusted-host": _HOST,
}


def lead_problem(line: str, shown: str) -> str | None:
    """Why no environment may have `line`, told of as `shown`, or None: what it names lies here, or it is no one line.

    A line of a package alone may be wrong in other ways.
    """
    if problem := line_problem(line, shown):
        return problem
    if _LOCAL.fullmatch(line):
        return local_problem(shown)
    return _option_problem(line, shown) if line.startswith("-") else None


def line_problem(line: str, shown: str) -> str | None:
    """Return why `line`, told of as `shown`, is no one line of text, or None."""
    if len(line) > _LONGEST_LINE:
        return f"'{shown[:80]}…' has {len(line)} characters: no line may have more than {_LONGEST_LINE}"
    if not line.replace("\t", " ").isprintable() or line.endswith("\\"):
        return f"{shown[:200]!a} is more than one line, or has characters that none may have"
    return None


def _option_problem(line: str, shown: str) -> str | None:
    option = _OPTION.fullmatch(line)
    value = _OPTIONS.get(option["name"]) if option else None
    if option is None or value is None:
        return f"'{shown.split(maxsplit=1)[0]}' is not an option for an environment"
    if value.fullmatch(option["value"]):
        return None
    if value is _WEB and "://" not in option["value"].replace("file://", "", 1):
        return local_problem(shown)
    wanted = {_WEB: "one URL, http or https", _NOTHING: "no value"}.get(value, "names of packages or a host")
    return f"'{shown}': {option['name']} takes {wanted}"


def url_problem(requirement: Requirement, shown: str) -> str | None:
    """Return why a package may not come from the URL that its line names, or None."""
    url = requirement.url
    if url is None or _URL.fullmatch(url):
        return None
    if "://" in url and not re.match(r"([a-z]+\+)?file:", url, re.I):
        return f"'{shown}' names a URL that cannot be had: write one of https, or git+https"
    return local_problem(shown)


def local_problem(shown: str) -> str:
    """Return what is said of a line that names something of this machine."""
    return (
        f"'{shown}' names something on this machine, which the build cannot see:"
        " publish a wheel, or put the code beside the script"
    )
