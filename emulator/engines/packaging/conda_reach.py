"""Find out within two seconds whether conda channels can be reached."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

from emulator.engines.packaging.conda import conda_platform
from emulator.engines.packaging.python_packages import HostPackaging
from emulator.secret import mask_credentials

LIMIT_SECONDS = 2.0
# As long as a channel that did not answer is not asked again.
_REMEMBERED_SECONDS = 60.0

Ask = Callable[[str], str]
"""Takes a channel's URL; gives why it cannot be read, '' when it can.  May take long."""


class ChannelReach:
    """Probes channels concurrently, and caches for a minute which ones did not answer."""

    def __init__(self, ask: Ask, monotonic: Callable[[], float] = time.monotonic, limit: float = LIMIT_SECONDS) -> None:
        self._ask, self._monotonic, self._limit = ask, monotonic, limit
        self._silent: dict[str, tuple[float, str]] = {}

    def unreachable(self, channels: Sequence[str]) -> str:
        """Return why one of the `channels` cannot be read, in one phrase without credentials; '' when all can."""
        now = self._monotonic()
        for channel in channels:
            since, why = self._silent.get(channel, (0.0, ""))
            if why and now - since < _REMEMBERED_SECONDS:
                return why
        answers = self._ask_all(channels)
        for channel in channels:
            why = answers.get(channel, f"no answer within {self._limit:g} s")
            if why:
                told = f"{mask_credentials(channel)}: {mask_credentials(why)}"
                self._silent[channel] = (now, told)
                return told
        return ""

    def _ask_all(self, channels: Sequence[str]) -> Mapping[str, str]:
        answers: dict[str, str] = {}

        def ask(channel: str) -> None:
            answers[channel] = self._ask(channel)

        # Not a pool: a name server that is silent holds its thread for longer than anybody waits.
        threads = [threading.Thread(target=ask, args=(channel,), daemon=True) for channel in channels]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + self._limit
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return dict(answers)


def channel_reach(packaging: HostPackaging) -> ChannelReach:
    """For channels of the net and of this machine's folders."""
    return ChannelReach(lambda channel: _ask_channel(channel, packaging))


def _ask_channel(channel: str, packaging: HostPackaging) -> str:
    if channel.startswith("file://"):
        return _ask_folder(Path(unquote(urlsplit(channel).path)))
    try:
        url = f"{channel}/noarch/repodata.json"
        answer = requests.head(
            url, timeout=LIMIT_SECONDS, allow_redirects=True, verify=str(packaging.ca_bundle or "") or True
        )
    except requests.RequestException as error:
        return type(error).__name__
    # Without such a file the host answers all the same: then the solver says that there is no such channel.
    return "" if answer.status_code < 400 or answer.status_code == 404 else f"answers {answer.status_code}"


def _ask_folder(folder: Path) -> str:
    known = [folder / platform / "repodata.json" for platform in ("noarch", conda_platform())]
    return "" if any(file.exists() for file in known) else "there is no channel in this folder"
