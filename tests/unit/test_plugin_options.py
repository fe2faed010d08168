"""A call of the pytest plug-in's factory as the plan that `amlemu deploy` makes of it; nothing is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulator.errors import BadArgument, BadDocument, EmulatorError, Fault
from emulator.testing.factory import stamps_of
from emulator.testing.options import read_call
from emulator.testing.reports import failure_text, mask_secrets

DEPLOYMENT = """\
name: green
endpoint_name: of-the-file
model:
  path: ../model.pkl
code_configuration:
  code: .
  scoring_script: score.py
environment: azureml:env:1
instance_type: Standard_DS3_v2
instance_count: 1
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/score.py").write_text("def init(): ...\n")
    (tmp_path / "src/deployment.yml").write_text(DEPLOYMENT)
    (tmp_path / "model.pkl").write_text("m")
    (tmp_path / "conda.yml").write_text("dependencies: []\n")
    return tmp_path


def request_of(root: Path, **options: Any) -> dict[str, Any]:
    """The request of the only deployment that the call makes."""
    ((_, request),) = read_call(options, root).deployments
    return request


def test_relative_paths_begin_in_the_root_folder(root: Path) -> None:
    request = request_of(root, entry="src/score.py", environment="conda.yml")
    assert (request["code"], request["scoring_script"]) == (str(root / "src"), "score.py")
    assert request["environment"] == str(root / "conda.yml")
    assert request_of(root, entry=Path("src/score.py"), environment="name:1")["environment"] == "name:1"


@pytest.mark.parametrize("entry", ["score.py", "src/score.py"])
def test_a_script_may_be_named_from_its_code_folder(root: Path, entry: str) -> None:
    request = request_of(root, entry=entry, source_dir="src")
    assert (request["code"], request["scoring_script"]) == (str(root / "src"), "score.py")
    assert request["explicit_source_dir"] is True


def test_models_are_registered_or_named(root: Path) -> None:
    brought = {"m": "model.pkl", "other": {"path": root / "src", "type": "mlflow_model"}}
    assert request_of(root, entry="src/score.py", models=brought)["models"] == [
        {"name": "m", "path": str(root / "model.pkl")},
        {"name": "other", "path": str(root / "src"), "type": "mlflow_model"},
    ]
    assert request_of(root, entry="src/score.py", models=["a:1", "b"])["models"] == ["a:1", "b"]
    assert request_of(root, entry="src/score.py", model="a:1")["models"] == ["a:1"]
    assert read_call({"models": {"my_m": "model.pkl"}}, root).endpoint_name == "my-m"


def test_values_are_those_of_the_command_line_and_of_yaml(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_SHELL", "shell")
    request = request_of(
        root,
        entry="src/score.py",
        environment_variables={"A": 1, "B": "x=y", "FROM_SHELL": None},
        request_settings={"request_timeout_ms": 100},
        instance_count=2,
        target="kubernetes",
        conda="pip",
        debug=True,
        platform=None,
    )
    assert request["environment_variables"] == {"A": "1", "B": "x=y", "FROM_SHELL": "shell"}
    assert request["request_settings"] == {"request_timeout_ms": 100}
    assert (request["instance_count"], request["target"], request["conda"]) == (2, "kubernetes", "pip")
    assert (request["debug_port"], request["platform"]) == (5678, None)


def test_azure_s_own_file(root: Path) -> None:
    plan = read_call({"file": "src/deployment.yml", "set": {"instance_count": 3}, "all_traffic": True}, root)
    ((name, request),) = plan.deployments
    assert (plan.endpoint_name, name, request["instance_count"], plan.traffic) == (
        "of-the-file",
        "green",
        3,
        {name: 100},
    )
    assert request["code"] == str(root / "src") and request["models"][0]["path"] == str(root / "model.pkl")
    named = read_call({"file": "src/deployment.yml", "name": "other", "models": {"m": "model.pkl"}}, root)
    assert named.endpoint_name == "other"
    assert named.deployments[0][1]["models"] == [{"name": "m", "path": str(root / "model.pkl")}]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"enviroment": "x"}, "did you mean 'environment'?"),
        ({"watch": True}, "no option 'watch'"),
        ({"output": "json"}, "no option 'output'"),
        ({"entry": "none.py"}, "none.py' does not exist"),
        ({"entry": "src/score.py", "environment": "none.yml"}, "'none.yml' does not exist"),
        ({"entry": "src/score.py", "target": "moon"}, "'moon' is not one of"),
        ({"entry": "src/score.py", "instance_count": "many"}, "'many' is not a valid integer"),
        ({"entry": "src/score.py", "models": {"m": "none.pkl"}}, "there is no"),
        ({"entry": "src/score.py", "models": {"m": {"paht": "model.pkl"}}}, "unknown: paht"),
        ({"entry": "src/score.py", "models": {"m": {"type": "mlflow_model"}}}, "path is missing"),
        ({"entry": "src/score.py", "env": {"NOT_IN_THIS_SHELL": None}}, "no such variable"),
        ({"entry": "src/score.py", "set": {"a": 1}}, "--set goes with -f"),
        ({"file": "none.yml"}, "none.yml' does not exist"),
        ({}, "--entry names the scoring script"),
    ],
)
def test_wrong_options_are_bad_arguments(root: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(BadArgument, match=told.replace("?", r"\?")):
        read_call(options, root)


def test_faults_of_a_file_have_their_lines(root: Path) -> None:
    (root / "src/deployment.yml").write_text(DEPLOYMENT.replace("instance_count: 1", "instance_count: none"))
    with pytest.raises(BadDocument) as raised:
        read_call({"file": "src/deployment.yml"}, root)
    assert "deployment.yml:10: instance_count:" in failure_text(raised.value)


def test_stamps_see_every_file_of_a_plan(root: Path) -> None:
    def stamps() -> object:
        plan = read_call({"entry": "src/score.py", "models": {"m": "model.pkl"}, "environment": "conda.yml"}, root)
        return stamps_of(plan.deployments)

    seen = [stamps()]
    for file in ("src/score.py", "src/new.py", "model.pkl", "conda.yml"):
        (root / file).write_text("changed, and longer than it was before\n")
        seen.append(stamps())
        assert seen[-1] != seen[-2], file
    (root / "src/__pycache__").mkdir()
    (root / "src/__pycache__/score.pyc").write_text("x")
    assert stamps() == seen[-1] == stamps()


def test_the_text_of_a_failure_has_all_its_parts() -> None:
    error = EmulatorError(
        "it broke", target="model m:1", hint="mend it", log_tail="one\ntwo", faults=[Fault("f", "a:1")]
    )
    assert failure_text(error).splitlines() == [
        "InternalServerError: it broke  [model m:1]",
        "  a:1: f",
        "  → mend it",
        "  | one",
        "  | two",
    ]


def test_secrets_are_masked() -> None:
    assert mask_secrets(["k1", "", "k2"], "k1 and k2") == "*** and ***"
