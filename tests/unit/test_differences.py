"""Differences: each is made with a group and a code, stored with both, and printed by group."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.cli.differences import difference_lines, differences_of
from emulator.difference import Difference, Group, differs, fails_in_cloud, only_here, read_difference
from emulator.entities import DeploymentRequest, Environment, OnlineEndpoint
from emulator.errors import BadDocument

PACKAGE = Path(__file__).parents[2] / "emulator"
CONSTRUCTORS: dict[str, Group] = {"fails_in_cloud": "fails_in_cloud", "differs": "differs", "only_here": "only_here"}
REFUSED = fails_in_cloud("names.refused", "the cloud refuses the name 'a_b'")

# Whatever else is added, these are what the cloud refuses or cannot run.
FAIL_IN_THE_CLOUD = {
    "collection.too_many",
    "container.custom",
    "deployment.failed_create",
    "environment.no_image",
    "models.too_large",
    "models.too_many",
    "names.refused",
    "packages.of_this_machine",
    "size.instance_type_not_in_target",
    "size.resources_not_in_target",
    "size.virtual_machine_on_kubernetes",
    "v1.inferencing_stack",
    "v1.no_runtime",
    "v1.no_server",
    "v1.reserved_name",
}


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Where a difference is made, the call, and the name of the constructor."""
    for file in sorted(PACKAGE.rglob("*.py")):
        if "_shipped" in file.parts or file.name == "difference.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id in {*CONSTRUCTORS, "Difference"}:
                yield f"{file.relative_to(PACKAGE)}:{node.lineno}", node, node.func.id


def code_of(call: ast.Call) -> str:
    """The code as it is written; of one that a value completes, what stands before the value."""
    code = call.args[0]
    if isinstance(code, ast.JoinedStr):
        code = code.values[0]
    return code.value if isinstance(code, ast.Constant) and isinstance(code.value, str) else ast.unparse(code)


def test_every_difference_is_made_with_its_group() -> None:
    assert [where for where, _, name in calls() if name == "Difference"] == []
    assert len(list(calls())) > 60


def test_every_difference_has_a_code_and_each_code_one_group() -> None:
    groups: dict[str, set[str]] = {}
    for where, call, name in calls():
        code = code_of(call)
        assert re.fullmatch(r"[a-z0-9_]+\.[a-z_0-9]*|FROM_PYPI", code), f"{where}: {code}"
        groups.setdefault(code, set()).add(name)
    assert {code: names for code, names in groups.items() if len(names) > 1} == {}


def test_what_fails_in_the_cloud() -> None:
    assert {code_of(call) for _, call, name in calls() if name == "fails_in_cloud"} == FAIL_IN_THE_CLOUD


@pytest.mark.parametrize("group", CONSTRUCTORS.values())
def test_the_constructors(group: Group) -> None:
    make = {"fails_in_cloud": fails_in_cloud, "differs": differs, "only_here": only_here}[group]
    assert make("an.example", "a text") == Difference("a text", group, "an.example")


# stored


def test_documents_of_earlier_versions_hold_texts() -> None:
    document = {"name": "iris", "port": 18100, "created_at": "2026-01-01", "differences": ["no container"]}
    endpoint = OnlineEndpoint.of_store(document)
    assert endpoint.differences == (Difference("no container", "differs", ""),)
    assert OnlineEndpoint.of_store(endpoint.to_stored()) == endpoint


def test_group_and_code_are_stored() -> None:
    environment = Environment(name="e", differences=(REFUSED,))
    document = environment.to_stored()
    assert document["differences"] == [
        {"text": "the cloud refuses the name 'a_b'", "group": "fails_in_cloud", "code": "names.refused"}
    ]
    assert Environment.of_store(document) == environment


def test_requests_take_texts_and_objects() -> None:
    request = DeploymentRequest.parse(
        {"endpoint_name": "iris", "differences": ["a text", REFUSED.to_document()]}, strict=True
    )
    assert request.differences == (Difference("a text", "differs", ""), REFUSED)


def test_fields_of_a_later_version_are_passed_over() -> None:
    document = Environment(name="e", differences=(REFUSED,)).to_stored()
    document["differences"][0]["later"] = 1
    assert Environment.of_store(document).differences == (REFUSED,)


def test_an_unknown_group_in_a_request_is_a_fault() -> None:
    with pytest.raises(BadDocument, match="differences"):
        DeploymentRequest.parse({"endpoint_name": "iris", "differences": [REFUSED.to_document() | {"group": "odd"}]})


def test_a_group_of_a_later_version_is_read_as_differs() -> None:
    assert read_difference(REFUSED.to_document() | {"group": "odd"}).group == "differs"


# printed


def test_the_groups_stand_in_the_order_in_which_they_matter() -> None:
    found = [only_here("a.a", "one"), differs("b.b", "two"), REFUSED, differs("b.c", "three")]
    assert difference_lines(found, fold=True) == [
        "will fail in the cloud:",
        "  - the cloud refuses the name 'a_b'",
        "differs:",
        "  - two",
        "  - three",
        "only here:",
        "  - one",
    ]


def test_many_of_one_kind_are_folded() -> None:
    many = [differs("conda.python_range", f"'python{n}' is another here") for n in range(6)]
    lines = difference_lines([*many, REFUSED], fold=True)
    assert lines[2:] == [
        "differs:",
        f"  - {many[0]}",
        f"  - {many[1]}",
        "  - … and 4 more alike: `amlemu show ENDPOINT` has them all",
    ]
    assert len(difference_lines([*many, REFUSED], fold=False)) == 9


def test_differences_without_a_code_are_not_folded() -> None:
    many = [read_difference(f"an old text {n}") for n in range(6)]
    assert len(difference_lines(many, fold=True)) == 7


def test_differences_of_several_resources_are_told_once() -> None:
    new = {"differences": [REFUSED.text], "difference_details": [REFUSED.to_document()]}
    assert differences_of(new, new) == [REFUSED]


def test_an_older_emulator_gives_texts_alone() -> None:
    assert differences_of({"differences": ["no container"]}) == [Difference("no container", "differs", "")]
