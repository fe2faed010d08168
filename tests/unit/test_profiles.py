"""The parity table: its form, its tests, and what a profile makes of its container rows."""

from __future__ import annotations

import re
from datetime import date
from typing import get_args

import pytest
from parity import DOCS, all_claims, claimed_rows

from emulator.entities import Target
from emulator.profiles import PARTS, Answer, Profile, Row, profile_of, row_of_field, rows, sources
from emulator.profiles.facts import Source, SourceKind, assumed, row
from emulator.profiles.overrides import assumed_facts

TARGETS: tuple[Target, ...] = get_args(Target)
IDS = [row.id for row in rows()]
FIXED = {"file": r"/blob/[0-9a-f]{40}/", "package": r"/\d[^/]*/$", "issue": r"/issues/\d+$"}

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
def test_a_row_is_named_by_area_and_told_in_sentences(row: Row) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z_]+", row.id)
    assert row.what.endswith(".")


@each_row
def test_what_is_known_has_a_source_that_can_be_opened_and_what_is_assumed_has_words(row: Row) -> None:
    for target, fact in row.facts.items():
        assert bool(fact.sources) or fact.certainty == "assumed", f"{target} has no source"
        assert fact.note or fact.certainty != "assumed", f"{target} does not say what the guess rests on"
        assert "contract/" not in fact.basis, "a sheet that nobody can open"


@pytest.mark.parametrize("folder", ["emulator", "images", "docs", "tests", "samples"])
def test_no_file_cites_a_sheet_that_nobody_can_open(folder: str) -> None:
    sheet = re.compile("contract" + r"/(managed|v1|sdk-wire-protocol)\b")
    files = [
        path for path in (DOCS.parent / folder).rglob("*") if path.suffix in (".py", ".md", ".json", ".txt", ".yml")
    ]
    assert files
    assert [path for path in files if sheet.search(path.read_text(encoding="utf-8", errors="replace"))] == []


def declared_sources() -> dict[str, Source]:
    return {name: found for name, found in vars(sources).items() if isinstance(found, Source)}


@pytest.mark.parametrize("name", declared_sources())
def test_a_source_names_its_url_and_the_day_it_was_read(name: str) -> None:
    source = declared_sources()[name]
    assert re.fullmatch(r"https://[^/\s]+/[^\s#]+(#[^\s#]+)?", source.url)
    assert date.fromisoformat(source.read) <= date.today()
    assert source.kind in get_args(SourceKind)
    assert re.search(FIXED.get(source.kind, ""), source.url), "it must name a commit, a version or a number"


def test_rows_cite_only_declared_sources_and_all_of_them() -> None:
    """Declared once: no two names for one URL, and none that nothing cites."""
    declared = {(found.title, found.url) for found in declared_sources().values()}
    cited = {(found.title, found.url) for row in rows() for fact in row.facts.values() for found in fact.sources}
    assert cited == declared
    assert len({url for _, url in declared}) == len(declared)


def test_the_anchor_of_a_section_is_the_one_that_github_makes() -> None:
    page = Source("file", "A page", "https://example.org/page.md", "2026-01-02")
    assert page.at("ERROR: ResourceNotReady").link == "https://example.org/page.md#error-resourcenotready"
    assert page.at("Binary (image) data").link == "https://example.org/page.md#binary-image-data"
    assert page.link == page.url


def test_a_fact_is_its_targets_own_else_its_groups_else_the_rows() -> None:
    rest, v2, aks = (assumed(number, "a guess") for number in range(3))
    facts = row("a.b", "It is so.", rest, v2=v2, aks=aks).facts
    assert [facts[target] for target in TARGETS] == [v2, v2, aks, rest, rest]


def test_a_row_without_a_fact_for_some_target_is_refused() -> None:
    with pytest.raises(ValueError, match="row a.b has no fact for aks"):
        row("a.b", "It is so.", v2=assumed(1, "a guess"))


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
def test_a_profile_is_resolved_for_its_own_target(target: Target) -> None:
    """Read back from outside the table, so that a field which reads another row or another target is noticed."""
    profile = profile_of(target)
    assert profile.target == target
    assert (profile.default_auth_mode, profile.scoring.default_timeout_ms, profile.rules.max_instances) == {
        "managed": ("key", 5_000, 50),
        "kubernetes": ("key", 5_000, None),
        "aks": ("key", 60_000, None),
        "aci": ("none", 60_000, 1),
        "local": ("none", None, 1),
    }[target]


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
    """The script's own folder in v2, the root in v1."""
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
