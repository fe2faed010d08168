"""The version of an environment without a name: what azure-ai-ml 1.35.2 made of the same, and what keeps ids apart."""

from __future__ import annotations

import pytest
import yaml

from emulator.entities import ANONYMOUS
from emulator.environments import anonymous_version, read_environment

CONDA = """\
name: x
channels:
  - conda-forge
dependencies:
  - python=3.9
  - numpy=1.23
  - pip:
      - azureml-inference-server-http
      - 'umlü'
variables: {A: 1.0, B: yes, D: 2024-01-01, E: 010, F: 1e3}
"""
ROUTES = {
    "scoring_route": {"port": 5001, "path": "/score"},
    "liveness_route": {"port": 5001, "path": "/"},
    "readiness_route": {"port": 5001, "path": "/"},
}


@pytest.mark.row("environment.anonymous_version")
def test_it_is_the_sdks() -> None:
    """The values are what `load_online_deployment` of azure-ai-ml 1.35.2 gives an inline environment of the same."""
    conda = yaml.safe_load(CONDA)
    assert [
        anonymous_version("docker.io/library/python:3.11"),
        anonymous_version("i", conda),
        anonymous_version("i", {"name": "q", "dependencies": ["python=3.10", {"pip": ["b", "a"]}]}),
        anonymous_version("i", None, ROUTES),
        anonymous_version("i", conda, ROUTES),
    ] == [
        "e8377ab261c6fb8e5d1775857f48724c8871d04ae73f6cfd3ca71c0289892809",
        "1a97c07fbc157bc81aaed7697a9f97872a689628f6960a430607f2a1927fae87",
        "207f0dc00907abc9c2c579fd664dd3f6432d98c1ca9d32333517c602058e2822",
        "3894af67a2858d8fc0c3c8aeef94b88c6aca5079dfa4a0644f3ce3bb27de7a61",
        "63883e0966442536728261619ca112532fba2311cb854ad8b767d50ad5d0adeb",
    ]


def version_of(text: str, file: str = "environment.yml") -> str:
    environment = read_environment(text, file, lambda _: CONDA.replace("umlü", "flask"))
    assert environment.name == ANONYMOUS
    return environment.version


@pytest.mark.row("environment.anonymous_version")
def test_an_environment_that_is_read_has_it() -> None:
    conda = yaml.safe_load(CONDA.replace("umlü", "flask"))
    assert version_of("image: i\nconda_file: conda.yml\n") == anonymous_version("i", conda)
    assert version_of("image: i\nconda_file: {dependencies: [python=3.9]}\n") == anonymous_version(
        "i", {"dependencies": ["python=3.9"]}
    )


def test_two_that_differ_never_share_an_id() -> None:
    versions = [
        version_of("image: i\nconda_file: conda.yml\n"),
        version_of("image: j\nconda_file: conda.yml\n"),
        version_of("image: i\nconda_file: {dependencies: [python=3.9]}\n"),
        version_of("dependencies: [python=3.9]\n"),
        version_of("dependencies: [python=3.10]\n"),
        version_of("numpy\n", "requirements.txt"),
        version_of("numpy\nscipy\n", "requirements.txt"),
        version_of("", "requirements.txt"),
    ]
    assert len(set(versions)) == len(versions)
    assert all(len(version) == 64 for version in versions)
    assert version_of("# only a comment more\nnumpy\n", "requirements.txt") == versions[5]


def test_one_with_a_name_keeps_its_own_version() -> None:
    text = "name: e\nversion: 3\nimage: i\nconda_file: {dependencies: [python=3.9]}\n"
    assert read_environment(text, "e.yml", str).id == "e:3"
    assert read_environment("name: c\ndependencies: [python=3.9]\n", "conda.yml", str).id == "c:1"
