"""Variables that look like settings but are not: a misspelled one would silently have no effect."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from emulator.config.settings import PROJECT_FILE_VARIABLE, VARIABLES
from emulator.errors import BadArgument

PREFIX = "AMLEMU_"
# Variables of our prefix that are not settings: of commands, compose.yaml, the images and this repository's tests.
_OTHER_VARIABLES = frozenset(
    {
        PROJECT_FILE_VARIABLE, "AMLEMU_DEMO", "AMLEMU_HOST", "AMLEMU_PUBLISH_HOST", "AMLEMU_MEMORY",
        "AMLEMU_BASE_IMAGE", "AMLEMU_DOCKER_SOCKET", "AMLEMU_DEBIAN_MIRROR", "AMLEMU_CA_BUNDLE", "AMLEMU_PACKAGE",
        "AMLEMU_SINK", "AMLEMU_DEBUG_PORT", "AMLEMU_BUILD_OF", "AMLEMU_REQUIRE_DOCKER", "AMLEMU_WRITE_GOLDEN",
        "AMLEMU_TEST_TOKEN",
    }
)  # fmt: skip
_SETTINGS = tuple(VARIABLES.values())
_NEAR = 0.75
_NEAR_PREFIX = 0.75


def check_variables(environ: Mapping[str, str]) -> None:
    """Raise BadArgument for a variable that looks like a misspelled setting."""
    for name in sorted(environ):
        near = _intended_variable(name)
        if near and environ[name]:
            raise BadArgument(
                f"there is no variable {name}: did you mean {near}?",
                hint=f"`unset {name}`, and set {near}; `amlemu config` shows what is in force",
            )


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the variables of our prefix that amlemu does not read."""
    return sorted(name for name in environ if name.startswith(PREFIX) and not _is_known(name))


def _is_known(name: str) -> bool:
    return name in _OTHER_VARIABLES or name in _SETTINGS


def _intended_variable(name: str) -> str:
    """Return the variable that a misspelled name stands for; '' for a known name, and for one unlike any.

    >>> [_intended_variable(name) for name in ("AMLEMU_ENGIN", "AMELMU_PORT", "AMLEMU_PORT", "AMLEMU_CI")]
    ['AMLEMU_ENGINE', 'AMLEMU_PORT', '', '']
    """
    upper = name.upper()
    if _is_known(name):
        return ""
    if upper.startswith("AMLEMU"):
        rest = upper.removeprefix("AMLEMU").lstrip("_").replace("-", "_")
        near = difflib.get_close_matches(rest, [known.removeprefix(PREFIX) for known in _SETTINGS], n=1, cutoff=_NEAR)
        return PREFIX + near[0] if near else ""
    prefix, _, rest = upper.partition("_")
    is_near = difflib.SequenceMatcher(None, prefix, "AMLEMU").ratio() >= _NEAR_PREFIX and len(prefix) > 3
    return PREFIX + rest if is_near and PREFIX + rest in _SETTINGS else ""
