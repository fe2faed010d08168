"""JSON Web Key Sets (RFC 7517): the keys that check signatures.  Pure.

PyJWT takes 0.1 s to load, so it is imported when a set is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.errors import BadDocument, Fault

if TYPE_CHECKING:
    from jwt import PyJWK

# The public-key algorithms of RFC 7518 §3.1.  A key is bound to one of them here, so that no token can choose another,
# such as `none`.
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "ES512"})
MOST_KEYS = 100
LEAST_RSA_BITS = 2048
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})  # RFC 7518 §6


def read_jwks(text: str, where: str) -> tuple[PyJWK, ...]:
    """Return the RSA and EC keys for signatures in `text`; other kinds of keys are ignored (RFC 7517 §5).

    Raises BadDocument with every fault: not JSON, not a key set, a private or shared key, an invalid or small key, no
    key for signatures.  `where` names the file.
    """
    keys: list[PyJWK] = []
    faults: list[Fault] = []
    for number, entry in enumerate(_entries(text, where)):
        fault = _fault_of(entry)
        if not fault and _checks_signatures(entry):
            key = _key(entry)
            fault = _fault_of_key(key)
            if key is not None and not fault:
                keys.append(key)
        if fault:
            faults.append(Fault(fault, where, f"keys.{number}"))
    if not keys and not faults:
        faults = [Fault("it has no RSA or EC key for signatures", where, "keys")]
    if faults:
        raise BadDocument(f"{where} is not a usable set of keys: {faults[0].message}", faults=faults)
    return tuple(keys)


def _entries(text: str, where: str) -> list[Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise BadDocument(f"{where} is not valid JSON", faults=[Fault("not valid JSON", f"{where}:{line}")]) from error
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        fault = Fault('a JSON Web Key Set is an object with a list "keys"', where)
        raise BadDocument(f"{where} is not a JSON Web Key Set", faults=[fault])
    if len(entries) > MOST_KEYS:
        raise BadDocument(f"{where} holds more than {MOST_KEYS} keys")
    return entries


def _fault_of(entry: Any) -> str:
    """Return the fault of an entry of any kind, without any part of the key, '' for none."""
    if not isinstance(entry, dict):
        return "a key is a JSON object"
    if _PRIVATE_MEMBERS & entry.keys():
        return "it is a private or shared key; give the public one"
    return ""


def _checks_signatures(entry: Mapping[str, Any]) -> bool:
    if entry.get("kty") not in ("RSA", "EC") or entry.get("use", "sig") != "sig":
        return False
    return "alg" not in entry or str(entry["alg"]) in ALGORITHMS


def _key(entry: dict[str, Any]) -> PyJWK | None:
    from jwt import PyJWK, PyJWTError

    try:
        return PyJWK(entry)
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _fault_of_key(key: PyJWK | None) -> str:
    if key is None or key.algorithm_name not in ALGORITHMS:
        return "it cannot check signatures of RS256, RS384, RS512, ES256, ES384 or ES512"
    if key.key_type == "RSA" and key.key.key_size < LEAST_RSA_BITS:
        return f"it has {key.key.key_size} bits, fewer than {LEAST_RSA_BITS}"
    return ""
