"""The parity table: its form, its tests, and what a profile makes of its container rows."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from parity import all_claims, claimed_rows

from emulator.entities import Target
from emulator.profiles import PARTS, Answer, Fact, Profile, Row, profile_of, row_of_field, rows
from emulator.profiles.overrides import assumed_facts

TARGETS: tuple[Target, ...] = get_args(Target)
IDS = [row.id for row in rows()]
SECTION = r"contract/(managed|v1|sdk-wire-protocol) §\d"
SOURCE = rf"{SECTION}|\bpage (az [a-z]|\w+[-.]\w)|RFC \d+ §\d"

each_row = pytest.mark.parametrize("row", rows(), ids=IDS)
each_target = pytest.mark.parametrize("target", TARGETS)


def test_every_row_has_a_test_and_every_claim_a_row() -> None:
    claimed = set(all_claims())
    assert claimed - set(IDS) == set(), "tests claim rows that do not exist"
    assert set(IDS) - claimed == set(), "rows without a test"


def test_only_test_functions_claim_rows() -> None:
    source = '@pytest.mark.row("a.b")\ndef helper(): ...\n@pytest.mark.row("c.d", "e.f")\ndef test_it(): ...\n'
    assert list(claimed_rows(source)) == [("c.d", "test_it"), ("e.f", "test_it")]


def test_ids_are_unique() -> None:
    assert len(IDS) == len(set(IDS))


@each_row
def test_a_row_is_complete(row: Row) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z_]+", row.id)
    assert row.what.endswith(".")
    assert row.targets == TARGETS
    for fact in row.facts.values():
        assert fact.certainty in ("documented", "observed", "assumed")
        assert fact.source


@each_row
def test_a_source_is_a_section_a_page_or_a_standard(row: Row) -> None:
    """What is not assumed rests on something that can be looked up; whatever names a fact sheet names its section."""
    for fact in row.facts.values():
        assert fact.certainty == "assumed" or re.search(SOURCE, fact.source), fact
        assert len(re.findall("contract/", fact.source)) == len(re.findall(SECTION, fact.source)), fact


@pytest.mark.parametrize(
    ("source", "is_one"),
    [
        ("contract/managed §1.12", True),
        ("contract/v1 §8: SDK:local.py", True),
        ("contract/sdk-wire-protocol §1c row 8", True),
        ("page how-to-troubleshoot-deployment: get_logs()", True),
        ("page az ml model archive", True),
        ("RFC 9110 §15.5.6", True),
        ("contract/managed", False),
        ("contract/other §1", False),
        ("a page of Microsoft's", False),
    ],
)
def test_what_counts_as_a_source(source: str, is_one: bool) -> None:
    assert (re.search(SOURCE, source) is not None) is is_one


@pytest.mark.parametrize("part", PARTS)
def test_every_field_is_read_from_a_row(part: str) -> None:
    cls = PARTS[part]
    others = {"target", "overridden", *filter(None, PARTS)} if cls is Profile else set()
    assert set(row_of_field(cls).values()) <= set(IDS)
    assert set(row_of_field(cls)) == set(cls.__dataclass_fields__) - others


def test_a_row_is_read_once_or_is_no_guess() -> None:
    """What nothing reads is there to be tested; a guess that nothing reads could not be overridden."""
    read = [row_id for cls in PARTS.values() for row_id in row_of_field(cls).values()]
    assert len(read) == len(set(read))
    assert {row.id for row, _, _ in assumed_facts()} - set(read) == set(), "give the row a field that reads it"


@each_target
def test_a_profile_holds_the_values_of_its_rows(target: Target) -> None:
    facts: dict[str, Fact] = {row.id: row.facts[target] for row in rows()}
    profile = profile_of(target)
    assert profile.target == target
    for part in (profile, *(getattr(profile, name) for name in PARTS if name)):
        for name, row_id in row_of_field(type(part)).items():
            assert getattr(part, name) == facts[row_id].value


@each_target
def test_a_front_door_has_an_answer_for_whatever_it_refuses(target: Target) -> None:
    profile = profile_of(target)
    refusals = (profile.rejected_method, profile.no_auth_header, profile.malformed_auth_header, profile.wrong_key)
    assert all(isinstance(refusal, Answer) is profile.front_door for refusal in refusals)
    for refusal in (profile.bad_token_header, profile.refused_token, profile.token_lifetime_seconds):
        assert (refusal is not None) is ("aml_token" in profile.auth_modes)
    for part in (profile.wrong_tenant, profile.aad_audience):
        assert (part is not None) is ("aad_token" in profile.auth_modes)
    assert (profile.routed_methods is not None) is profile.front_door
    assert (profile.unknown_deployment is None) is (profile.deployment_header is None)


def test_the_status_of_a_rejected_method() -> None:
    assert {profile_of(target).rejected_method_status for target in TARGETS} == {405}


@pytest.mark.row("routing.path_prefix")
@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("managed", "http://here:18100"),
        ("kubernetes", "http://here:18081/api/v1/endpoint/iris"),
        ("aks", "http://here:18081/api/v1/service/iris"),
        ("aci", "http://here:18100"),
        ("local", "http://here:18100"),
    ],
)
def test_where_an_endpoint_answers(target: Target, uri: str) -> None:
    assert profile_of(target).base_uri("iris", "here", 18100, 18081) == uri


@pytest.mark.row("container.app_root", "container.working_dir")
@pytest.mark.parametrize("script", ["score.py", "src/sub/score.py"])
@each_target
def test_app_root_and_working_directory(target: Target, script: str) -> None:
    """contract/managed §6.1: the script's own folder; contract/v1 §2.1: the root."""
    container = profile_of(target).container
    below = "/var/azureml-app/my_code/src/sub" if "/" in script else "/var/azureml-app/my_code"
    expected = below if target in ("managed", "kubernetes") else "/var/azureml-app"
    assert container.app_root("my_code", script) == container.working_dir("my_code", script) == expected


@pytest.mark.row(
    "container.entry_script",
    "container.entry_script_alone",
    "container.source_directory",
    "container.source_directory_alone",
)
@pytest.mark.parametrize(
    ("target", "named", "script", "source_directory"),
    [
        ("managed", True, "score.py", None),
        ("managed", False, "score.py", None),
        ("kubernetes", True, "score.py", None),
        ("kubernetes", False, "score.py", None),
        ("aks", True, "my_code/src/score.py", "my_code"),
        ("aks", False, "score.py", None),
        ("aci", True, "my_code/src/score.py", "my_code"),
        ("aci", False, "score.py", None),
        ("local", True, "my_code/src/score.py", "my_code"),
        ("local", False, "score.py", None),
    ],
)
def test_entry_script_and_source_directory(
    target: Target, named: bool, script: str, source_directory: str | None
) -> None:
    container = profile_of(target).container
    assert container.entry_script("my_code", "src/score.py", explicit_source_dir=named) == script
    assert container.source_directory("my_code", explicit_source_dir=named) == source_directory


@pytest.mark.row("container.model_dir", "container.model_dir_many", "container.model_dir_none")
@pytest.mark.parametrize(
    ("target", "none", "one", "many"),
    [
        ("managed", None, "/var/azureml-app/azureml-models/iris/3", "/var/azureml-app/azureml-models"),
        ("kubernetes", None, "/var/azureml-app/azureml-models/iris/3", "/var/azureml-app/azureml-models"),
        (
            "aks",
            "/var/azureml-app/azureml-models",
            "/var/azureml-app/azureml-models/iris/3",
            "/var/azureml-app/azureml-models",
        ),
        (
            "aci",
            "/var/azureml-app/azureml-models",
            "/var/azureml-app/azureml-models/iris/3",
            "/var/azureml-app/azureml-models",
        ),
        ("local", "azureml-models/", "azureml-models/iris/3", "azureml-models/"),
    ],
)
def test_model_dir(target: Target, none: str | None, one: str, many: str) -> None:
    """contract/v1 §1.1, contract/managed §6.1."""
    container = profile_of(target).container
    assert container.model_dir(()) == none
    assert container.model_dir((("iris", "3"),)) == one
    assert container.model_dir((("iris", "3"), ("other", "1"))) == many


@pytest.mark.row("container.max_models")
def test_max_models() -> None:
    limits = {target: profile_of(target).container.max_models for target in TARGETS}
    assert limits == {"managed": 1, "kubernetes": 1, "aks": 1000, "aci": 1000, "local": None}


@pytest.mark.row("container.service_name", "container.service_path_prefix", "container.scoring_timeout_ms")
@each_target
def test_service_variables(target: Target) -> None:
    expected = {
        "aks": {
            "SERVICE_NAME": "iris",
            "SERVICE_PATH_PREFIX": "api/v1/service/iris",
            "SCORING_TIMEOUT_MS": "1234",
        },
        "aci": {"SERVICE_NAME": "iris"},
    }
    assert profile_of(target).container.service_variables("iris", 1234) == expected.get(target, {})


@pytest.mark.row("container.read_only_mounts")
@each_target
def test_mounts_are_read_only(target: Target) -> None:
    assert profile_of(target).container.read_only_mounts is True
