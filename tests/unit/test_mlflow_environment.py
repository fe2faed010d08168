"""The environment that the files of an MLflow model make; what they hold wrong is in tests/bad_documents."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from emulator.difference import differs, texts
from emulator.entities import Environment
from emulator.environments import as_mlflow_environment, mlflow_environment
from emulator.environments.triton import check_triton_repository
from emulator.errors import BadArgument
from emulator.profiles import profile_of

BASE = profile_of("managed").mlflow.base_packages
SERVER, SCHEMA, MONITORING, MLFLOW, PANDAS, NUMPY = BASE
OLD = ("azureml-contrib-services", "setuptools<81")

MLMODEL = """\
flavors:
  python_function:
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.sklearn
    python_version: 3.9.1
"""
BARE = "flavors: {python_function: {loader_module: mlflow.sklearn, python_version: 3.9.1}}\n"
CONDA = """\
channels: [conda-forge]
dependencies:
- python=3.10.14
- pip<=24.0
- pip:
  - mlflow==2.16.0
  - scikit-learn==1.4.2
name: mlflow-env
"""
PYTHON_ENV = "python: 3.11.7\nbuild_dependencies: [pip==24.0]\ndependencies: ['-r requirements.txt']\n"


def made(base: tuple[str, ...] = BASE, **files: str) -> Environment:
    """The environment of a model with these files, `__` for the dot in their names."""
    named: Mapping[str, str] = {name.replace("__", "."): text for name, text in files.items()}
    return mlflow_environment("m:1", named.keys(), named.__getitem__, base)


@pytest.mark.row("mlflow.environment")
def test_the_models_versions_go_before_the_images_packages() -> None:
    environment = made(MLmodel=MLMODEL, conda__yaml=CONDA, python_env__yaml=PYTHON_ENV)
    own = ("mlflow==2.16.0", "scikit-learn==1.4.2")
    assert environment.requirements == (*own, SERVER, SCHEMA, MONITORING, PANDAS, NUMPY, *OLD)
    assert (environment.no_code, environment.source) == ("mlflow", "conda.yaml of MLflow model m:1")
    assert environment.is_anonymous


@pytest.mark.row("mlflow.environment")
def test_what_the_model_names_is_not_named_again() -> None:
    contrib = "azureml-contrib-services==1.57\n"
    listed = "azureml-defaults==1.56\nMLflow-Skinny==2.9\nazureml_ai_monitoring>=0.1\npandas<3\nnumpy[x]==2.1\n"
    environment = made(
        MLmodel=BARE, requirements__txt=f"--extra-index-url https://example.com/simple\n{listed}{contrib}"
    )
    assert environment.requirements[-2:] == (SCHEMA, OLD[1])
    assert len(environment.requirements) == 9
    at_start, old = texts(environment.differences)
    assert "the cloud installs them when a container starts" in at_start
    assert old == "added for servers before 1.4.1, which may not start without: setuptools<81"


@pytest.mark.row("mlflow.environment")
def test_the_models_own_server_goes_first() -> None:
    requirements = made(MLmodel=BARE, requirements__txt="azureml_inference_server_http==0.8.4\n").requirements
    assert [line for line in requirements if "server" in line] == ["azureml_inference_server_http==0.8.4"]


@pytest.mark.row("mlflow.environment")
def test_a_setting_says_what_the_image_adds() -> None:
    environment = made(("flask",), MLmodel=BARE, requirements__txt="pandas\n")
    assert environment.requirements == ("pandas", "flask", *OLD)


@pytest.mark.row("mlflow.python_version")
@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"conda__yaml": CONDA, "python_env__yaml": PYTHON_ENV}, "3.10"),
        ({"conda__yaml": CONDA}, "3.10"),  # what is not needed may be missing
        ({"conda__yaml": "dependencies: [python-dateutil, pip]\n", "python_env__yaml": PYTHON_ENV}, "3.11"),
        ({"conda__yaml": "dependencies: ['conda-forge::python>=3.8,<3.9']\n"}, "3.8"),
    ],
)
def test_the_python_is_the_models(files: Mapping[str, str], version: str) -> None:
    assert made(MLmodel=MLMODEL, **files).python_version == version


@pytest.mark.row("mlflow.python_version")
def test_the_python_of_a_model_without_a_conda_file() -> None:
    text = "pandas\n"
    assert made(MLmodel=BARE, requirements__txt=text, python_env__yaml=PYTHON_ENV).python_version == "3.11"
    assert made(MLmodel=BARE, requirements__txt=text).python_version == "3.9"
    assert made(MLmodel="flavors: {python_function: {}}\n").python_version == "3.12"


def test_a_model_of_an_old_mlflow_names_one_file() -> None:
    mlmodel = "flavors:\n  python_function:\n    env: own.yml\n    loader_module: mlflow.sklearn\n"
    environment = made(MLmodel=mlmodel, own__yml=CONDA, conda__yaml="dependencies: [python=3.7]\n")
    assert (environment.python_version, environment.source) == ("3.10", "own.yml of MLflow model m:1")


def test_a_model_without_packages_has_the_images() -> None:
    environment = made(MLmodel=BARE)
    assert (environment.requirements, environment.source) == ((*BASE, *OLD), "MLmodel of MLflow model m:1")
    packages, monitoring, mlflow, _ = texts(environment.differences)
    assert packages.startswith(
        "the model has neither conda.yaml nor requirements.txt: only the no-code image's packages"
    )
    assert "containers of the cloud were seen to fail without it" in monitoring
    assert mlflow.startswith("mlflow is not in the model's files: the newest that fits")


def test_conda_packages_of_the_model_stay_conda_packages() -> None:
    conda = "dependencies:\n- python=3.11\n- scikit-learn=1.4\n"
    environment = made(MLmodel=MLMODEL, conda__yaml=conda)
    assert environment.conda_dependencies == ("python=3.11", "scikit-learn=1.4")
    assert any(requirement.startswith("mlflow") for requirement in environment.requirements)


WRITTEN = """\
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.10.1, cloudpickle_version: 3.0.0}
  sklearn: {sklearn_version: 1.4.2}
  pytorch: {pytorch_version: 2.1.0+cu118}
"""


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("- scikit-learn=1.3", ["scikit-learn 1.4.2, and conda.yaml asks for scikit-learn==1.3.*"]),
        ("- pip: [scikit_learn==1.2.2]", ["scikit-learn 1.4.2, and conda.yaml asks for scikit-learn==1.2.2"]),
        ("- pip: ['scikit-learn[alldeps]<1.4']", ["scikit-learn 1.4.2, and conda.yaml asks for scikit-learn<1.4"]),
        ("- pip: [cloudpickle==2.2.1, torch==2.0.1]", ["cloudpickle 3.0.0, ", "torch 2.1.0+cu118, "]),
        ("- scikit-learn=1.4", []),
        ("- scikit-learn\n- pip: [torch==2.1.0]", []),
        ("- pip: ['scikit-learn>=1.3', cloudpickle==3.0.0]", []),
        ("- numpy=1.26", []),
        ("- pytorch=2.0\n- scikit-learn=1.2|1.3", ["torch 2.1.0+cu118, and conda.yaml asks for torch==2.0.*"]),
    ],
)
def test_libraries_of_other_versions_than_the_models_are_told(lines: str, told: list[str]) -> None:
    environment = made(MLmodel=WRITTEN, conda__yaml=f"dependencies:\n- python=3.10\n{lines}\n")
    warnings = [text for text in texts(environment.differences) if "was written with" in text]
    assert [part in text for part, text in zip(told, warnings, strict=True)] == [True] * len(told)


OWN = differs("an.example", "own")


def test_they_are_told_of_an_environment_that_was_given_too() -> None:
    given = Environment(name="mine", python_version="3.10", requirements=("scikit-learn==1.5.0",), differences=(OWN,))
    own, warning = texts(as_mlflow_environment(given, lambda _: WRITTEN).differences)
    assert (own, "scikit-learn 1.4.2, and mine:1 asks for scikit-learn==1.5.0" in warning) == ("own", True)


def test_versions_that_are_none_are_passed_over() -> None:
    mlmodel = WRITTEN.replace("1.4.2", "[1, 4]").replace("2.1.0+cu118", "''")
    lines = "scikit-learn==1.2\ntorch==2.0.1\n"
    assert not any("written" in text for text in texts(made(MLmodel=mlmodel, requirements__txt=lines).differences))


@pytest.mark.row("triton.repository")
@pytest.mark.parametrize(
    "names", [("densenet/config.pbtxt",), ("densenet/1/model.onnx", "README.md"), ("a/2/model.savedmodel/x.pb",)]
)
def test_a_triton_repository(names: tuple[str, ...]) -> None:
    check_triton_repository("t:1", names)


@pytest.mark.row("triton.repository")
@pytest.mark.parametrize(
    ("names", "above"),
    [
        (("model.onnx",), False),
        (("densenet/model.onnx",), False),
        (("a/densenet/config.pbtxt",), False),
        (("config.pbtxt", "1/model.onnx"), True),
        (("1/model.onnx",), True),
    ],
)
def test_no_triton_repository(names: tuple[str, ...], above: bool) -> None:
    with pytest.raises(BadArgument, match="no Triton model repository") as caught:
        check_triton_repository("t:1", names)
    assert caught.value.target == "model t:1"
    assert ("register the one above it" in caught.value.hint) is above
