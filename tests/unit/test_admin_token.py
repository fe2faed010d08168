"""The admin's token of a home, and what a token must be."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.admin_token import check_admin_token, make_admin_token, read_admin_token
from emulator.errors import BadArgument
from emulator.store.leftovers import remove_leftovers
from emulator.store.logs import Logs

SECRET = "s" * 43


def test_it_is_made_once(tmp_path: Path) -> None:
    home = tmp_path / "new/home"
    assert read_admin_token(home) == ""
    token = make_admin_token(home, lambda: SECRET)
    assert token == f"amlemu_{SECRET}"
    assert make_admin_token(home, lambda: "another") == ""
    assert read_admin_token(home) == token
    assert (home / "token.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.iterdir()] == ["token.json"]


def test_what_a_crash_has_left_is_in_nobodys_way_and_goes_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / ".token.json.x1y2z3").write_text("half")
    assert make_admin_token(tmp_path, lambda: SECRET)
    remove_leftovers(tmp_path, Logs(tmp_path))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["token.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": 1}', "\xff"])
def test_a_damaged_one_is_no_open_door(tmp_path: Path, text: str) -> None:
    (tmp_path / "token.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadArgument, match="cannot be read") as caught:
        read_admin_token(tmp_path)
    assert "--make-token" in caught.value.hint


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_this_machine_alone_none_is_needed(host: str) -> None:
    check_admin_token("", host)
    check_admin_token(f"amlemu_{SECRET}", host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "192.168.1.2", "team.example", "localhost.evil", ""])
def test_where_others_reach_it_one_is_needed(host: str) -> None:
    with pytest.raises(BadArgument, match="has no token") as caught:
        check_admin_token("", host)
    assert "--make-token" in caught.value.hint
    check_admin_token(f"amlemu_{SECRET}", host)


@pytest.mark.parametrize(
    "token", ["short", "fifteen-letters", "with a space in it", "ümlaute-in-a-token", "line\nbreak-in-a-token"]
)
def test_what_can_be_guessed_or_sent_by_nobody(token: str) -> None:
    with pytest.raises(BadArgument, match="at least 16 characters") as caught:
        check_admin_token(token, "127.0.0.1")
    assert token not in caught.value.message
