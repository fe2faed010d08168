"""Hashes in pip's requirements: what a line pins, pip's hash-checking mode, and what a wrong hash means.

As for pip, one hash is enough to want one of every package, those that only others depend on included.  Packages that
amlemu adds to what the user wrote, and what these depend on, are not the user's to pin.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from emulator.environments.package_urls import is_url_alone
from emulator.errors import ImageBuildFailure
from emulator.secret import mask_credentials

REQUIRE_HASHES = "--require-hashes"
_HASH = re.compile(r"(?<!\s)\s+--hash(?:\s*=\s*|\s+)(?P<value>\S+)")
_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_VALUE = re.compile(r"(?P<algorithm>[^:]*):(?P<digits>.*)")
_FRAGMENT = re.compile(r"(^|&)(sha256|sha384|sha512)=[0-9A-Fa-f]+($|&)")
_MISMATCH = re.compile(r"Hash mismatch for `(?P<package>[^`]+)`")
_EXPECTED = re.compile(r"\s*Expected:\s*")
_COMPUTED = re.compile(r"\s*Computed:\s*")
_DIGEST = re.compile(r"\s*(?P<digest>(?:sha256|sha384|sha512|md5|blake2b):[0-9a-f]+)\s*")
_MOST_NAMED = 10


def without_hashes(line: str) -> str:
    """Return the requirement alone.

    >>> without_hashes("six==1.16.0 --hash=sha256:8abb")
    'six==1.16.0'
    """
    return _HASH.sub("", line).strip()


def hashes_of(line: str) -> tuple[str, ...]:
    """Return the hashes of a requirement line, as `sha256:…` in small letters.

    >>> hashes_of("six==1.16.0 --hash sha256:8ABB --hash=sha256:1e61")
    ('sha256:8abb', 'sha256:1e61')
    """
    return tuple(dict.fromkeys(found["value"].lower() for found in _HASH.finditer(line)))


def with_hashes(requirement: str, hashes: Iterable[str]) -> str:
    """Return the line in the one form that amlemu writes."""
    return " ".join([requirement, *(f"--hash={value}" for value in hashes)])


def hash_problem(line: str) -> str | None:
    """Return why a hash of the line is none that pip takes, or None."""
    for value in hashes_of(line):
        found = _VALUE.fullmatch(value)
        length = _DIGITS.get(found["algorithm"]) if found else None
        if found is None or length is None:
            return f"'--hash={value}' must be {' or '.join(_DIGITS)}, a colon and the digest: the hashes that pip takes"
        if not re.fullmatch(f"[0-9a-f]{{{length}}}", found["digits"]):
            return f"'--hash={value}' is no {found['algorithm']}: that has {length} hexadecimal digits"
    return None


def wants_hashes(lines: Iterable[str]) -> bool:
    """Return whether pip is in hash-checking mode with these lines."""
    return any(hashes_of(line) or line == REQUIRE_HASHES for line in lines)


def names_hashes(lines: Iterable[str]) -> bool:
    """Return whether a line has a hash that the installer checks, in an option or in its URL.

    >>> names_hashes(["six==1.16.0", "x @ https://host/x-1.tar.gz#sha256=8abb"]), names_hashes(["six==1.16.0"])
    (True, False)
    """
    return any(hashes_of(line) or _FRAGMENT.search(line.partition("#")[2]) for line in lines)


def unpinned_problem(line: str) -> str | None:
    """Return why a line cannot stand among requirements in hash-checking mode, or None."""
    if line.startswith("-"):
        return None
    text = without_hashes(line)
    alone = is_url_alone(text)
    try:
        requirement = Requirement(f"x @ {text}" if alone else text)
    except InvalidRequirement:
        return None  # which is told of elsewhere
    if requirement.url:
        return _url_problem(mask_credentials(text) if alone else requirement.name, requirement.url, hashes_of(line))
    exact = [one for one in requirement.specifier if one.operator in ("==", "===") and not one.version.endswith("*")]
    if len(exact) != 1 or len(requirement.specifier) != 1:
        return f"'{text}' must be pinned with '==', as requirements with hashes are: pip's hash-checking mode"
    if not hashes_of(line):
        return f"'{text}' has no hash, and others have: pip's hash-checking mode wants one of every package"
    return None


def _url_problem(shown: str, url: str, hashes: Collection[str]) -> str | None:
    place = urlsplit(url)
    if "+" in place.scheme:
        return f"'{shown}' comes from version control, which has no hashes to check: name an archive's URL"
    if not hashes and not _FRAGMENT.search(place.fragment):
        return f"'{shown}' has no hash, and others have: pip's hash-checking mode wants one of every package"
    return None


def pinned(locked: Sequence[str], requirements: Iterable[str]) -> list[str]:
    """Return the locked lines with the hashes that the requirements pin for these packages."""
    pins = {_key(line): hashes for line in requirements if (hashes := hashes_of(line))}
    return [with_hashes(line, pins.get(_name_of(line)) or pins.get(_url_of(line), ())) for line in locked]


def check_all_pinned(locked: Iterable[str], excused: Iterable[str]) -> None:
    """Raise ImageBuildFailure for locked packages without a hash; the names of `excused` need none."""
    names = set(map(canonicalize_name, excused))
    missing = [line for line in locked if not _has_hash(line) and _name_of(line) not in names]
    if missing:
        named = ", ".join(missing[:_MOST_NAMED]) + (f" and {len(missing) - _MOST_NAMED} more" * (len(missing) > 10))
        raise ImageBuildFailure(
            f"some requirements have hashes, and then every package must have one, which these have not: {named}",
            hint="others depend on these packages: `pip-compile --generate-hashes` or `uv pip compile"
            " --generate-hashes` writes all of them with their hashes",
        )


def _has_hash(line: str) -> bool:
    return bool(hashes_of(line) or _FRAGMENT.search(urlsplit(_url_of(line)).fragment))


def _key(line: str) -> str:
    """Return what a requirement and its locked line have in common: the name, or the URL of one that is a URL alone."""
    return line.split(maxsplit=1)[0] if is_url_alone(without_hashes(line)) else _name_of(line)


def _url_of(line: str) -> str:
    _, _, url = line.partition(" @ ")
    return url.split()[0] if url.strip() else ""


def _name_of(line: str) -> str:
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line)
    return canonicalize_name(found[0]) if found else ""


def hash_failure(lines: Sequence[str]) -> ImageBuildFailure | None:
    """The error of an installation whose output says that a file has another hash; None when it says no such thing."""
    for number, line in enumerate(lines):
        if found := _MISMATCH.search(line):
            expected, computed = _digests(lines[number + 1 :])
            among = " or ".join(expected[:2]) + (f" or {len(expected) - 2} more" if len(expected) > 2 else "")
            told = f": expected {among or 'a hash that is pinned'}, found {', '.join(computed) or 'another'}"
            return ImageBuildFailure(
                f"package {found['package'].partition('#')[0]} is not the file that its hash pins{told}",
                hint="if this is the file that you want, pin the hash that was found; else ask why the package index,"
                " or what stands before it, gives another one",
                log_tail="\n".join(lines[number : number + 8]),
            )
    return None


def _digests(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the digests below `Expected:` and below `Computed:`."""
    expected: list[str] = []
    computed: list[str] = []
    into: list[str] | None = None
    for line in lines:
        if _EXPECTED.fullmatch(line):
            into = expected
        elif _COMPUTED.fullmatch(line):
            into = computed
        elif digest := _DIGEST.fullmatch(line):
            if into is not None:
                into.append(digest["digest"])
        elif line.strip() and computed:
            break
    return expected, computed
