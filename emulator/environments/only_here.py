"""Package sources that only this machine can reach, so that a build in the cloud fails."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from emulator.difference import Difference, fails_in_cloud
from emulator.environments.files.conda_channels import local_folder
from emulator.environments.files.conda_spec import parse_spec
from emulator.secret import mask_credentials

_URL = re.compile(r"(?:[a-z]+\+)?https?://[^\s'\"]+", re.I)
_OF_THIS_MACHINE = re.compile(r"localhost|.*\.localhost|127\.[\d.]+|0\.0\.0\.0|::1|host\.docker\.internal", re.I)


def differences_of_channels(channels: Sequence[str], dependencies: Iterable[str]) -> list[Difference]:
    """Return what is told of channels, of the file and of single packages, that lie on this machine.

    >>> differences_of_channels(["conda-forge", "/opt/channel"], [])[0].text
    "channel /opt/channel lies on this machine: the cloud's build cannot see it, and fails"
    """
    own = (parse_spec(text).channel for text in dependencies if "::" in text)
    return [
        _told(f"channel {channel}", "lies on") for channel in dict.fromkeys([*channels, *own]) if is_only_here(channel)
    ]


def differences_of_requirements(lines: Iterable[str]) -> list[Difference]:
    """Return what is told of requirement lines whose index or package lies on this machine."""
    return [_told(f"'{line}'", "names") for line in lines if any(map(is_only_here, _URL.findall(line)))]


def is_only_here(place: str) -> bool:
    """Return whether a channel or a URL is a folder or a server of this machine.

    >>> is_only_here("http://me:pw@localhost:8080/simple"), is_only_here("https://host/simple")
    (True, False)
    """
    if local_folder(place) is not None:
        return True
    if not _URL.fullmatch(place):
        return False
    try:
        host = urlsplit(place).hostname or ""
    except ValueError:
        return False
    return _OF_THIS_MACHINE.fullmatch(host) is not None


def _told(what: str, verb: str) -> Difference:
    text = f"{mask_credentials(what)} {verb} this machine: the cloud's build cannot see it, and fails"
    return fails_in_cloud("packages.of_this_machine", text)
