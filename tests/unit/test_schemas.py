"""JSON Schema of the files: current, and of one mind with the models that read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli
import yaml
from click.testing import CliRunner
from jsonschema import Draft7Validator
from test_azure_files import ENDPOINT, KUBERNETES, MANAGED
from test_export_az_ml import FOLDERS, exported

from emulator.azure_files.schemas import KINDS, schema_of
from emulator.azure_files.v2.placeholders import quoted_placeholders
from emulator.cli.schema import schema_command
from emulator.profiles.overrides import assumed_facts
from emulator.profiles.values import toml

ROOT = Path(__file__).resolve().parents[2]
BAD = ROOT / "tests/bad_documents"
MODEL = "name: m\nversion: 3\npath: ./m.pkl\ntype: MLflow_Model\ntags: {a: 1}\n"
ENVIRONMENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json
name: e
version: 2
image: i
conda_file: {channels: [x], dependencies: [python=3.11, pip, {pip: [flask]}], variables: {A: 1}}
os_type: Linux
"""


def faults(kind: str, document: Any) -> list[str]:
    return [error.message for error in Draft7Validator(schema_of(kind)).iter_errors(document)]


def loaded(text: str) -> Any:
    return yaml.safe_load(quoted_placeholders(text))


@pytest.mark.parametrize("kind", KINDS)
def test_the_pages_are_current(kind: str) -> None:
    text = (ROOT / f"docs/schemas/{kind}.json").read_text(encoding="utf-8")
    assert json.loads(text) == schema_of(kind), "make schemas"


def test_every_kind_is_there() -> None:
    assert {file.stem for file in (ROOT / "docs/schemas").glob("*.json")} == {*KINDS, "control-api"}
    (argument,) = schema_command.params[:1]
    assert tuple(argument.type.choices) == KINDS  # type: ignore[attr-defined]


def test_the_command_prints_it() -> None:
    done = CliRunner().invoke(schema_command, ["model"])
    assert json.loads(done.output) == schema_of("model")


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_a_schema_and_closed(kind: str) -> None:
    schema = schema_of(kind)
    Draft7Validator.check_schema(schema)
    assert schema["additionalProperties"] is False
    for name, part in schema.get("$defs", {}).items():
        assert part["additionalProperties"] is False, name


GOOD = [
    ("endpoint", ENDPOINT),
    ("managed-deployment", MANAGED),
    ("kubernetes-deployment", KUBERNETES),
    ("model", MODEL),
    ("environment", ENVIRONMENT),
    ("managed-deployment", MANAGED.replace("{type: default}", "{type: Default}").replace("3000", "'3000'")),
    ("endpoint", "name: iris\nauth_mode: aad_token\ntraffic: {}\n"),
    ("environment", "name: e\nimage: i\nconda_file: conda.yml\n"),
]


@pytest.mark.parametrize(("kind", "text"), GOOD)
def test_what_amlemu_takes(kind: str, text: str) -> None:
    assert faults(kind, loaded(text)) == []


@pytest.mark.parametrize("name", FOLDERS)
def test_what_amlemu_exports(name: str) -> None:
    export, kind = exported(name)
    kinds = {"-deployment.yml": f"{kind}-deployment", "endpoint.yml": "endpoint"}
    for file, text in export.texts.items():
        of = next((k for end, k in kinds.items() if file.endswith(end)), file.split("-")[0])
        if file.endswith(".yml") and "/" not in file:
            assert faults(of, yaml.safe_load(text)) == [], file


CONDA_FILES = sorted(ROOT.glob("samples/*/conda.yml"))


@pytest.mark.parametrize("file", CONDA_FILES, ids=lambda file: file.parent.name)
def test_conda_files_of_the_samples(file: Path) -> None:
    assert faults("environment", {"name": "e", "conda_file": yaml.safe_load(file.read_text())}) == []


def test_there_are_conda_files_among_the_samples() -> None:
    assert CONDA_FILES


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("endpoint", "auth_mode: AMLToken", "auth_mode: none"),
        ("endpoint", "name: {{ENDPOINT_NAME}}", "nam: iris"),
        ("endpoint", "green: 10}", "green: ten}"),
        ("managed-deployment", "instance_count: 2", "instance_count: 0"),
        ("managed-deployment", "instance_count: 2", "instance_count: 1.5"),
        ("managed-deployment", "instance_type: Standard_DS3_v2\n", ""),
        ("managed-deployment", "initial_delay: 5", "initial_delays: 5"),
        ("managed-deployment", "MlflowModel", "mlflow"),
        ("managed-deployment", "rolling_rate: Minute", "rolling_rate: second"),
        ("managed-deployment", "sampling_rate: 0.5", "sampling_rate: 2"),
        ("managed-deployment", "enabled: 'True'", "enabled: maybe"),
        ("managed-deployment", "  conda_file:", "  conda:"),
        ("managed-deployment", "app_insights_enabled: yes", "scoring_script: score.py"),
        ("kubernetes-deployment", "type: kubernetes", "type: aks"),
        ("kubernetes-deployment", "{cpu: 1}", "{cores: 1}"),
        ("model", "path: ./m.pkl\n", ""),
        ("environment", "dependencies: [", "dependencies: [{npm: []}, "),
        ("environment", "os_type: Linux", "os_type: Windows"),
    ],
)
def test_what_amlemu_refuses(kind: str, old: str, new: str) -> None:
    text = dict(reversed(GOOD[:5]))[kind]
    assert old in text
    assert faults(kind, loaded(text.replace(old, new))) != []


@pytest.mark.parametrize(
    "name", ["azure_unknown_keys", "azure_wrong_types", "azure_instance_type_missing", "azure_data_collector"]
)
def test_bad_documents(name: str) -> None:
    (file,) = (BAD / name).glob("deployment*.yml")
    assert faults("managed-deployment", yaml.safe_load(file.read_text())) != []


# amlemu.toml


def test_settings() -> None:
    text = """
    port = 18080
    gateway_port = "18081"
    endpoint_ports = "18100-18199"
    engine = "docker"
    home = "state"
    traffic_seed = 7
    platform = "linux/amd64"
    [base_images]
    "mcr.microsoft.com/*" = "local"
    [curated_environments.own]
    python_version = "3.11"
    packages = ["flask"]
    [assumed.managed]
    "concurrency.least_busy" = false
    """
    assert faults("settings", tomli.loads(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "port = -1",
        "port = true",
        'engine = "podman"',
        'endpoint_ports = "1-2-3"',
        "prot = 1",
        "[assumed.cloud]\n",
        '[assumed.managed]\n"no.row" = 1',
        '[assumed.managed]\n"concurrency.least_busy" = 1',
        '[assumed.managed]\n"timeouts.default_ms" = 1',
    ],
)
def test_settings_that_are_refused(text: str) -> None:
    assert faults("settings", tomli.loads(text)) != []


@pytest.mark.parametrize("name", ["settings_assumed", "settings_bad_values", "settings_unknown"])
def test_bad_settings(name: str) -> None:
    assert faults("settings", tomli.loads((BAD / name / "amlemu.toml").read_text())) != []


def test_every_assumed_value_is_one_that_may_be_chosen() -> None:
    tried = 0
    for row, target, fact in assumed_facts():
        if fact.value is not None:
            document = tomli.loads(f'[assumed.{target}]\n"{row.id}" = {toml(fact.value)}')
            assert faults("settings", document) == [], row.id
            tried += 1
    assert tried > 50
