"""Settings on their way to an emulator, and what is told when one does not have them."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from emulator.config import (
    PORTS_FILE,
    PROJECT_FILE,
    VARIABLES,
    Settings,
    not_in_force,
    origin_of,
    ports_to_remember,
    read_settings,
    shown,
    shown_settings,
    to_environ,
    unknown_variables,
    with_free_ports,
)
from emulator.errors import BadArgument

SECRET = "very-secret-1"
# A value of each setting that is not the default.
OTHERS: dict[str, Any] = {
    "home": Path("/somewhere/else"),
    "port": 19000,
    "gateway_port": 19500,
    "endpoint_ports": range(19600, 19700),
    "bind_host": "::1",
    "public_host": "here.example",
    "engine": "process",
    "limits": "cloud",
    "traffic_seed": 7,
    "url": "http://there:1",
    "token": "t" * 40,
    "assumed": {"managed": {"routing.rejected_method": {"status": 403, "body": "no"}}},
    "curated_environments": {"ours": {"python_version": "3.12", "packages": ["flask"]}},
    "aad_keys": Path("/keys.json"),
    "aad_tenant": "tenant",
    "base_images": {"mcr.microsoft.com/a*": "mine/b:1"},
    "platform": "linux/arm64",
    "network": "scoring",
    "conda": "pip",
    "conda_channels": {"conda-forge": f"https://me:{SECRET}@mirror/forge", "mine": "file:///channel"},
    "max_upload_bytes": 5,
    "container_memory": 512 << 20,
    "container_pids": 100,
    "container_disk": 128 << 20,
}
NAMES = [one.name for one in fields(Settings) if one.name != "origins"]


@pytest.mark.parametrize("name", NAMES)
def test_each_setting_reaches_an_emulator_that_is_started(name: str, tmp_path: Path) -> None:
    """Whatever lies above the folder in which it is started."""
    (tmp_path / PROJECT_FILE).write_text('engine = "docker"\nport = 1001\nconda = "channels"\ncontainer_pids = 70\n')
    settings = replace(Settings(home=Path("/a/home")), **{name: OTHERS[name]})
    assert settings != Settings(home=Path("/a/home"))
    assert read_settings({"HOME": "/nobody", **to_environ(settings)}, tmp_path) == settings


@pytest.mark.parametrize(
    ("name", "value"), [("container_memory", 0), ("container_disk", 0), ("container_pids", 0), ("conda_channels", {})]
)
def test_empty_tables_and_unlimited_values_reach_the_emulator(name: str, value: Any, tmp_path: Path) -> None:
    settings = replace(Settings(home=Path("/a/home")), **{name: value})
    assert read_settings({"HOME": "/nobody", **to_environ(settings)}, tmp_path) == settings


def test_every_setting_has_a_variable() -> None:
    assert set(VARIABLES) == set(NAMES) == set(OTHERS)


def asked(tmp_path: Path, environ: dict[str, str], text: str = "", **flags: Any) -> Settings:
    (tmp_path / PROJECT_FILE).write_text(text)
    return read_settings({"HOME": "/nobody", "AMLEMU_HOME": str(tmp_path / "home"), **environ}, tmp_path, flags)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"home", "url", "token"}))
def test_each_setting_that_is_not_in_force_is_named(name: str, tmp_path: Path) -> None:
    others = to_environ(replace(Settings(home=tmp_path), **{name: OTHERS[name]}))
    variable = VARIABLES[name]
    settings = asked(tmp_path, {variable: others[variable]})
    in_force = json.loads(json.dumps(shown_settings(Settings(home=tmp_path / "home"))))
    told = not_in_force(settings, in_force)
    assert [one.partition(" = ")[0] for one in told] == [name]
    assert variable in told[0]
    assert SECRET not in told[0]
    assert not_in_force(settings, json.loads(json.dumps(shown_settings(settings)))) == []


def test_the_file_of_a_setting_that_is_not_in_force_is_named(tmp_path: Path) -> None:
    settings = asked(tmp_path, {}, 'conda = "pip"\n')
    assert not_in_force(settings, shown_settings(Settings(home=tmp_path))) == [
        f"conda = pip ({tmp_path / PROJECT_FILE}), the emulator has auto"
    ]


def test_defaults_are_not_compared(tmp_path: Path) -> None:
    in_force = shown_settings(replace(Settings(home=tmp_path), **{n: OTHERS[n] for n in ("engine", "port", "conda")}))
    assert not_in_force(asked(tmp_path, {}), in_force) == []


def test_auto_and_port_0_accept_any_value(tmp_path: Path) -> None:
    in_force = shown_settings(replace(Settings(home=tmp_path), engine="process", port=19000, gateway_port=19001))
    assert not_in_force(asked(tmp_path, {"AMLEMU_ENGINE": "auto", "AMLEMU_PORT": "0"}), in_force) == []


def test_ports_of_an_emulator_elsewhere_are_not_compared(tmp_path: Path) -> None:
    settings = asked(tmp_path, {"AMLEMU_PORT": "19000", "AMLEMU_URL": "http://there:1", "AMLEMU_ENGINE": "docker"})
    told = not_in_force(settings, shown_settings(replace(Settings(home=tmp_path), engine="process")))
    assert told == ["engine = docker (AMLEMU_ENGINE), the emulator has process"]


def test_an_emulator_that_reports_no_settings_is_not_compared(tmp_path: Path) -> None:
    assert not_in_force(asked(tmp_path, {"AMLEMU_ENGINE": "docker"}), {}) == []


# where a value comes from


def test_origins(tmp_path: Path) -> None:
    settings = asked(tmp_path, {"AMLEMU_ENGINE": "docker"}, 'conda = "pip"\nengine = "process"\n', port=19000)
    found = {name: origin_of(name, settings) for name in ("engine", "conda", "port", "gateway_port", "limits")}
    assert found == {
        "engine": "AMLEMU_ENGINE",
        "conda": str(tmp_path / PROJECT_FILE),
        "port": "--port",
        "gateway_port": "follows port",
        "limits": "default",
    }


def test_no_secret_is_shown(tmp_path: Path) -> None:
    settings = replace(Settings(home=tmp_path), token=SECRET * 5, conda_channels=OTHERS["conda_channels"])
    told = json.dumps({name: shown(name, settings) for name in NAMES})
    assert SECRET not in told
    assert shown("token", settings) == "(set)"


def test_another_project_file(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("port = 1003\n")
    assert asked(tmp_path, {"AMLEMU_PROJECT_FILE": "other.toml"}, "port = 1001\n").port == 1003
    assert asked(tmp_path, {"AMLEMU_PROJECT_FILE": "none"}, "port = 1001\n").port == 18080


# variables that are none


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("AMLEMU_ENGIN", "AMLEMU_ENGINE"),
        ("AMLEMU_ENGINES", "AMLEMU_ENGINE"),
        ("AMLEMU_PORTS", "AMLEMU_PORT"),
        ("AMLEMU_ENDPOINT_PORT", "AMLEMU_ENDPOINT_PORTS"),
        ("AMLEMU_CONDA_CHANNEL", "AMLEMU_CONDA_CHANNELS"),
        ("AMLEMU_CONTAINER_MEM", "AMLEMU_CONTAINER_MEMORY"),
        ("AMLEMU_BASEIMAGES", "AMLEMU_BASE_IMAGES"),
        ("AMLEMU_GATEWAYPORT", "AMLEMU_GATEWAY_PORT"),
        ("AMLEMUENGINE", "AMLEMU_ENGINE"),
        ("amlemu_engine", "AMLEMU_ENGINE"),
        ("AMELMU_PORT", "AMLEMU_PORT"),
        ("AMLMU_HOME", "AMLEMU_HOME"),
    ],
)
def test_a_variable_with_a_near_name_is_refused(wrong: str, meant: str, tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match=f"there is no variable {wrong}: did you mean {meant}\\?"):
        read_settings({"HOME": "/nobody", wrong: "1"}, tmp_path)


@pytest.mark.parametrize("name", ["AMLEMU_DEMO", "AMLEMU_CI_JOB", "AML_PORT", "AZUREML_MODEL_DIR", "HOME", "EMU_PORT"])
def test_unrelated_variables_are_ignored(name: str, tmp_path: Path) -> None:
    assert read_settings({"HOME": "/nobody", name: "1"}, tmp_path).port == 18080


def test_unknown_variables_are_listed() -> None:
    environ = {"AMLEMU_CI_JOB": "1", "AMLEMU_PORT": "1", "AMLEMU_ASSUMED": "{}", "AMLEMU_DEMO": "1", "HOME": "/"}
    assert unknown_variables(environ) == ["AMLEMU_CI_JOB"]


# ports


@pytest.mark.parametrize(
    ("port", "gateway", "endpoints"),
    [
        (18080, 18081, range(18100, 18200)),
        (19000, 19001, range(19020, 19120)),
        (65500, 65499, range(65381, 65481)),
        (0, 0, range(1)),
    ],
)
def test_ports_follow_the_control_port(port: int, gateway: int, endpoints: range, tmp_path: Path) -> None:
    settings = asked(tmp_path, {"AMLEMU_PORT": str(port)})
    assert (settings.port, settings.gateway_port, settings.endpoint_ports) == (port, gateway, endpoints)


def test_ports_that_are_set_do_not_follow(tmp_path: Path) -> None:
    settings = asked(tmp_path, {"AMLEMU_PORT": "19000", "AMLEMU_GATEWAY_PORT": "5"})
    assert (settings.gateway_port, settings.endpoint_ports) == (5, range(19020, 19120))


def remember(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / PORTS_FILE).write_text(json.dumps(ports_to_remember(settings)))


def test_a_home_remembers_its_ports(tmp_path: Path) -> None:
    first = asked(tmp_path, {"AMLEMU_PORT": "19000", "AMLEMU_GATEWAY_PORT": "19500"})
    remember(tmp_path, first)
    later = asked(tmp_path, {})
    assert (later.port, later.gateway_port, later.endpoint_ports) == (19000, 19500, range(19020, 19120))
    assert origin_of("port", later) == "the home's last start"
    other = asked(tmp_path, {"AMLEMU_PORT": "19700"})
    assert (other.port, other.gateway_port) == (19700, 19701)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"port": 1}', '{"port": "x", "gateway_port": 2, "endpoint_ports": 3}']
)
def test_a_damaged_ports_file_is_ignored(text: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / PORTS_FILE).write_text(text)
    assert asked(tmp_path, {}).port == 18080


def test_free_ports_are_chosen(tmp_path: Path) -> None:
    settings = asked(tmp_path, {"AMLEMU_PORT": "0"})
    chosen = with_free_ports(settings, lambda port: port not in (20080, 20201), lambda _count: 0)
    assert (chosen.port, chosen.gateway_port, chosen.endpoint_ports) == (20320, 20321, range(20340, 20440))
    remember(tmp_path, chosen)
    assert with_free_ports(settings, lambda _port: True, lambda _count: 5) == chosen, "those it has had"
    assert with_free_ports(settings, lambda port: port != 20320, lambda _count: 0).port == 20080, "which are taken now"


def test_a_single_free_port(tmp_path: Path) -> None:
    settings = asked(tmp_path, {"AMLEMU_PORT": "19000", "AMLEMU_GATEWAY_PORT": "0"})
    chosen = with_free_ports(settings, lambda _port: True)
    assert (chosen.port, chosen.gateway_port, chosen.endpoint_ports) == (19000, 20081, range(19020, 19120))


def test_no_port_is_free(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="no port from 20080 to"):
        with_free_ports(asked(tmp_path, {"AMLEMU_PORT": "0"}), lambda _port: False)


# one rule for lists


@pytest.mark.parametrize(
    "text", ["a=https://x/a,b=/folder", "a=https://x/a b=/folder", "a=https://x/a, b=/folder",
             '{"a": "https://x/a", "b": "/folder"}'],
)  # fmt: skip
def test_pairs_are_separated_by_commas_or_spaces(text: str, tmp_path: Path) -> None:
    assert asked(tmp_path, {"AMLEMU_CONDA_CHANNELS": text}).conda_channels == {"a": "https://x/a", "b": "/folder"}


@pytest.mark.parametrize("text", ["a=x:1,b=y:2", "a=x:1 b=y:2", "a=x:1 , b=y:2", '{"a": "x:1", "b": "y:2"}'])
def test_image_pairs_are_separated_by_commas_or_spaces(text: str, tmp_path: Path) -> None:
    assert asked(tmp_path, {"AMLEMU_BASE_IMAGES": text}).base_images == {"a": "x:1", "b": "y:2"}
