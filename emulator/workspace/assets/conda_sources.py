"""Where conda packages come from: their channels, or PyPI where those cannot be reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from emulator.entities import Environment
from emulator.environments import channel_urls, from_pypi
from emulator.errors import BadDocument


def _all_reachable(_channels: Sequence[str]) -> str:
    return ""


@dataclass(frozen=True)
class CondaSources:
    """`choice` is `auto`, `channels` or `pip`, `mirrors` where channels are by name.

    `unreachable` says in one phrase why channels (URLs) cannot be read, '' when they can.
    """

    choice: str = "auto"
    mirrors: Mapping[str, str] = field(default_factory=dict, repr=False)
    unreachable: Callable[[Sequence[str]], str] = _all_reachable


def decide(
    environment: Environment, sources: CondaSources, choice: str | None, is_built: Callable[[Environment], bool]
) -> Environment:
    """`environment` as it will be built: with its conda packages, or with what PyPI has for them.

    `choice` overrides that of `sources`.  What is built already is not decided again, so that no network is asked: a
    machine that was offline once keeps what it had until `channels` is asked for.  Raises BadDocument for what pip
    cannot express.
    """
    choice = choice or sources.choice
    if choice == "channels" or not environment.conda_dependencies or (choice == "auto" and is_built(environment)):
        return environment
    if choice == "pip":
        return from_pypi(environment, "as was asked for")
    # Whether PyPI can stand in is not known yet, and where channels answer it need not.
    built = _stand_in(environment)
    if built and is_built(built):
        return built
    why = sources.unreachable(channel_urls(environment.channels, sources.mirrors))
    return from_pypi(environment, f"the channels cannot be reached: {why}") if why else environment


def decided_offline(environment: Environment, choice: str, is_built: Callable[[Environment], bool]) -> Environment:
    """As `decide`, for showing: nothing is asked, and what is not built is shown as its channels would have it."""
    if choice == "channels" or not environment.conda_dependencies or is_built(environment):
        return environment
    stand_in = _stand_in(environment)
    return stand_in if stand_in and (choice == "pip" or is_built(stand_in)) else environment


def _stand_in(environment: Environment) -> Environment | None:
    try:
        return from_pypi(environment)
    except BadDocument:
        return None
