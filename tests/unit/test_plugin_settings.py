"""Which emulator a run of tests uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.config.login import Login, write_login
from emulator.testing.run import Run
from emulator.testing.session import wanted_settings

TEAM = "http://team.example:18080"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run", 1)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A shell whose user has logged in to the team's emulator."""
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    write_login(environ, Login(TEAM, "the-token"))
    return environ


def test_by_default_a_run_has_its_own_emulator(run: Run, environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "amlemu.toml").write_text('home = "mine"\nengine = "process"\n')
    settings = wanted_settings(environ | {"AMLEMU_HOME": str(tmp_path / "users")}, tmp_path, run, {})
    assert (settings.url, settings.token, settings.home) == ("", "", tmp_path / "run/home")
    assert settings.engine == "process"


def test_a_home_may_be_chosen(run: Run, environ: dict[str, str], tmp_path: Path) -> None:
    settings = wanted_settings(environ, tmp_path, run, {"home": "kept", "engine": "docker"})
    assert (settings.home, settings.engine, settings.url) == (tmp_path / "kept", "docker", "")


def test_another_emulator_is_used_if_named(run: Run, environ: dict[str, str], tmp_path: Path) -> None:
    by_flag = wanted_settings(environ, tmp_path, run, {"url": TEAM})
    assert (by_flag.url, by_flag.token) == (TEAM, "the-token")
    other = wanted_settings(environ | {"AMLEMU_URL": "http://other:1", "AMLEMU_TOKEN": "t" * 20}, tmp_path, run, {})
    assert (other.url, other.token) == ("http://other:1", "t" * 20)
