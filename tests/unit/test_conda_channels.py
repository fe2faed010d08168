"""Channels' names and URLs, and whether they answer."""

from __future__ import annotations

import threading

import pytest

from emulator.engines.packaging.conda_reach import ChannelReach
from emulator.entities import Environment
from emulator.environments import channel_urls, image_spec
from emulator.environments.files.conda_channels import channel_problem
from emulator.secret import mask_credentials


def test_without_channels_there_are_condas_defaults() -> None:
    defaults = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
    assert channel_urls([], {}) == defaults
    assert channel_urls(["nodefaults"], {}) == defaults
    assert channel_urls(["conda-forge", "defaults", "conda-forge"], {}) == (
        "https://conda.anaconda.org/conda-forge",
        *defaults,
    )


def test_a_mirror_takes_the_place_of_its_name_only() -> None:
    mirrors = {"conda-forge": "https://mirror/forge/", "defaults": "/srv/a channel"}
    found = channel_urls(["conda-forge", "conda-forge/label/dev", "defaults", "https://host/own"], mirrors)
    assert found == (
        "https://mirror/forge",
        "https://conda.anaconda.org/conda-forge/label/dev",
        "file:///srv/a%20channel",
        "https://host/own",
    )


@pytest.mark.parametrize("channel", ["conda-forge", "a/label/b", "https://h/c", "file:///c", "/opt/c", "nodefaults"])
def test_what_a_channel_may_be(channel: str) -> None:
    assert channel_problem(channel) is None


@pytest.mark.parametrize("channel", ["./c", "../c", "~/c", "file://c", "C:\\c", "", "two words", "ftp://host/c"])
def test_what_a_channel_may_not_be(channel: str) -> None:
    assert channel_problem(channel)


def spec_of(channel: str) -> tuple[str, str, str]:
    environment = Environment(name="e", python_version="3.11", channels=(channel,), conda_dependencies=("numpy",))
    spec = image_spec(environment, "launcher")
    return spec.digest, spec.dockerfile, repr(spec)


def test_credentials_are_in_no_dockerfile_and_do_not_change_the_digest() -> None:
    first, second = (spec_of(f"https://me:{word}@host/t/{word}/c") for word in ("hush-1", "hush-2"))
    assert first[0] == second[0] != spec_of("https://host/c")[0]
    assert not any("hush" in text for text in first)
    assert mask_credentials("https://h/t/abc/c") == "https://h/t/****/c"


def test_a_channel_that_answers() -> None:
    assert ChannelReach(lambda channel: "").unreachable(["https://a/c", "https://b/c"]) == ""


def test_a_channel_that_is_silent_is_not_waited_for_and_not_asked_again_at_once() -> None:
    asked, released, times = [], threading.Event(), iter([0.0, 1.0, 100.0])

    def ask(channel: str) -> str:
        asked.append(channel)
        released.wait(10)
        return ""

    reach = ChannelReach(ask, monotonic=lambda: next(times), limit=0.05)
    assert reach.unreachable(["https://me:pw@a/c"]) == "https://****@a/c: no answer within 0.05 s"
    assert reach.unreachable(["https://me:pw@a/c"]).endswith("no answer within 0.05 s")
    assert len(asked) == 1
    released.set()
    assert reach.unreachable(["https://me:pw@a/c"]) == ""


def test_why_a_channel_does_not_answer_is_told() -> None:
    reach = ChannelReach(lambda channel: "answers 503" if "b" in channel else "", monotonic=lambda: 0.0)
    assert reach.unreachable(["https://a/c", "https://b/c"]) == "https://b/c: answers 503"
