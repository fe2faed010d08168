"""Images of the user's own as specifications: what decides their digests, and which others stand for them."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.difference import texts
from emulator.entities import AZUREML_ROUTES, BuildContext, Environment, InferenceConfig, Route
from emulator.environments import (
    CURATED,
    AnyImageSpec,
    BaseImages,
    BuildContextSpec,
    ContextContent,
    ExistingImageSpec,
    ImageChoices,
    ImageSpec,
    prebuilt_stand_in,
    select_spec,
)
from emulator.environments.dockerignore import is_ignored, parse_ignore
from emulator.errors import BadArgument

MINIMAL = "mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest"
ROUTES = InferenceConfig(
    liveness_route=Route(port=8080, path="/live"),
    readiness_route=Route(port=8080, path="/ready"),
    scoring_route=Route(port=8501, path="/v1/models/m:predict"),
)
DOCKERFILE = "FROM python:3.11-slim\nRUN true\n"


def spec_of(
    choices: ImageChoices | None = None, content: str = "c", dockerfile: str = DOCKERFILE, **fields: Any
) -> AnyImageSpec:
    spec, _ = select_spec(
        Environment(name="e", **fields),
        "launcher",
        choices or ImageChoices(),
        lambda _build: ContextContent(content, dockerfile),
    )
    return spec


def context(**changes: Any) -> dict[str, Any]:
    return {"build": BuildContext(path="/project/docker", **changes)}


# Kinds


def test_an_image_alone_is_a_name() -> None:
    spec = spec_of(image="nginx:1.25")
    assert isinstance(spec, ExistingImageSpec)
    assert (spec.name, spec.platform, spec.dockerfile) == ("nginx:1.25", None, "FROM nginx:1.25\n")


@pytest.mark.parametrize("image", ["", "--privileged", "two words", "a\nb"])
def test_what_cannot_be_an_image(image: str) -> None:
    with pytest.raises(BadArgument, match="cannot be the name of an image"):
        spec_of(image=image)


def test_a_build_context_is_a_folder() -> None:
    spec = spec_of(**context(dockerfile_path="./sub/Containerfile"))
    assert isinstance(spec, BuildContextSpec)
    assert (spec.context, spec.dockerfile_path) == ("/project/docker", "sub/Containerfile")
    assert (spec.dockerfile, spec.substituted) == (DOCKERFILE, False)


def test_all_that_decides_what_is_built_is_in_the_digest() -> None:
    specs = [
        spec_of(**context()),
        spec_of(content="other", **context()),
        spec_of(**context(dockerfile_path="other/Dockerfile")),
        spec_of(ImageChoices(BaseImages({"python:*": "mine"})), **context()),
        spec_of(ImageChoices(platform="linux/arm64"), **context()),
        spec_of(image="a"),
        spec_of(image="b"),
        spec_of(image="b", platform="linux/amd64"),
    ]
    assert len({spec.digest for spec in specs}) == len(specs)
    assert spec_of(**context()).digest == spec_of(build=BuildContext(path="/elsewhere")).digest


def test_packages_go_into_an_image_that_keeps_its_command_where_it_has_routes() -> None:
    fields: dict[str, Any] = {"image": "nginx", "python_version": "3.11", "requirements": ("flask",)}
    plain, own, azureml = (spec_of(**fields, inference_config=config) for config in (None, ROUTES, AZUREML_ROUTES))
    assert "\nENTRYPOINT [" in plain.dockerfile and "\nCMD []" in plain.dockerfile
    assert "ENTRYPOINT" not in own.dockerfile and "CMD" not in own.dockerfile
    assert azureml.digest == plain.digest != own.digest


def test_packages_for_another_platform() -> None:
    plain, arm = (spec_of(python_version="3.11", platform=platform) for platform in (None, "linux/arm64"))
    assert isinstance(arm, ImageSpec)
    assert (arm.platform, arm.digest == plain.digest) == ("linux/arm64", False)


def test_an_environments_platform_goes_before_the_settings() -> None:
    spec = spec_of(ImageChoices(platform="linux/arm64"), image="a", platform="linux/amd64")
    assert isinstance(spec, ExistingImageSpec)
    assert spec.platform == "linux/amd64"


# What stands for an image


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("mcr.microsoft.com/azureml/minimal:1", "exact"),
        ("mcr.microsoft.com/azureml/minimal:2", "pattern"),
        ("python", "latest"),
        ("python:latest", "latest"),
        ("python:3.11", None),
        ("localhost:5000/python", None),
    ],
)
def test_the_own_name_goes_before_a_pattern(name: str, by: str | None) -> None:
    substitutes = {
        "mcr.microsoft.com/azureml/*": "pattern",
        "mcr.microsoft.com/azureml/minimal:1": "exact",
        "python:latest": "latest",
    }
    assert BaseImages(substitutes).of(name) == by


def test_each_use_of_another_image_is_told() -> None:
    choices = ImageChoices(BaseImages({"nginx:*": "mine"}))
    environment = Environment(name="e", image="nginx:1.25")
    spec, told = select_spec(environment, "", choices, lambda _: ContextContent("", ""))
    assert isinstance(spec, ExistingImageSpec)
    assert (spec.name, texts(told)) == ("mine", ("image nginx:1.25 is replaced by mine (setting base_images)",))


def test_the_base_images_of_a_dockerfile() -> None:
    text = """\
# FROM python:3 is a comment
ARG BASE=python:3.11
ARG OTHER="python:3.8"
FROM --platform=linux/amd64 python:3.12 AS python:3.9
RUN echo 'FROM python:3.7'
ARG LATER=python:3.6
FROM python:3.9
from ${BASE}
COPY --chown=1 --from=python:3.5 /a /b
COPY --from=python:3.9 /a /b
COPY --from=0 /a /b
"""
    changed, told = BaseImages({"python:*": "mine"}).in_dockerfile(text)
    assert (
        changed
        == """\
# FROM python:3 is a comment
ARG BASE=mine
ARG OTHER="mine"
FROM --platform=linux/amd64 mine AS python:3.9
RUN echo 'FROM python:3.7'
ARG LATER=python:3.6
FROM python:3.9
from ${BASE}
COPY --chown=1 --from=mine /a /b
COPY --from=python:3.9 /a /b
COPY --from=0 /a /b
"""
    )
    assert [line.split()[1] for line in texts(told)] == ["python:3.11", "python:3.8", "python:3.12", "python:3.5"]
    assert BaseImages().in_dockerfile(text) == (text, ())


# Prebuilt images


@pytest.mark.parametrize(
    ("image", "python", "package"),
    [
        (MINIMAL, "3.9", "azureml-inference-server-http"),
        ("mcr.microsoft.com/azureml/minimal-py312-inference", "3.12", "pip"),
        ("mcr.microsoft.com/azureml/sklearn-1.0-ubuntu20.04-py38-cpu-inference", "3.8", "scikit-learn==1.0.*"),
        ("mcr.microsoft.com/azureml/curated/mlflow-py312-inference:7", "3.12", "mlflow"),
        ("mcr.microsoft.com/azureml/pytorch-1.9-ubuntu18.04-py37-cpu-inference@sha256:ab", "3.7", "torch==1.9.*"),
        ("mcr.microsoft.com/azureml/minimal-ubuntu20.04-py38-cuda11.6.2-gpu-inference", "3.8", "pip"),
    ],
)
def test_what_stands_for_a_prebuilt_image(image: str, python: str, package: str) -> None:
    found = prebuilt_stand_in(Environment(name="e", image=image))
    assert found is not None
    assert (found.python_version, found.image, package in found.requirements) == (python, None, True)
    assert not found.runs_own_command


def test_what_is_published_of_an_image_goes_before_its_name() -> None:
    image = "mcr.microsoft.com/azureml/curated/sklearn-1.5:34"
    published = next(c for c in CURATED if c.name.removeprefix("AzureML-") == "sklearn-1.5")
    found = prebuilt_stand_in(Environment(name="e", image=image), CURATED)
    assert found is not None
    assert (found.python_version, found.requirements) == (published.python_version, (*published.packages, "pip"))


@pytest.mark.parametrize(
    "fields",
    [
        {"image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"},
        {"image": "mcr.microsoft.com/azureml/triton-2.1-py38-inference"},
        {"image": "evil.example/azureml/minimal-py311-inference"},
        {"image": MINIMAL, "python_version": "3.9"},
        context(),
    ],
)
def test_nothing_stands_for_other_environments(fields: dict[str, Any]) -> None:
    assert prebuilt_stand_in(Environment(name="e", **fields)) is None


# .dockerignore


@pytest.mark.parametrize(
    ("ignore", "ignored", "kept"),
    [
        ("data", ["data", "data/a/b"], ["my/data", "data2"]),
        ("/data/", ["data/a"], ["my/data"]),
        ("*.md", ["a.md"], ["a/b.md", "a.mdx"]),
        ("**/*.md", ["a.md", "a/b/c.md"], ["a.txt"]),
        ("a/**", ["a/b", "a/b/c"], ["a"]),
        ("a?c/x[0-9]", ["abc/x1", "abc/x1/y"], ["ac/x1", "abc/xa"]),
        ("*\n!keep\n!dir/keep", ["a", "dir/x"], ["keep", "keep/a", "dir/keep"]),
        ("!keep\n*", ["keep"], []),
        ("# comment\n\n.\n  spaced  ", ["spaced"], ["# comment", "a"]),
        ("../x\n[z-a]\na\\*", ["a*"], ["ab", "x"]),
    ],
)
def test_what_is_ignored(ignore: str, ignored: list[str], kept: list[str]) -> None:
    rules = parse_ignore(ignore)
    assert [path for path in [*ignored, *kept] if is_ignored(path, rules)] == ignored
