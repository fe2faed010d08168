"""Environments from files of every kind."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from emulator.difference import texts
from emulator.entities import BuildContext, Environment, Route
from emulator.environments import DEFAULT_ENVIRONMENT, FILE_NAMES, file_beside, read_environment
from emulator.errors import BadArgument, BadDocument

CONDA = "name: from-conda\ndependencies: [python=3.9, numpy=1.23, {pip: [azureml-inference-server-http]}]\n"


def read(text: str, file: str = "environment.yml", others: Mapping[str, str] | None = None) -> Environment:
    def read_other(name: str) -> str:
        if name not in (others or {}):
            raise BadArgument(f"the file '{name}' does not exist")
        return (others or {})[name]

    return read_environment(text, file, read_other)


def faults_of(text: str) -> list[str]:
    with pytest.raises(BadDocument) as caught:
        read(text)
    return [str(fault) for fault in caught.value.faults]


def test_a_conda_file() -> None:
    environment = read(CONDA, "conda.yml")
    assert (environment.name, environment.version, environment.python_version) == ("from-conda", "1", "3.9")
    assert environment.conda_dependencies == ("python=3.9", "numpy=1.23")
    assert environment.requirements == ("azureml-inference-server-http",)
    assert environment.image is None
    assert environment.source == "conda.yml"


def test_requirements() -> None:
    environment = read("numpy\n", "requirements.txt")
    assert (environment.requirements, environment.name) == (("numpy",), "CliV2AnonymousEnvironment")


def test_an_azure_environment_with_a_conda_file_beside_it() -> None:
    text = """
$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json
name: sklearn-env
version: 7
image: mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest
conda_file: conda/env.yml
description: an environment
tags: {team: 4}
os_type: Linux
"""
    environment = read(text, others={"conda/env.yml": CONDA})
    assert environment.id == "sklearn-env:7"
    assert environment.image == "mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest"
    assert environment.tags == {"team": "4"}
    assert environment.description == "an environment"
    assert environment.conda_dependencies[1] == "numpy=1.23"


def test_an_azure_environment_with_the_conda_file_in_it() -> None:
    environment = read("image: i\nconda_file:\n  dependencies: [python=3.10]\n")
    assert (environment.python_version, environment.image) == ("3.10", "i")


def test_a_fault_inside_an_inline_conda_file_has_its_line() -> None:
    assert faults_of("image: i\nconda_file:\n  dependencies:\n    - pip:\n        - numpy=1\n") == [
        "environment.yml:5: conda_file.dependencies[0].pip[0]: pip writes 'numpy==1': one '=' is conda's"
    ]


def test_every_fault_of_an_azure_environment() -> None:
    faults = faults_of(
        "image: [i]\nconda_file: 3\nname: ../evil\nversion: a/b\ntags: [t]\nos_type: windows\n"
        "build: {path: .}\ninference_config: {}\nconda: x\n"
    )
    assert [fault.split(": ")[1] for fault in faults] == [
        "conda",
        "image",
        "conda_file",
        "name",
        "version",
        "tags",
        "image",
        "conda_file",
        "os_type",
        "build.path",
        "inference_config",
    ]


def test_a_conda_file_that_is_missing() -> None:
    assert faults_of("image: i\nconda_file: nope.yml\n") == [
        "environment.yml:2: conda_file: the file 'nope.yml' does not exist"
    ]


def test_an_image_alone_runs_as_it_is() -> None:
    environment = read("image: i:1\nname: x\n")
    assert (environment.image, environment.python_version, environment.requirements) == ("i:1", None, ())
    assert environment.runs_own_command


@pytest.mark.parametrize(
    ("path", "absolute"), [("docker", "/project/docker"), (".", "/project"), ("./a//b/", "/project/a/b"), ("/x", "/x")]
)
def test_a_build_context_lies_below_its_file(path: str, absolute: str) -> None:
    text = f"build: {{path: {path}, dockerfile_path: sub/Dockerfile}}\n"
    dockerfile = f"{path.rstrip('/')}/sub/Dockerfile"
    environment = read_environment(text, "e.yml", {dockerfile: "FROM scratch"}.__getitem__, "/project")
    assert environment.build == BuildContext(path=absolute, dockerfile_path="sub/Dockerfile")
    assert (environment.image, environment.python_version) == (None, None)


def test_a_build_context_needs_a_place() -> None:
    with pytest.raises(BadDocument) as caught:
        read("build: {path: docker}\n", others={"docker/Dockerfile": "FROM scratch"})
    assert "needs a file on this machine" in str(caught.value.faults[0])


def test_the_routes_of_a_custom_container() -> None:
    routes = "liveness_route: {port: 8080, path: /live}\n  readiness_route: {port: 8080, path: /ready}\n"
    environment = read(f"image: i\ninference_config:\n  {routes}  scoring_route: {{port: 8501, path: /v1}}\n")
    config = environment.inference_config
    assert config is not None
    assert (config.ports, config.scoring_route, config.is_azureml) == (
        (8501, 8080),
        Route(port=8501, path="/v1"),
        False,
    )


def test_a_conda_file_without_an_image_is_a_difference() -> None:
    environment = read("conda_file: {dependencies: [python=3.10]}\n")
    assert (environment.python_version, environment.image) == ("3.10", None)
    assert texts(environment.differences)[0].startswith("conda_file without image: the cloud refuses it")


@pytest.mark.parametrize("names", [["x.py", "requirements.txt", "conda.yml"], ["conda.yml"]])
def test_the_file_beside_a_script(names: list[str]) -> None:
    assert file_beside(names) == "conda.yml"
    assert file_beside(["score.py", "my-conda.yml"]) is None


def test_every_known_name_is_found() -> None:
    assert [file_beside([name]) for name in FILE_NAMES] == list(FILE_NAMES)


def test_the_default_brings_a_server() -> None:
    assert "azureml-inference-server-http" in DEFAULT_ENVIRONMENT.requirements


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [1\nb: 2\n", "environment.yml:2: expected ',' or ']', but got ':' (while parsing a flow sequence)"),
        ("\ta: 1\n", "environment.yml:1: found character '\\t' that cannot start any token"),
        ("a: 2024-13-01\n", "environment.yml: month must be in 1..12"),
        ("dependencies: []\nname: x\ndependencies: []\n", "environment.yml:3: the key 'dependencies' is there twice"),
        ("a: 1\n---\nb: 2\n", "environment.yml:2: but found another document"),
        ("a: !!python/object:os.system x\n", "could not determine a constructor"),
        ("? [1, 2]\n: 3\n", "found unhashable key"),
        ("a: \0\n", "characters are not allowed"),
    ],
)
def test_what_is_no_yaml(text: str, told: str) -> None:
    (fault,) = faults_of(text)
    assert told in fault


@pytest.mark.parametrize(("text", "kind"), [("- numpy\n", "a list"), ("numpy\n", "a text"), ("", "nothing")])
def test_what_is_no_mapping(text: str, kind: str) -> None:
    with pytest.raises(BadDocument, match=f"must hold a YAML mapping .key: value., not {kind}"):
        read(text)


def test_anchors_merges_and_loops_are_followed() -> None:
    assert read("channels: &c [scipy]\ndependencies: *c\n").conda_dependencies == ("scipy",)
    assert faults_of("a: &a [*a]\n") == ["environment.yml:1: an anchor contains itself"]
    text = "x: &x {A: 1}\nvariables:\n  <<: *x\n  <<: *x\n"
    assert len(faults_of(text)) == 1, "the key x, and no fault for a merge"
