"""Variables that look like settings and are none: nobody finds out by himself that one has no effect."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from emulator.config.settings import PROJECT_FILE_VARIABLE, VARIABLES
from emulator.errors import BadArgument

PREFIX = "AMLEMU_"
# What else reads variables of that prefix: commands, compose.yaml and the images, this repository's own tests.
_OTHERS = frozenset(
    {
        PROJECT_FILE_VARIABLE, "AMLEMU_DEMO", "AMLEMU_HOST", "AMLEMU_PUBLISH_HOST", "AMLEMU_MEMORY",
        "AMLEMU_BASE_IMAGE", "AMLEMU_DOCKER_SOCKET", "AMLEMU_DEBIAN_MIRROR", "AMLEMU_CA_BUNDLE", "AMLEMU_PACKAGE",
        "AMLEMU_SINK", "AMLEMU_DEBUG_PORT", "AMLEMU_BUILD_OF", "AMLEMU_REQUIRE_DOCKER", "AMLEMU_WRITE_GOLDEN",
        "AMLEMU_TEST_TOKEN",
    }
)  # fmt: skip
_KNOWN = tuple(VARIABLES.values())
_NEAR = 0.75
_NEAR_PREFIX = 0.75


def check_variables(environ: Mapping[str, str]) -> None:
    """BadArgument for a variable whose name is nearly that of a setting, which it therefore does not set."""
    for name in sorted(environ):
        near = _meant(name)
        if near and environ[name]:
            raise BadArgument(
                f"there is no variable {name}: did you mean {near}?",
                hint=f"`unset {name}`, and set {near}; `amlemu config` shows what is in force",
            )


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """The variables of our prefix that mean nothing here."""
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in _OTHERS and name not in _KNOWN)


def _meant(name: str) -> str:
    """The setting's variable that a name which is none is nearly; '' where it is one, or like none.

    >>> _meant("AMLEMU_ENGIN"), _meant("AMELMU_PORT"), _meant("AMLEMU_PORT"), _meant("AMLEMU_CI")
    ('AMLEMU_ENGINE', 'AMLEMU_PORT', '', '')
    """
    upper = name.upper()
    if name in _OTHERS or name in _KNOWN:
        return ""
    if upper.startswith("AMLEMU"):
        rest = upper.removeprefix("AMLEMU").lstrip("_").replace("-", "_")
        near = difflib.get_close_matches(rest, [known.removeprefix(PREFIX) for known in _KNOWN], n=1, cutoff=_NEAR)
        return PREFIX + near[0] if near else ""
    prefix, _, rest = upper.partition("_")
    is_near = difflib.SequenceMatcher(None, prefix, "AMLEMU").ratio() >= _NEAR_PREFIX and len(prefix) > 3
    return PREFIX + rest if is_near and PREFIX + rest in _KNOWN else ""
