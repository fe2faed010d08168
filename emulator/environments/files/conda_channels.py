"""Where the channels of a conda file are: names, mirrors, URLs, folders.  Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

from emulator.environments.files.requirements_file import text_problem
from emulator.secret import mask_credentials

# What conda means by its defaults on Linux, in their order (page Managing channels of conda's documentation).
DEFAULTS = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
_ALIAS = "https://conda.anaconda.org"
# What says that no channel is to be added; none is added here.
_NO_DEFAULTS = "nodefaults"

_URL = re.compile(r"(https?|file)://\S+")
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*(/[\w.+-]+)*")


def channel_problem(channel: str) -> str | None:
    """Return why `channel` cannot be one, or None.

    >>> channel_problem("./wheels")
    "'./wheels' is a folder of this machine, which no build knows: name a channel that lies on a server"
    """
    text = channel.strip()
    if problem := text_problem(text, mask_credentials(text)):
        return problem
    if text.startswith((".", "~")) or re.match(r"[A-Za-z]:\\|file:(?!///)", text):
        return f"'{channel}' is a folder of this machine, which no build knows: name a channel that lies on a server"
    if text.startswith("/") or _URL.fullmatch(text) or _NAME.fullmatch(text):
        return None
    return f"'{mask_credentials(channel)}' is not a channel: a name or a URL"


def local_folder(channel: str) -> str | None:
    """Return the folder of this machine that `channel` is, None where it is elsewhere.

    >>> local_folder("file:///opt/my%20channel"), local_folder("/opt/channel"), local_folder("conda-forge")
    ('/opt/my channel', '/opt/channel', None)
    """
    if channel.startswith("/"):
        return channel
    scheme, _, path = channel.partition("://")
    return unquote(path[path.index("/") :] if "/" in path else "/") if scheme.lower() == "file" else None


def channel_urls(channels: Sequence[str], mirrors: Mapping[str, str]) -> tuple[str, ...]:
    """Return the URLs of `channels`, the first one the strongest; conda's defaults where none is named.

    `mirrors` says by name (`conda-forge`, `defaults`) where a channel is instead of at anaconda.org.

    >>> channel_urls(["conda-forge", "/opt/channel"], {})
    ('https://conda.anaconda.org/conda-forge', 'file:///opt/channel')
    >>> channel_urls([], {"defaults": "https://mirror/main/"})
    ('https://mirror/main',)
    """
    named = [channel for channel in channels if channel != _NO_DEFAULTS] or ["defaults"]
    urls = [url for channel in named for url in _urls(channel, mirrors)]
    return tuple(dict.fromkeys(url.rstrip("/") for url in urls))


def with_channel_url(spec: str, mirrors: Mapping[str, str]) -> str:
    """A package with the URL of the channel that it names, if it names one.

    >>> with_channel_url("forge/linux-64::numpy=1.23", {"forge": "https://mirror/forge"})
    'https://mirror/forge/linux-64::numpy=1.23'
    """
    channel, colons, package = spec.rpartition("::")
    if not colons:
        return spec
    subdir = re.search(r"/(linux-\w+|noarch)$", channel)
    (url, *_) = channel_urls([channel.removesuffix(subdir[0]) if subdir else channel], mirrors)
    return f"{url}{subdir[0] if subdir else ''}::{package}"


def _urls(channel: str, mirrors: Mapping[str, str]) -> tuple[str, ...]:
    if channel in mirrors:
        return (_as_url(mirrors[channel]),)
    if channel == "defaults":
        return DEFAULTS
    return (_as_url(channel),)


def _as_url(channel: str) -> str:
    if channel.startswith("/"):
        return f"file://{quote(channel)}"
    return channel if _URL.fullmatch(channel) else f"{_ALIAS}/{channel}"
