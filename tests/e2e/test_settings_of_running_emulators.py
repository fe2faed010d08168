"""What was asked for is in force, or it is said: settings on their way from a shell and a folder to the emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from amlemu_process import Environ, amlemu, json_of, temporary_environ

SETTINGS = """
conda = "pip"
container_pids = 321

[conda_channels]
conda-forge = "https://me:hidden-word@mirror.invalid/forge"
"""


@pytest.fixture
def own() -> Iterator[Environ]:
    """A shell for an emulator of this test's own."""
    with temporary_environ() as environ:
        yield environ


def settings_of(environ: Environ) -> dict[str, object]:
    """What the running emulator has."""
    found: dict[str, object] = json_of(environ, "status")["settings"]
    return found


def test_a_command_starts_the_emulator_with_the_settings_of_its_folder(own: Environ, tmp_path: Path) -> None:
    (tmp_path / "amlemu.toml").write_text(SETTINGS)
    started = amlemu(own, "list", cwd=tmp_path).stderr
    assert "starting the emulator" in started
    assert "not in force" not in started
    settings = settings_of(own)
    assert settings["conda"] == "pip"
    assert settings["container_pids"] == 321
    assert list(settings["conda_channels"]) == ["conda-forge"]  # type: ignore[call-overload]
    assert "hidden-word" not in json.dumps(settings)

    # beside it, what is asked for and not there is said by every command, and refused by `up`
    (tmp_path / "amlemu.toml").write_text(SETTINGS.replace('"pip"', '"channels"'))
    told = amlemu(own, "list", cwd=tmp_path).stderr
    file = tmp_path / "amlemu.toml"
    assert f"not in force: conda = channels ({file}), the emulator has pip; `amlemu down`, then `amlemu up`" in told
    told = amlemu({**own, "AMLEMU_ENGINE": "docker"}, "up", "-d", code=2).stderr
    assert "engine = docker (AMLEMU_ENGINE), the emulator has process" in told
    assert (
        "container_pids = 99 (AMLEMU_CONTAINER_PIDS), the emulator has 321"
        in amlemu({**own, "AMLEMU_CONTAINER_PIDS": "99"}, "up", "--detach", code=2).stderr
    )
    assert "limits = cloud (--limits)" in amlemu(own, "up", "--detach", "--limits", "cloud", code=2).stderr
    assert "(it ran already)" in amlemu(own, "up", "--detach").stderr
    assert "--demo" in amlemu(own, "up", "--detach", "--demo", code=2).stderr

    shown = json_of(own, "config", cwd=tmp_path)
    by_name = {one["name"]: one for one in shown["settings"]}
    assert by_name["conda"] == {
        "name": "conda", "value": "channels", "origin": str(file), "variable": "AMLEMU_CONDA",
    }  # fmt: skip
    assert by_name["engine"]["origin"] == "AMLEMU_ENGINE"
    assert by_name["limits"]["origin"] == "default"
    assert shown["not_in_force"] == [f"conda = channels ({file}), the emulator has pip"]
    assert "hidden-word" not in amlemu(own, "config", cwd=tmp_path).stdout


def test_a_second_emulator_is_one_variable(own: Environ, tmp_path: Path) -> None:
    second = {name: value for name, value in own.items() if not name.endswith(("_PORT", "_PORTS"))}
    second |= {"AMLEMU_HOME": str(tmp_path / "second"), "AMLEMU_PORT": own["AMLEMU_PORT"]}
    amlemu(own, "up", "--detach")
    told = amlemu(second, "list", code=2).stderr
    assert "BadArgument" in told
    assert "AMLEMU_PORT=0" in told
    free = {**second, "AMLEMU_PORT": "0"}
    try:
        amlemu(free, "up", "--detach")
        settings = settings_of(free)
        assert settings["port"] not in (0, int(own["AMLEMU_PORT"]))
        amlemu(free, "down")
        unsaid = {name: value for name, value in free.items() if name != "AMLEMU_PORT"}
        amlemu(unsaid, "up", "--detach")
        assert settings_of(unsaid)["port"] == settings["port"], "a home remembers its own"
        assert settings_of(unsaid)["endpoint_ports"] == settings["endpoint_ports"]
    finally:
        amlemu(free, "down")


def test_a_misspelt_variable_is_refused(own: Environ) -> None:
    told = amlemu({**own, "AMLEMU_ENGIN": "docker"}, "list", code=2).stderr
    assert "there is no variable AMLEMU_ENGIN: did you mean AMLEMU_ENGINE?" in told
    assert "AMLEMU_SOMETHING means nothing to amlemu" in amlemu({**own, "AMLEMU_SOMETHING": "1"}, "config").stderr
