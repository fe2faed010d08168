"""Whether a request may enter: the pure decision, for what no request over the wire could show."""

from __future__ import annotations

import pytest

from emulator.entities import Target
from emulator.profiles import profile_of
from emulator.routing.credentials import Access
from emulator.routing.tokens import TokenCheck, own_key

NOW = 1_700_000_000.0
TARGETS: tuple[Target, ...] = ("managed", "kubernetes", "aks", "aci", "local")


def tokens(mode: str = "aml_token") -> TokenCheck:
    return TokenCheck("aad_token" if mode == "aad_token" else "aml_token", (own_key("s" * 64),), "urn:x", tenant="t")


@pytest.mark.parametrize("target", [t for t in TARGETS if t != "local"])
@pytest.mark.parametrize("mode", ["key", "aml_token", "aad_token"])
@pytest.mark.parametrize("header", [(), (b"",), (b"Bearer x",), (b"Bearer x", b"Bearer y"), (b"\x00",)])
def test_a_mode_that_a_target_lacks_accepts_nothing(target: Target, mode: str, header: tuple[bytes, ...]) -> None:
    """The rows hold no answer for such a mode; a missing answer must not be an open door."""
    access = Access(profile_of(target), () if mode != "key" else (b"k",), None if mode == "key" else tokens(mode))
    verdict = access.check("/score", header, NOW)
    assert verdict.answer is not None and verdict.answer.status == 401
    assert verdict.reason.startswith("auth.")


@pytest.mark.parametrize("target", ["managed", "kubernetes"])
def test_an_endpoint_that_may_not_be_open_and_has_no_credential_refuses_everybody(target: Target) -> None:
    access = Access(profile_of(target), ())
    for header in ((), (b"Bearer ",), (b"Bearer x",)):
        assert access.check("/score", header, NOW).answer is not None


def test_local_asks_for_nothing_whatever_it_is_given() -> None:
    for access in (Access(profile_of("local"), (b"k",)), Access(profile_of("local"), (), tokens())):
        assert access.check("/score", (), NOW).answer is None
        assert access.auth_type_at("/score") == ""


def test_keys_are_compared_whole_and_all_of_them() -> None:
    access = Access(profile_of("managed"), (b"first", b"second"))
    for key, status in ((b"first", None), (b"second", None), (b"firs", 401), (b"firstsecond", 401), (b"", 401)):
        answer = access.check("/score", (b"Bearer " + key,), NOW).answer
        assert (answer and answer.status) == status


def test_verdicts_hold_no_part_of_a_credential() -> None:
    for access in (Access(profile_of("managed"), (b"first",)), Access(profile_of("managed"), (), tokens())):
        for credential in (b"Bearer c2VjcmV0.c2VjcmV0.c2VjcmV0", b"c2VjcmV0", b"Basic c2VjcmV0"):
            assert "c2VjcmV0" not in repr(access.check("/score", (credential,), NOW))
        assert "first" not in repr(access)
