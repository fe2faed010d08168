"""The admin's token of a home, and what a token must be."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.config.admin_token import check_admin_token, obtain_admin_token, read_admin_token
from emulator.errors import BadArgument
from emulator.store.leftovers import remove_leftovers
from emulator.store.logs import Logs

SECRET = "s" * 43


def test_the_token_is_created_once(tmp_path: Path) -> None:
    home = tmp_path / "new/home"
    assert read_admin_token(home) == ""
    token = obtain_admin_token(home, lambda: SECRET)
    assert token == f"amlemu_{SECRET}"
    assert obtain_admin_token(home, lambda: "another") == token
    assert read_admin_token(home) == token
    assert (home / "token.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.iterdir()] == ["token.json"]


def test_a_temporary_file_of_a_crash_is_removed_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / ".token.json.x1y2z3").write_text("half")
    assert obtain_admin_token(tmp_path, lambda: SECRET)
    remove_leftovers(tmp_path, Logs(tmp_path))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["token.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"key": 1}',
        "\xff",
        '{"token": ""}',
        '{"token": null}',
        '{"token": 1234567890123456789}',
        '{"token": ["amlemu_ssssssssssssssssssssssss"]}',
        '{"token": "short"}',
        '{"token": "with a space and long enough"}',
        "[" * 100_000,
    ],
)
def test_a_damaged_token_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "token.json").write_bytes(text.encode("latin-1"))
    for read in (read_admin_token, lambda home: obtain_admin_token(home, lambda: SECRET)):
        with pytest.raises(BadArgument, match="cannot be read") as caught:
            read(tmp_path)
        assert "token.json" in caught.value.hint
    assert (tmp_path / "token.json").read_bytes() == text.encode("latin-1"), "it is never replaced by itself"


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "token.json").mkdir()
    with pytest.raises(BadArgument, match="cannot be read"):
        read_admin_token(tmp_path)


@pytest.mark.parametrize(
    "token", ["", "short", "fifteen-letters", "with a space in it", "ümlaute-in-a-token", "line\nbreak-in-a-token"]
)
def test_tokens_that_can_be_guessed_or_not_be_sent(token: str) -> None:
    with pytest.raises(BadArgument, match="at least 16 characters") as caught:
        check_admin_token(token)
    assert not token or token not in caught.value.message
