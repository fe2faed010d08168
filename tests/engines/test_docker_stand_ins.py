"""A stand-in with the name of the image that it stands for is told from it; no Docker is needed."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from emulator.difference import texts
from emulator.engines.docker.build import DockerHost, provide_base_image
from emulator.engines.docker.pull import base_images, is_stand_in, stand_in_differences
from emulator.entities import Environment
from emulator.environments import image_spec

PYTHON, STAND_IN = "python:3.11-slim-bookworm", "amlemu/python:3.11-slim-bookworm"
MARKED = {"amlemu.stand_in": "true"}


def client_with(**labels: dict[str, str]) -> Any:
    """A client of an engine that has these images, by name."""

    def get(name: str) -> Any:
        if name not in labels:
            raise docker.errors.ImageNotFound("no such image")
        return SimpleNamespace(labels=labels[name], attrs={})

    return SimpleNamespace(images=SimpleNamespace(get=get, list=lambda: [SimpleNamespace(tags=[n]) for n in labels]))


def test_a_stand_in_under_the_real_name_is_told_by_its_label() -> None:
    assert is_stand_in(client_with(**{PYTHON: MARKED}), PYTHON)
    assert not is_stand_in(client_with(**{PYTHON: {}}), PYTHON), "the real one"
    assert not is_stand_in(client_with(), PYTHON)


@pytest.mark.parametrize("name", [STAND_IN, "team/base:1", "registry/python:3.11-slim-bookworm", "python:3.11"])
def test_what_is_built_from_a_stand_in_or_named_as_one_is_none_in_disguise(name: str) -> None:
    assert not is_stand_in(client_with(**{name: MARKED}), name)


def test_base_images_are_those_of_python_and_their_stand_ins() -> None:
    names = (PYTHON, STAND_IN, "amlemu/environment:0123456789abcdef", "team/python:3.11-slim-bookworm", "python:3.11")
    assert base_images(client_with(**{name: {} for name in names})) == [STAND_IN, PYTHON]


def test_what_a_dockerfile_makes_of_one_is_a_difference() -> None:
    dockerfile = f"FROM {PYTHON} AS a\nFROM docker.io/library/{PYTHON}\nFROM {STAND_IN}\nCOPY --from=a /x /x\n"
    client = client_with(**{PYTHON: MARKED, STAND_IN: MARKED})
    assert texts(stand_in_differences(client, dockerfile)) == (f"image {PYTHON} is a local stand-in for it",)
    assert texts(stand_in_differences(client_with(**{PYTHON: {}}), dockerfile)) == ()
    assert texts(stand_in_differences(client, STAND_IN)) == ()


def test_it_does_not_pass_for_the_base_image_of_an_environment() -> None:
    """The real one is asked for, and where it cannot be had the stand-in is used under its own name, and told."""

    def refusing(args: Any, variables: Any, log: Any, canceled: Any) -> int:
        log('Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: lookup r: no such host')
        return 1

    host = DockerHost(client_with(**{PYTHON: MARKED, STAND_IN: MARKED}), refusing, {}, "default", lambda: True)
    spec = image_spec(Environment(name="e", python_version="3.11", requirements=("six",)), "launcher")
    found = provide_base_image(spec, host, lambda line: None, threading.Event())
    assert found.name == STAND_IN
    assert texts(found.differences) == (
        f"base image {PYTHON} could not be pulled: {STAND_IN} (a local stand-in) was used",
    )
