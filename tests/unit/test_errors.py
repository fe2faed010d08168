"""The exception tree, and the two tables that tell it."""

from __future__ import annotations

import inspect

import pytest

from emulator import errors
from emulator.cli.failures import EXIT_CODES, exit_code_of
from emulator.control_api.statuses import STATUSES
from emulator.errors import (
    BadArgument,
    BadDocument,
    EmulatorError,
    Fault,
    all_error_classes,
    did_you_mean,
    fault_count,
    from_dict,
)

CLASSES = all_error_classes()
EXIT_CODES_OF_THE_COMMAND_LINE = {1, 2, 3, 4, 5, 6, 7, 8, 130}


def test_the_tree_is_what_the_module_defines() -> None:
    defined = {c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, EmulatorError)}
    assert set(CLASSES) == defined
    assert CLASSES[0] is EmulatorError


def test_a_code_belongs_to_one_class() -> None:
    codes = [cls.code for cls in CLASSES if cls is not BadDocument]
    assert len(codes) == len(set(codes))
    assert BadDocument.code == BadArgument.code


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_has_a_status_and_an_exit_code(cls: type[EmulatorError]) -> None:
    assert 400 <= STATUSES[cls] <= 599
    assert exit_code_of(cls("what")) in EXIT_CODES_OF_THE_COMMAND_LINE


def test_the_tables_name_no_other_class() -> None:
    assert set(STATUSES) == set(EXIT_CODES) == set(CLASSES)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_to_dict_and_back(cls: type[EmulatorError]) -> None:
    error = cls("what", target="model m:1", hint="next", log_tail="a\nb", faults=[Fault("bad", "f.yml:3", "a[0].b")])
    back = from_dict(error.to_dict())
    assert back.to_dict() == error.to_dict()
    assert isinstance(error, type(back)), "the exit code is the one of the class, or of the one above it"
    assert EXIT_CODES[type(back)] == EXIT_CODES[cls]


def test_an_unknown_code_is_kept() -> None:
    back = from_dict({"code": "SomethingNew", "message": "m"})
    assert type(back) is EmulatorError
    assert back.code == "SomethingNew"
    assert EmulatorError.code == "InternalServerError", "of the instance, not of the class"


@pytest.mark.parametrize(
    "document",
    [{}, {"code": None, "message": None, "details": None, "target": None}, {"details": ["text", 3, {"message": None}]}],
)
def test_a_poor_document_becomes_an_error_all_the_same(document: dict[str, object]) -> None:
    back = from_dict(document)
    assert (back.code, back.message, back.target) == ("InternalServerError", "", "")


def test_a_fault_is_one_line() -> None:
    assert str(Fault("wrong", "conda.yml:3", "dependencies[0]")) == "conda.yml:3: dependencies[0]: wrong"
    assert str(Fault("wrong")) == "wrong"


@pytest.mark.parametrize(("count", "told"), [(1, "one fault"), (2, "2 faults")])
def test_the_number_of_faults(count: int, told: str) -> None:
    assert fault_count([Fault("wrong")] * count) == told


def test_the_nearest_name() -> None:
    assert did_you_mean("modle", ["model", "code"]) == "did you mean 'model'?"
    assert did_you_mean("x", ["model"]) == ""
