"""Key sets: what is read of them, what is passed over, and what is told of a wrong one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from signing import ec_key, jwks, private_jwk, public_jwk, rsa_key

from emulator.errors import BadDocument
from emulator.routing.jwks import MOST_KEYS, read_jwks

GOOD = public_jwk(rsa_key(), kid="r", use="sig")


def test_rsa_and_ec_keys_are_read_and_others_passed_over() -> None:
    others: list[dict[str, Any]] = [
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {"kty": "something new"},
        {},
        public_jwk(rsa_key(), use="enc"),
        public_jwk(rsa_key(), alg="RSA-OAEP"),
    ]
    # as Microsoft Entra publishes them: no alg, and a certificate beside the key
    entra = public_jwk(rsa_key(), kid="entra", use="sig", x5t="entra", x5c=["MIIC"], issuer="https://login")
    keys = read_jwks(
        jwks(entra, public_jwk(ec_key(), kid="e"), public_jwk(rsa_key(), alg="RS512"), *others), "keys.json"
    )
    assert [(key.key_id, key.algorithm_name) for key in keys] == [("entra", "RS256"), ("e", "ES256"), (None, "RS512")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "keys.json is not valid JSON"),
        ("{", "keys.json is not valid JSON"),
        ("[" * 100_000, "keys.json is not valid JSON"),
        ("[]", "keys.json is not a JSON Web Key Set"),
        ("{}", "keys.json is not a JSON Web Key Set"),
        (json.dumps(GOOD), "keys.json is not a JSON Web Key Set"),
        ('{"keys": {}}', "keys.json is not a JSON Web Key Set"),
        ('{"keys": []}', "it has no RSA or EC key for signatures"),
        ('{"keys": [7]}', "a key is a JSON object"),
        (jwks({"kty": "OKP"}), "it has no RSA or EC key for signatures"),
        (jwks(*[GOOD] * (MOST_KEYS + 1)), "keys.json holds more than 100 keys"),
        (jwks(private_jwk(rsa_key())), "it is a private or shared key; give the public one"),
        (jwks({"kty": "oct", "k": "c2VjcmV0"}), "it is a private or shared key; give the public one"),
        (jwks({"kty": "RSA"}), "it cannot check signatures of RS256"),
        (jwks({"kty": "RSA", "n": "", "e": "AQAB"}), "it cannot check signatures of RS256"),
        (jwks({"kty": "RSA", "n": 7, "e": []}), "it cannot check signatures of RS256"),
        (jwks({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}), "it cannot check signatures of RS256"),
        (jwks({"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"}), "it cannot check signatures of RS256"),
        (jwks(public_jwk(ec_key(), alg="RS256")), "it cannot check signatures of RS256"),
        (jwks(public_jwk(rsa_key(), alg="ES256")), "it cannot check signatures of RS256"),
        (jwks(public_jwk(rsa_key("small", 1024))), "it has 1024 bits, fewer than 2048"),
    ],
)
def test_a_wrong_set(text: str, told: str) -> None:
    with pytest.raises(BadDocument) as caught:
        read_jwks(text, "keys.json")
    assert told in caught.value.message


def test_every_fault_is_told_and_nothing_of_the_keys() -> None:
    private = private_jwk(rsa_key())
    with pytest.raises(BadDocument) as caught:
        read_jwks(jwks(GOOD, private, {"kty": "RSA", "n": "bm9uc2Vuc2U", "e": "x"}), "keys.json")
    assert [fault.field for fault in caught.value.faults] == ["keys.1", "keys.2"]
    told = json.dumps(caught.value.to_dict())
    assert private["d"] not in told and "bm9uc2Vuc2U" not in told


def test_where_json_is_broken() -> None:
    with pytest.raises(BadDocument) as caught:
        read_jwks('{\n"keys": [}', "keys.json")
    assert caught.value.faults[0].where == "keys.json:2"
