"""Placeholders of templates: `{{ NAME }}` and `<NAME>`, common in Microsoft's samples.

`key: {{NAME}}` without quotes is no YAML that can be loaded, so it is quoted before the text is parsed; which of them
are left once everything that the command line gives is in place is found in the values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from emulator.documents.yaml_document import Path

# A value that begins with braces and is not quoted, up to the end of its line or a comment.
_UNQUOTED = re.compile(
    r"^(?P<before>\s*(?:-\s+)*(?:[\w.$/-]+\s*:\s+|-\s+))(?P<value>\{\{(?:(?!\s#).)*?)(?P<after>\s*(?:\s#.*)?)$",
    re.MULTILINE,
)
# Not `${{…}}`, which names a secret of the cloud.
_BRACES = re.compile(r"(?<!\$)\{\{\s*[^{}]*\}\}")
_ANGLES = re.compile(r"<[A-Za-z][\w .-]*>")
_SECRET = re.compile(r"\$\{\{[^{}]*\}\}")
_PROSE = ("description", "tags", "properties")


def quoted_placeholders(text: str) -> str:
    """`text` with every unquoted `{{…}}` between quotes, line by line as it was."""

    def quote(match: re.Match[str]) -> str:
        value = match["value"].replace("\\", "\\\\").replace('"', '\\"')
        return f'{match["before"]}"{value}"{match["after"]}'

    return _UNQUOTED.sub(quote, text)


def unfilled(data: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Where a placeholder is left, and which; in descriptions angles are only prose."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from unfilled(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from unfilled(value, (*path, index))
    elif isinstance(data, str):
        patterns = (_BRACES,) if path and path[0] in _PROSE else (_BRACES, _ANGLES)
        for text in dict.fromkeys(match[0] for pattern in patterns for match in pattern.finditer(data)):
            yield path, text


def is_placeholder(text: str) -> bool:
    """Whether that is a placeholder and nothing else.

    >>> is_placeholder("<ACR>"), is_placeholder("{{ ACR }}"), is_placeholder("name")
    (True, True, False)
    """
    return bool(_BRACES.fullmatch(text) or _ANGLES.fullmatch(text))


def filled(data: Any, placeholder: str, value: Any) -> Any:
    """`data` with `value` wherever the placeholder is: of its own type where it is all of a text.

    >>> filled(["<ACR>.azurecr.io/a", "<N>"], "<ACR>", "team")
    ['team.azurecr.io/a', '<N>']
    """
    if isinstance(data, Mapping):
        return {key: filled(child, placeholder, value) for key, child in data.items()}
    if isinstance(data, list):
        return [filled(child, placeholder, value) for child in data]
    if data == placeholder:
        return value
    return data.replace(placeholder, str(value)) if isinstance(data, str) else data


def value_at(data: Any, path: Path) -> Any:
    """Return the value at a path that exists in the document."""
    for part in path:
        data = data[part]
    return data


def secret_reference(value: str) -> str | None:
    """The `${{…}}` in a variable's value, whose secret only the cloud knows (concept-secret-injection)."""
    found = _SECRET.search(value)
    return found[0] if found else None
