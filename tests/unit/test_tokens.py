"""Tokens: which are good, which are not and why, and what is remembered of them."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signing import AUDIENCE, OBJECT_ID, TENANT, claims, ec_key, jwks, part, public_jwk, public_pem, rsa_key, signed

from emulator.routing.jwks import read_jwks
from emulator.routing.tokens import LONGEST_TOKEN_BYTES, MOST_REMEMBERED, TokenCheck, issue, own_key

NOW = 1_700_000_000.0
SECRET = "s" * 64
NOT_A_JWT = "it is not a JWT"
NOT_TRUSTED = "no key that is trusted signed it"
NO_TIME = "it has no time of expiry, or one that is no time"


def check(*, tenant: str = "", own: bool = True, keys: str = "") -> TokenCheck:
    """What an aad_token endpoint checks with: its own key, and one RSA and one EC key of a provider."""
    keys = keys or jwks(public_jwk(rsa_key(), kid="r", alg="RS256"), public_jwk(ec_key(), kid="e"))
    trusted = (*((own_key(SECRET),) if own else ()), *read_jwks(keys, "keys.json"))
    return TokenCheck("aad_token", trusted, AUDIENCE, tenant=tenant)


def why(token: str | bytes, now: float = NOW, checked: TokenCheck | None = None) -> str:
    return (checked or check()).check(token if isinstance(token, bytes) else token.encode(), now).why


@pytest.mark.parametrize(
    ("token", "identity"),
    [
        (signed(claims(NOW), kid="r"), OBJECT_ID),
        (signed(claims(NOW)), OBJECT_ID),
        (signed(claims(NOW), ec_key(), "ES256", kid="e"), OBJECT_ID),
        (issue(SECRET, claims(NOW)), OBJECT_ID),
        (signed(claims(NOW, aud=AUDIENCE + "/")), OBJECT_ID),
        (signed(claims(NOW, aud=["https://other", AUDIENCE])), OBJECT_ID),
        (signed(claims(NOW, nbf=None)), OBJECT_ID),
        (signed(claims(NOW, exp=NOW + 0.5)), OBJECT_ID),
        (signed(claims(NOW, oid=None)), ""),
        (signed(claims(NOW, oid=7)), ""),
        (signed(claims(NOW, oid="x" * 500)), "x" * 128),
    ],
)
def test_a_good_token(token: str, identity: str) -> None:
    verdict = check().check(token.encode(), NOW)
    assert (verdict.why, verdict.identity, verdict.wrong_tenant) == ("", identity, False)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"exp": NOW}, "it has expired"),
        ({"exp": NOW - 3600}, "it has expired"),
        ({"nbf": NOW + 1}, "it is not valid yet"),
        ({"exp": None}, NO_TIME),
        ({"exp": "1800000000"}, NO_TIME),
        ({"exp": True}, NO_TIME),
        ({"exp": 1e30}, NO_TIME),
        ({"exp": 10**400}, NO_TIME),
        ({"exp": float("inf")}, NO_TIME),
        ({"exp": float("nan")}, NO_TIME),
        ({"exp": [NOW + 60]}, NO_TIME),
        ({"nbf": "0"}, NO_TIME),
        ({"nbf": -1}, NO_TIME),
        ({"aud": None}, "it is for another audience"),
        ({"aud": ""}, "it is for another audience"),
        ({"aud": []}, "it is for another audience"),
        ({"aud": "https://management.azure.com"}, "it is for another audience"),
        ({"aud": "https://ml.azure.com.example"}, "it is for another audience"),
        ({"aud": "https://ml.azure.com//"}, "it is for another audience"),
        ({"aud": ["https://management.azure.com/"]}, "it is for another audience"),
        ({"aud": {"https://ml.azure.com": 1}}, "it is for another audience"),
    ],
)
def test_the_claims_of_a_token_are_checked(changes: dict[str, Any], told: str) -> None:
    payload = json.dumps(claims(NOW, **changes)).encode()
    head = part({"alg": "HS256", "kid": "amlemu"})
    body = f"{head}.{part(payload)}"
    mac = hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).digest()
    assert why(f"{body}.{part(mac)}") == told


def hs256(key: bytes, header: dict[str, Any]) -> str:
    body = f"{part(header)}.{part(claims(NOW))}"
    return f"{body}.{part(hmac.new(key, body.encode(), hashlib.sha256).digest())}"


@pytest.mark.parametrize(
    "token",
    [
        signed(claims(NOW), rsa_key("stranger"), kid="r"),
        signed(claims(NOW), ec_key("stranger"), "ES256", kid="e"),
        signed(claims(NOW), kid="another"),
        signed(claims(NOW), algorithm="PS256", kid="r"),
        signed(claims(NOW), algorithm="RS512", kid="r"),
        issue("t" * 64, claims(NOW)),
        # the public key, which everybody knows, taken for a shared secret
        hs256(public_pem(rsa_key()), {"alg": "HS256", "kid": "r"}),
        hs256(public_pem(rsa_key()), {"alg": "HS256"}),
        hs256(public_pem(rsa_key()).strip(), {"alg": "HS256", "kid": "amlemu"}),
        hs256(json.dumps(public_jwk(rsa_key())).encode(), {"alg": "HS256"}),
        # no signature
        f"{part({'alg': 'none'})}.{part(claims(NOW))}.",
        f"{part({'alg': 'None', 'kid': 'r'})}.{part(claims(NOW))}.",
        f"{part({'alg': 'RS256', 'kid': 'r'})}.{part(claims(NOW))}.",
        f"{part({'alg': 'HS256', 'kid': 'amlemu'})}.{part(claims(NOW))}.",
        # the token brings its own key
        signed(claims(NOW), rsa_key("stranger"), jwk=public_jwk(rsa_key("stranger"))),
        f"{part({'alg': ['RS256']})}.{part(claims(NOW))}.AAAA",
        f"{part({})}.{part(claims(NOW))}.AAAA",
    ],
)
def test_only_a_trusted_key_signs(token: str) -> None:
    assert why(token) == NOT_TRUSTED


def test_a_changed_token_is_not_the_signed_one() -> None:
    head, _, signature = signed(claims(NOW)).split(".")
    assert why(f"{head}.{part(claims(NOW, oid='somebody else'))}.{signature}") == NOT_TRUSTED


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b".",
        b"..",
        b"a.b.c",
        b"primary-key",
        b"\xff\xfe\x00",
        b"e30.e30",
        part(b"[]").encode() + b".e30.AAAA",
        part(b"[" * 5000).encode() + b".e30.AAAA",
        part({"alg": "RS256", "kid": 7}).encode() + b".e30.AAAA",
        part({"alg": "RS256", "crit": ["exp"]}).encode() + b".e30.AAAA",
        part({"alg": "RS256"}).encode() + b".!!!!.AAAA",
    ],
)
def test_texts_that_are_not_tokens(token: bytes) -> None:
    assert why(token) in (NOT_A_JWT, NOT_TRUSTED)


@pytest.mark.parametrize(
    "payload", [b"", b"nothing", b"[]", b"7", b"\xff", b"[" * 5000, b'{"exp":' + b"9" * 5000 + b"}"]
)
def test_a_signature_makes_no_claims_of_anything(payload: bytes) -> None:
    body = f"{part({'alg': 'HS256'})}.{part(payload)}"
    mac = hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).digest()
    assert why(f"{body}.{part(mac)}") == NOT_A_JWT


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_no_bytes_are_a_token_or_break_the_check(token: bytes) -> None:
    assert why(token) in (NOT_A_JWT, NOT_TRUSTED)


def test_a_huge_token_is_not_even_read() -> None:
    token = signed(claims(NOW, padding="x" * LONGEST_TOKEN_BYTES)).encode()
    checked = check()
    assert checked.check(token, NOW).why == "it is too long"
    assert checked.remembered == 0


@pytest.mark.parametrize(
    ("tid", "wrong"), [(TENANT, False), ("other", True), ("", True), (None, True), ([TENANT], True)]
)
def test_a_tenant(tid: object, wrong: bool) -> None:
    verdict = check(tenant=TENANT).check(signed(claims(NOW, tid=tid)).encode(), NOW)
    assert (verdict.why, verdict.wrong_tenant) == ("it is of another tenant" if wrong else "", wrong)
    assert why(signed(claims(NOW, tid=tid))) == "", "without a tenant of our own any is good"


def test_keys_without_names_and_keys_of_one_name() -> None:
    nameless = jwks(public_jwk(rsa_key("first")), public_jwk(rsa_key()))
    assert why(signed(claims(NOW), kid="whatever"), checked=check(keys=nameless)) == ""
    same = jwks(public_jwk(rsa_key("first"), kid="r"), public_jwk(rsa_key(), kid="r"))
    assert why(signed(claims(NOW), kid="r"), checked=check(keys=same)) == ""


def test_cached_tokens_change_no_result() -> None:
    checked = check()
    token = signed(claims(NOW, nbf=NOW - 10, exp=NOW + 10)).encode()
    moments = (NOW, NOW + 9, NOW + 10, NOW - 11, NOW)
    assert [bool(checked.check(token, now).why) for now in moments] == [False, False, True, True, False]
    assert checked.remembered == 1
    assert checked.check(token[:-4] + b"AAAA", NOW).why == NOT_TRUSTED
    assert token not in repr(vars(checked)).encode(), "only a digest is kept"


def test_a_refusal_is_not_remembered() -> None:
    checked = check()
    assert why(signed(claims(NOW, nbf=NOW + 5)), NOW, checked) == "it is not valid yet"
    assert checked.remembered == 0
    assert why(signed(claims(NOW, nbf=NOW + 5)), NOW + 5, checked) == ""


def test_few_tokens_are_remembered() -> None:
    checked = check()
    for number in range(MOST_REMEMBERED + 10):
        assert why(issue(SECRET, claims(NOW, jti=number, exp=NOW + 100)), NOW, checked) == ""
    assert checked.remembered == MOST_REMEMBERED
    assert why(issue(SECRET, claims(NOW + 200)), NOW + 200, checked) == ""
    assert checked.remembered == 1, "what has expired makes room first"


def test_no_secret_is_shown() -> None:
    assert SECRET not in repr(check()) + repr(vars(check()))
    assert SECRET not in repr(own_key(SECRET))
