"""compose.yaml, .env.example and the image's Dockerfile say the same, and nothing that must not be in a repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator.config import read_settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
# Of the shell, not of .env: what tells programs where certificates are.
OF_THE_SHELL = {"SSL_CERT_FILE"}


@pytest.fixture(scope="module")
def emulator() -> Any:
    """The one service."""
    services = yaml.safe_load(COMPOSE)["services"]
    assert list(services) == ["emulator"]
    return services["emulator"]


def defaults() -> dict[str, str]:
    """What compose.yaml takes from .env, with its defaults."""
    return dict(re.findall(r"\$\{(\w+)(?::-([^{}]*))?\}", COMPOSE))


def examples() -> dict[str, str]:
    return dict(re.findall(r"^#(\w+)=(.*)$", EXAMPLE, re.MULTILINE))


def test_every_setting_is_in_the_example_with_its_default(emulator: Any) -> None:
    passed_on = {name for name, value in emulator["environment"].items() if value is None}
    assert examples().keys() == (defaults().keys() | passed_on | {"AMLEMU_CA_BUNDLE"}) - OF_THE_SHELL
    differing = {name for name, value in defaults().items() - examples().items() if name not in OF_THE_SHELL}
    assert differing == {"COMPOSE_PROJECT_NAME"}, "whose default is the name of the file"
    assert examples()["COMPOSE_PROJECT_NAME"] == yaml.safe_load(COMPOSE)["name"]


def test_the_example_is_a_file_without_effect_and_without_a_token() -> None:
    assert all(line.startswith("#") for line in EXAMPLE.splitlines() if line)
    assert examples()["AMLEMU_TOKEN"] == ""


def test_it_is_published_on_this_machine_alone_unless_told_otherwise(emulator: Any) -> None:
    assert all(port.startswith("${AMLEMU_PUBLISH_HOST:-127.0.0.1}:") for port in emulator["ports"])
    assert len(emulator["ports"]) == 3


def test_its_settings_are_settings(emulator: Any, tmp_path: Path) -> None:
    given = {name: value for name, value in emulator["environment"].items() if value and name.startswith("AMLEMU_")}
    filled = {name: re.sub(r"\$\{(\w+)(?::-(.*?))?\}", r"\2", value) for name, value in given.items()}
    filled["AMLEMU_NETWORK"] = "amlemu" + filled["AMLEMU_NETWORK"]
    settings = read_settings({"HOME": str(tmp_path), **filled}, tmp_path)
    assert settings.network == "amlemu_scoring"
    assert (settings.port, settings.gateway_port, settings.endpoint_ports) == (18080, 18081, range(18100, 18120))
    assert (settings.token, settings.public_host) == ("", "")


def test_it_is_the_only_one_on_the_network_of_scoring_containers(emulator: Any) -> None:
    document = yaml.safe_load(COMPOSE)
    assert set(document["networks"]) == set(emulator["networks"]) == {"default", "scoring"}
    assert set(document["volumes"]) == {"home"}


def test_the_certificates_that_are_named_by_default_are_none() -> None:
    named = re.search(r"SSL_CERT_FILE:-(\S+?)\}", COMPOSE)
    assert named
    assert (ROOT / named[1]).read_bytes() == b""


def test_the_context_has_all_that_the_wheel_is_built_from() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    project = (ROOT / "pyproject.toml").read_text()
    shipped = re.findall(r'^"([\w/]+)" = "emulator/_shipped', project, re.MULTILINE)
    assert {*shipped, "emulator", "pyproject.toml", "README.md", "LICENSE"} == set(kept)
