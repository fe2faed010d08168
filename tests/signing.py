"""Keys and tokens as an identity provider has them, for tests that must be refused and tests that must not."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

AUDIENCE = "https://ml.azure.com"
TENANT = "11111111-2222-3333-4444-555555555555"
OBJECT_ID = "99999999-8888-7777-6666-555555555555"

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey


@cache
def rsa_key(name: str = "provider", bits: int = 2048) -> RSAPrivateKey:
    """One key for each name."""
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(name: str = "provider") -> EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public_jwk(key: PrivateKey, **more: Any) -> dict[str, Any]:
    """The public key as a provider publishes it; `more` adds or replaces members, None takes one away."""
    if isinstance(key, RSAPrivateKey):
        public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    jwk = {**public, **more}
    jwk.pop("key_ops", None)
    return {name: value for name, value in jwk.items() if value is not None}


def private_jwk(key: RSAPrivateKey) -> dict[str, Any]:
    return dict(jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True))


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwks(*keys: dict[str, Any]) -> str:
    return json.dumps({"keys": keys})


def claims(now: float, **changes: Any) -> dict[str, Any]:
    """What an access token for scoring says (row auth.aad_audience); None takes a claim away."""
    whole = {
        "aud": AUDIENCE,
        "nbf": int(now) - 60,
        "exp": int(now) + 86_400,
        "oid": OBJECT_ID,
        "tid": TENANT,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def signed(payload: dict[str, Any], key: Any = None, algorithm: str = "RS256", **headers: Any) -> str:
    """A token signed by a provider's key."""
    return jwt.encode(payload, key or rsa_key(), algorithm=algorithm, headers=headers or None)


def part(value: Any) -> str:
    """One part of a JWT, made by hand."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
