"""What settings may put in place of assumed facts, and what they are told of everything else."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from emulator.entities import ProbeSettings, Target
from emulator.profiles import (
    PARTS,
    Answer,
    Fact,
    RoutedPaths,
    Row,
    overridden,
    profile_of,
    read_overrides,
    row_of_field,
    rows,
)
from emulator.profiles.overrides import assumed_facts, type_of_row
from emulator.profiles.values import Unfit, fit, toml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GUESSES = assumed_facts()


def refusals(given: Any) -> dict[str, str]:
    """What is told, by field."""
    return {misfit.field: misfit.message for misfit in read_overrides(given)[1]}


def refusal(target: str, row_id: str, value: Any) -> str:
    (told,) = refusals({target: {row_id: value}}).values()
    return told


@pytest.mark.parametrize(("row", "target", "fact"), GUESSES, ids=[f"{row.id}-{target}" for row, target, _ in GUESSES])
def test_every_guess_can_be_spelled_as_a_setting(row: Row, target: Target, fact: Fact) -> None:
    """As the page prints it, and read back by the parser of settings files."""
    text = f'[assumed.{target}]\n"{row.id}" = {toml(fact.value)}\n'
    overrides, misfits = read_overrides(tomllib.loads(text)["assumed"])
    assert misfits == []
    assert overrides[target][row.id] == fact.value


@pytest.mark.parametrize("row_id", [row_id for cls in PARTS.values() for row_id in row_of_field(cls).values()])
def test_every_value_of_a_row_has_the_type_of_the_field_that_reads_it(row_id: str) -> None:
    """Rows are untyped: a text where a number is read would be met by a request only."""
    (row,) = (row for row in rows() if row.id == row_id)
    for fact in row.facts.values():
        spelled = tomllib.loads(f"value = {toml(fact.value)}")["value"]
        assert fit(spelled, type_of_row(row_id)) == fact.value


@pytest.mark.parametrize(
    ("target", "text", "value"),
    [
        ("managed", '"auth.before_routing" = false', False),
        ("managed", '"auth.regenerate" = 300', 300),
        ("managed", '"limits.head_bytes" = 8192', 8192),
        ("managed", '"probes.no_auth" = { User-Agent = "kube-probe/1.29" }', {"User-Agent": "kube-probe/1.29"}),
        ("managed", '"probes.restart_in_place" = false', False),
        ("managed", '"routing.http_version" = { status = 426, body = "" }', Answer(426, "")),
        ("managed", '"traffic.per_request" = "caller"', "caller"),
        ("kubernetes", '"headers.cors" = "none"', "none"),
        ("kubernetes", '"headers.end_to_end" = ["X-Mine"]', ("X-Mine",)),
        ("kubernetes", '"logs.traffic_columns" = ["Method"]', ("Method",)),
        ("kubernetes", '"metrics.names" = []', ()),
        ("kubernetes", '"routing.paths" = { only = ["/score"] }', RoutedPaths(("/score",), Answer(404, "Not Found"))),
        (
            "kubernetes",
            '"routing.paths" = { only = ["/"], answer = { status = 403, body = "no" } }',
            RoutedPaths(("/",), Answer(403, "no")),
        ),
        ("kubernetes", '"routing.streaming" = false', False),
        ("local", '"start.crashed_code" = "CrashLoopBackOff"', "CrashLoopBackOff"),
    ],
)
def test_other_behaviours_as_settings_spell_them(target: Target, text: str, value: object) -> None:
    overrides, misfits = read_overrides(tomllib.loads(f"[assumed.{target}]\n{text}\n")["assumed"])
    assert misfits == []
    ((row_id, taken),) = overrides[target].items()
    assert taken == value
    assert (
        tomllib.loads(f"value = {toml(taken)}")["value"] == tomllib.loads(text.replace(f'"{row_id}"', "value"))["value"]
    )


def test_a_choice_is_in_force_as_long_as_it_is_asked_for() -> None:
    overrides, misfits = read_overrides(
        {
            "managed": {"routing.rejected_method": {"status": 403, "body": "nope"}},
            "kubernetes": {"auth.swagger_key_required": False, "routing.methods": ["GET"], "headers.server": "fe"},
        }
    )
    assert misfits == []
    before = profile_of("managed"), profile_of("kubernetes")
    with overridden(overrides):
        assert profile_of("managed").rejected_method == Answer(403, "nope")
        assert profile_of("managed").overridden == (("routing.rejected_method", Answer(403, "nope")),)
        kubernetes = profile_of("kubernetes")
        assert (kubernetes.swagger_requires_key, kubernetes.routed_methods) == (False, frozenset({"GET"}))
        assert kubernetes.server == "fe"
        assert profile_of("aks").overridden == ()
    assert (profile_of("managed"), profile_of("kubernetes")) == before


def test_it_is_over_after_an_error_too() -> None:
    overrides, _ = read_overrides({"managed": {"container.user_variables_win": False}})
    with pytest.raises(RuntimeError), overridden(overrides):
        assert not profile_of("managed").container.user_variables_win
        raise RuntimeError
    assert profile_of("managed").container.user_variables_win


def test_every_fault_is_told_at_once() -> None:
    assert refusals(
        {
            "mangaed": {},
            "azure": {},
            "aks": 1,
            "managed": {"routing.rejected_metod": 1, "nothing.like_it": 1, "auth.swagger_key_required": False},
        }
    ) == {
        "assumed.mangaed": "unknown target 'mangaed', did you mean 'managed'?",
        "assumed.azure": "unknown target 'azure'; known: managed, kubernetes, aks, aci, local",
        "assumed.aks": "must be a table of rows",
        'assumed.managed."routing.rejected_metod"': (
            "unknown row 'routing.rejected_metod', did you mean 'routing.rejected_method'?"
        ),
        'assumed.managed."nothing.like_it"': "unknown row 'nothing.like_it'; docs/parity.md lists them",
        'assumed.managed."auth.swagger_key_required"': (
            "this is not assumed but documented (Sample of OpenAPI), so it is not up for choice"
        ),
    }


@pytest.mark.parametrize("given", [[], "managed", 1, None])
def test_what_is_no_table(given: Any) -> None:
    assert refusals(given) == {"assumed": "must be a table of targets"}


def test_what_is_observed_is_not_up_for_choice() -> None:
    assert "not assumed but observed (MicrosoftDocs/azure-docs#98265" in refusal("managed", "auth.wrong_key", {})


@pytest.mark.parametrize(
    ("row_id", "value", "told"),
    [
        ("routing.rejected_method", "nope", "must be a table with status and body, not 'nope'"),
        ("routing.rejected_method", 403, "must be a table with status and body, not 403"),
        ("routing.rejected_method", {"status": 403}, "must be a table with status and body; body is missing"),
        ("routing.rejected_method", {}, "status and body is missing"),
        ("routing.rejected_method", {"status": 403, "text": ""}, "'text' is no part of it"),
        ("routing.rejected_method", {"status": "403", "body": ""}, "status must be a whole number from 0, not '403'"),
        ("routing.rejected_method", {"status": True, "body": ""}, "status must be a whole number from 0, not True"),
        ("routing.rejected_method", {"status": 99, "body": ""}, "status must be from 200 to 599, not 99"),
        ("routing.rejected_method", {"status": 403, "body": 1}, "body must be a text, not 1"),
        ("routing.rejected_method", None, "must be a table with status and body"),
        ("routing.rejected_method", "none", "must be a table with status and body"),
        ("routing.methods", "GET", "must be a list, not 'GET', or \"none\""),
        ("routing.methods", ["GET", 1], 'must be a text, not 1, or "none"'),
        ("auth.swagger_key_required", "false", "must be true or false, not 'false'"),
        ("auth.swagger_key_required", 0, "must be true or false, not 0"),
        ("headers.server", 1, 'must be a text, not 1, or "none"'),
        ("headers.server", "a\r\nset-cookie: b", "has characters that cannot be printed"),
        ("limits.instances", -1, 'must be a whole number from 0, not -1, or "none"'),
        ("limits.instances", 1.5, 'must be a whole number from 0, not 1.5, or "none"'),
        ("container.app_root", "/x/{script}", "'/x/{script}' has {script}; what may be in braces here: {code}"),
        ("container.app_root", "/x/{", "'/x/{' has a brace without its other one"),
        ("container.app_root", None, "must be a text, not None"),
        ("layout.code_folder", "../{code}", "must be a relative path that stays below /var/azureml-app"),
        ("layout.code_folder", "/{code}", "must be a relative path that stays below /var/azureml-app"),
        ("layout.code_folder", "{code.__class__}", "has {code.__class__}"),
        ("layout.several_models", "a/../../{model}", "must be a relative path"),
        ("auth.before_routing", "no", "must be true or false, not 'no'"),
        ("auth.regenerate", -1, "must be a whole number from 0, not -1"),
        ("headers.cors", "*", "must be one of container, none, any, not '*'"),
        ("headers.end_to_end", ["X-A", "Content-Length"], "'Content-Length' is not up for choice"),
        ("headers.end_to_end", ["X A"], "'X A' cannot be the name of a header"),
        ("headers.end_to_end", [""], "'' cannot be the name of a header"),
        ("logs.traffic_columns", ["Method", "Moon"], "must be one of TimeGenerated, "),
        ("logs.user_agent_characters", "70", "must be a whole number from 0, not '70'"),
        ("metrics.names", ["requests"], "must be one of requests_per_minute, "),
        ("probes.no_auth", {"Host": "a"}, "'Host' is not up for choice"),
        ("probes.no_auth", {"A": "b\r\nC: d"}, "has characters that cannot be printed"),
        ("probes.no_auth", ["A"], "must be a table, not ['A']"),
        ("routing.http_version", 426, "must be a table with status and body, not 426"),
        ("routing.paths", ["/score"], "must be a table with only, not ['/score'], or \"none\""),
        ("routing.paths", {"only": "/score"}, "only must be a list, not '/score'"),
        ("routing.streaming", None, "must be true or false, not None"),
        ("traffic.per_request", "key", "must be one of request, connection, caller, not 'key'"),
    ],
)
def test_a_value_of_the_wrong_kind(row_id: str, value: Any, told: str) -> None:
    assert told in refusal("kubernetes", row_id, value)


@pytest.mark.parametrize("nothing", [None, "none"])
def test_none_has_a_word(nothing: Any) -> None:
    overrides, misfits = read_overrides({"aks": {"container.model_dir_none": nothing}})
    assert (misfits, overrides) == ([], {"aks": {"container.model_dir_none": None}})


# kinds of values


@dataclass(frozen=True)
class Wait:
    """A part of a row's value."""

    first: float
    most: float = 10.0


AuthMode = Literal["key", "none"]
KINDS: list[tuple[Any, Any, Any]] = [
    (AuthMode | None, "key", "key"),
    (tuple[int, ...], [0, 100], (0, 100)),
    (tuple[str, str], ["a", "b"], ("a", "b")),
    (Mapping[int, int], {"500": 502}, {500: 502}),
    (Mapping[AuthMode, str], {"key": "Key"}, {"key": "Key"}),
    (Wait, {"first": 1}, Wait(1.0)),
    (Wait, {"first": 1.5, "most": 2}, Wait(1.5, 2.0)),
    (ProbeSettings, {"period": 5}, ProbeSettings(period=5)),
]


@pytest.mark.parametrize(("kind", "given", "taken"), KINDS)
def test_kinds_of_values(kind: Any, given: Any, taken: Any) -> None:
    assert fit(given, kind) == taken
    spelled = tomllib.loads(f"value = {toml(taken)}")["value"]
    assert fit(spelled, kind) == taken


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        (AuthMode, "kee", "must be one of key, none, not 'kee'"),
        (tuple[str, str], ["a"], "must be a list of 2, not of 1"),
        (Mapping[int, int], {"five": 502}, "must be a whole number from 0, not 'five'"),
        (Mapping[int, int], [500], "must be a table, not [500]"),
        (Wait, {"first": "1"}, "first must be a number from 0, not '1'"),
        (Wait, {"first": float("inf")}, "first must be a number from 0, not inf"),
        (Wait, {"first": float("nan")}, "first must be a number from 0, not nan"),
        (ProbeSettings, {"period": 0}, "period: Input should be greater than or equal to 1"),
        (ProbeSettings, 5, "must be a table, not 5"),
        (bytes, "x", "must be of another kind, not 'x'"),
    ],
)
def test_what_does_not_fit_its_kind(kind: Any, given: Any, told: str) -> None:
    with pytest.raises(Unfit) as caught:
        fit(given, kind)
    assert str(caught.value) == told
