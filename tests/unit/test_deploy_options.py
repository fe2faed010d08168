"""`deploy`'s options as the request that they make; nothing is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from emulator.cli.deploy import deploy_command
from emulator.cli.deploy_flags import read_options
from emulator.errors import BadArgument


def options(*words: str | Path) -> dict[str, Any]:
    """What click hands over for these words, defaults included."""
    context = deploy_command.make_context("deploy", [str(word) for word in words])
    return dict(context.params)


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "my_model" / "src").mkdir(parents=True)
    (tmp_path / "my_model" / "src" / "score.py").write_text("def init(): ...\n")
    return tmp_path / "my_model"


def test_the_script_s_folder_is_the_code_and_names_the_endpoint(code: Path) -> None:
    endpoint, request = read_options(options("--entry", code / "src/score.py"), {})
    assert (endpoint, request["code"], request["scoring_script"]) == ("src", str(code / "src"), "score.py")
    assert request["explicit_source_dir"] is False
    assert request["models"] == [] and request["environment"] is None


def test_a_path_through_dots_still_has_a_name(code: Path) -> None:
    endpoint, request = read_options(options("--entry", code / "src/../src/score.py"), {})
    assert (endpoint, request["code"]) == ("src", str(code / "src"))


@pytest.mark.parametrize("entry", ["src/score.py", "{code}/src/score.py"])
def test_a_source_directory_holds_the_script(code: Path, entry: str) -> None:
    words = ("--source-dir", code, "--entry", entry.format(code=code))
    endpoint, request = read_options(options(*words), {})
    assert (endpoint, request["code"], request["scoring_script"]) == ("my-model", str(code), "src/score.py")
    assert request["explicit_source_dir"] is True


@pytest.mark.parametrize("words", [("--entry", "none.py"), ("--source-dir", "{code}/src", "--entry", "none.py")])
def test_a_script_that_is_not_there(code: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(BadArgument, match="the scoring script 'none.py'"):
        read_options(options(*(word.format(code=code) for word in words)), {})


@pytest.mark.parametrize("model", ["my_mlflow", "my_mlflow:3", "azureml:my_mlflow@latest"])
def test_without_a_script_the_model_names_the_endpoint(model: str) -> None:
    endpoint, request = read_options(options("--model", model), {})
    assert (endpoint, request["models"]) == ("my-mlflow", [model])
    assert (request["code"], request["scoring_script"]) == (None, None)
    assert read_options(options("--name", "other", "--model", model), {})[0] == "other"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--entry names the scoring script; an MLflow model"),
        (("--model", "m:1", "--source-dir", "src"), "--source-dir needs --entry"),
        (("--model", "m:1", "--watch"), "--watch needs --entry"),
    ],
)
def test_options_that_need_a_script(words: tuple[str, ...], told: str) -> None:
    with pytest.raises(click.UsageError, match=told):
        read_options(options(*words), {})


def test_a_custom_container_needs_neither_script_nor_model() -> None:
    endpoint, request = read_options(options("--name", "own", "--environment", "own:1"), {})
    assert (endpoint, request["code"], request["models"]) == ("own", None, [])


def test_variables_come_from_file_options_and_the_shell(code: Path, tmp_path: Path) -> None:
    (tmp_path / "vars").write_text("A=1\nB='two words'\n# C=3\n")
    words = ("--entry", code / "src/score.py", "--env-file", tmp_path / "vars", "--env", "A=9", "--env", "MINE")
    _, request = read_options(options(*words), {"MINE": "from the shell", "OTHER": "not asked for"})
    assert request["environment_variables"] == {"A": "9", "B": "two words", "MINE": "from the shell"}


def test_a_variable_that_the_shell_does_not_have(code: Path) -> None:
    with pytest.raises(click.UsageError, match="this shell has no such variable"):
        read_options(options("--entry", code / "src/score.py", "--env", "MINE"), {})


def test_debug_has_a_port_of_its_own(code: Path) -> None:
    entry = ("--entry", code / "src/score.py")
    assert read_options(options(*entry), {})[1]["debug_port"] is None
    assert read_options(options(*entry, "--debug"), {})[1]["debug_port"] == 5678
    assert read_options(options(*entry, "--debug", "7000"), {})[1]["debug_port"] == 7000


def test_the_auth_mode_is_the_targets_unless_given(code: Path) -> None:
    _, request = read_options(options("--entry", code / "src/score.py"), {})
    assert request["auth_mode"] is None
    _, request = read_options(options("--entry", code / "src/score.py", "--auth-mode", "aml_token"), {})
    assert request["auth_mode"] == "aml_token"
    with pytest.raises(click.BadParameter):
        options("--entry", code / "src/score.py", "--auth-mode", "token")


def test_the_instance_type(code: Path) -> None:
    words = ("--entry", code / "src/score.py")
    assert read_options(options(*words), {})[1]["instance_type"] is None
    _, request = read_options(options(*words, "--instance-type", "Standard_DS3_v2"), {})
    assert request["instance_type"] == "Standard_DS3_v2"


def test_a_custom_container_needs_no_script() -> None:
    words = ("--name", "echo", "--environment", "echo:1", "--model-mount-path", "/models", "--platform", "linux/amd64")
    endpoint, request = read_options(options(*words), {})
    assert (endpoint, request["code"], request["scoring_script"]) == ("echo", None, None)
    assert (request["environment"], request["model_mount_path"]) == ("echo:1", "/models")
    assert request["platform"] == "linux/amd64"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--entry names the scoring script"),
        (("--environment", "echo:1"), "--name is needed"),
        (("--environment", "echo:1", "--name", "echo", "--watch"), "--watch needs --entry"),
        (("--environment", "echo:1", "--name", "echo", "--source-dir", "."), "--source-dir needs --entry"),
    ],
)
def test_what_is_missing_without_a_script(words: tuple[str, ...], told: str) -> None:
    with pytest.raises(click.UsageError, match=told):
        read_options(options(*words), {})


def test_the_source_of_conda_packages_reaches_the_request(code: Path) -> None:
    assert read_options(options("--entry", code / "src/score.py", "--conda", "pip"), {})[1]["conda"] == "pip"
