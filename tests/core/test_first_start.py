"""What a deployment says whose container never got ready: the cloud's code for it, by the target."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from core_support import House
from fake_engine import Behaviour

from emulator.cli.failures import EXIT_CODES
from emulator.entities import Target
from emulator.errors import ResourceNotReady, all_error_classes
from emulator.profiles import overridden
from emulator.profiles.table.start import NotReadyCode

LOGS = Path(__file__).parents[1] / "unit" / "logs"
TARGETS: tuple[Target, ...] = ("managed", "kubernetes", "aks", "aci", "local")
V1 = {"aks": "CrashLoopBackOff", "aci": "CrashLoopBackOff"}
each_target = pytest.mark.parametrize("target", TARGETS)
each_server = pytest.mark.parametrize("server", ["server_0.4", "server_1.5"])


def dead(log: str = "", *, exit_code: int = 3, oom_killed: bool = False) -> Behaviour:
    lines = (LOGS / f"{log}.log").read_text(encoding="utf-8").splitlines() if log else []
    return Behaviour(exit_code=exit_code, log=tuple(lines), oom_killed=oom_killed)


def code_of(house: House, target: Target, behaviour: Behaviour | None = None) -> str:
    """The code that a failed deploy says, and that stays on the deployment."""
    if behaviour:
        house.engine.behaviours.append(behaviour)
    with pytest.raises(ResourceNotReady) as caught:
        house.deploy(target=target)
    assert EXIT_CODES[type(caught.value)] == 5
    assert caught.value.code == type(caught.value).code
    if behaviour:
        failed = house.deployment()
        assert failed.provisioning_state == "Failed"
        assert (failed.error or {})["code"] == caught.value.code
        assert caught.value.target == "deployment blue of endpoint iris"
    return caught.value.code


def expected(target: Target, kubernetes: str) -> str:
    return kubernetes if target == "kubernetes" else V1.get(target, "ResourceNotReady")


@pytest.mark.row("start.init_failed_code")
@each_target
@each_server
@pytest.mark.parametrize("log", ["init_raises", "init_exits", "chained"])
def test_an_init_that_raises(house: House, target: Target, server: str, log: str) -> None:
    assert code_of(house, target, dead(f"{server}.{log}")) == expected(target, "UserScriptInitFailed")
    assert "code/score.py, line" in (house.deployment().error or {})["message"]


@pytest.mark.row("start.import_failed_code")
@each_target
@each_server
@pytest.mark.parametrize("log", ["import_error", "syntax_error"])
def test_a_script_that_cannot_be_imported(house: House, target: Target, server: str, log: str) -> None:
    assert code_of(house, target, dead(f"{server}.{log}")) == expected(target, "UserScriptImportError")


@pytest.mark.row("start.function_missing_code")
@each_target
@each_server
def test_a_script_without_run(house: House, target: Target, server: str) -> None:
    assert code_of(house, target, dead(f"{server}.no_run")) == expected(target, "UserScriptFunctionNotFound")


@pytest.mark.row("start.import_failed_code", "start.function_missing_code")
@each_target
def test_faults_found_before_the_start_have_the_same_code(house: House, target: Target) -> None:
    house.write_code("src", "def init():\n    pass\n")
    assert code_of(house, target) == expected(target, "UserScriptFunctionNotFound")
    house.write_code("src", "def init(:\n")
    assert code_of(house, target) == expected(target, "UserScriptImportError")
    assert house.engine.builds == []


@pytest.mark.row("start.crashed_code")
@each_target
def test_a_container_that_ends_for_another_reason(house: House, target: Target) -> None:
    for behaviour in (dead(), dead("no_server")):
        assert code_of(house, target, behaviour) == expected(target, "DeploymentCrashLoopBackOff")


@each_target
def test_a_failed_update_leaves_the_serving_generation(house: House, target: Target) -> None:
    house.deploy(target=target)
    before = house.instances()
    assert code_of(house, target, dead("server_1.5.init_raises")) == expected(target, "UserScriptInitFailed")
    assert house.instances() == before


@pytest.mark.row("start.init_failed_code")
def test_another_code_can_be_chosen_where_none_is_known(house: House) -> None:
    with overridden({"local": {"start.init_failed_code": "UserScriptInitFailed"}}):
        assert code_of(house, "local", dead("server_1.5.init_raises")) == "UserScriptInitFailed"


def test_codes_of_failed_starts_are_error_classes() -> None:
    assert set(get_args(NotReadyCode)) == {cls.code for cls in all_error_classes() if issubclass(cls, ResourceNotReady)}
