"""What a home says about itself: which workspace it is, and how it is laid out."""

from __future__ import annotations

import doctest
import json
from pathlib import Path
from typing import Any

import pytest

from emulator.errors import BadArgument, EmulatorError
from emulator.store import Store, model_versions
from emulator.store.workspace_document import FORMAT, workspace_id


def test_a_new_home_has_a_format(tmp_path: Path) -> None:
    drawn = workspace_id(tmp_path)
    assert json.loads((tmp_path / "workspace.json").read_text()) == {"id": drawn, "format": FORMAT}
    assert workspace_id(tmp_path) == drawn


def test_a_home_from_before_there_was_a_format(tmp_path: Path) -> None:
    (tmp_path / "workspace.json").write_text('{"id": "0123456789ab"}')
    assert workspace_id(tmp_path) == "0123456789ab"
    assert (tmp_path / "workspace.json").read_text() == '{"id": "0123456789ab"}'


@pytest.mark.parametrize("found", [FORMAT + 1, "2", None, 1.5])
def test_a_home_of_a_newer_amlemu_is_left_alone(tmp_path: Path, found: Any) -> None:
    (tmp_path / "workspace.json").write_text(json.dumps({"id": "0123456789ab", "format": found}))
    with pytest.raises(BadArgument, match="made by a newer amlemu") as caught:
        Store(tmp_path)
    assert caught.value.target == f"AMLEMU_HOME {tmp_path}"
    assert "update amlemu" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["workspace.json"], "nothing is made"


def test_a_damaged_one_is_reported(tmp_path: Path) -> None:
    (tmp_path / "workspace.json").write_text("{}")
    with pytest.raises(EmulatorError, match="it names no id"):
        Store(tmp_path)


def test_the_order_of_versions() -> None:
    assert doctest.testmod(model_versions).failed == 0
    assert model_versions.created_after([], "2024-01-01T00:00:00.000+00:00") == "2024-01-01T00:00:00.000+00:00"
    same = "2024-01-01T23:59:59.999+00:00"
    assert model_versions.created_after([same, "2023"], same) == "2024-01-02T00:00:00.000+00:00"
