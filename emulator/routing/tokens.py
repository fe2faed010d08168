"""Tokens of an endpoint: how one is issued, and whether one is valid at a given time.  Pure.

Source of the checks: the rows auth.* of emulator/profiles/table/auth.py.  PyJWT takes
0.1 s to load, so it is imported for the first endpoint that has tokens, never by a request.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.entities import AuthMode

if TYPE_CHECKING:
    from jwt import PyJWK

LONGEST_TOKEN_BYTES = 16 << 10
MOST_REMEMBERED = 1024
_OWN_ALGORITHM = "HS256"
_OWN_KEY_ID = "amlemu"
_END_OF_TIME = 253_402_300_800  # the year 10000
_LONGEST_IDENTITY = 128


class TokenVerdict(NamedTuple):
    """The result of a check: `why` the token was rejected, '' for a valid one, and its object id as `identity`.

    `why` is one of a few sentences and never holds a part of the token.
    """

    why: str = ""
    identity: str = ""
    wrong_tenant: bool = False


class _Accepted(NamedTuple):
    not_before: float
    expires: float
    identity: str


@dataclass(frozen=True)
class AadTrust:
    """The providers of aad_tokens that are trusted beside the emulator itself, by their public `keys`.

    With a `tenant`, a token's `tid` must be that one.
    """

    keys: tuple[PyJWK, ...] = field(default=(), repr=False)
    tenant: str = ""


class TokenCheck:
    """Checks the tokens of one endpoint.

    A token is valid when one of `keys` signed it, it is for `audience`, its `exp` is in the future and its `nbf` is
    not.  Valid tokens are cached by their digest until they expire, up to 1024, so that a caller's next request costs
    no signature check.  Not thread-safe: for the gateway's thread alone.
    """

    def __init__(
        self,
        auth_mode: AuthMode,
        keys: tuple[PyJWK, ...],
        audience: str,
        *,
        tenant: str = "",
        identity_claim: str = "oid",
    ) -> None:
        from jwt.api_jws import PyJWS

        self.auth_mode = auth_mode
        self._keys = keys
        self._audiences = (audience.rstrip("/"), audience.rstrip("/") + "/")
        self._tenant = tenant
        self._identity_claim = identity_claim
        self._jws = PyJWS()
        self._accepted: dict[bytes, _Accepted] = {}

    @property
    def remembered(self) -> int:
        """The number of cached tokens."""
        return len(self._accepted)

    def check(self, token: bytes, now: float) -> TokenVerdict:
        """Check `token` at `now`, seconds since 1970."""
        if len(token) > LONGEST_TOKEN_BYTES:
            return TokenVerdict("it is too long")
        digest = hashlib.sha256(token).digest()
        known = self._accepted.get(digest)
        if known is not None and known.not_before <= now < known.expires:
            return TokenVerdict(identity=known.identity)
        return self._check_whole(token, digest, now)

    def _check_whole(self, token: bytes, digest: bytes, now: float) -> TokenVerdict:
        claims = self._signed_claims(token)
        if isinstance(claims, str):
            return TokenVerdict(claims)
        expires, not_before = _moment(claims.get("exp")), _moment(claims.get("nbf", 0))
        if expires is None or not_before is None:
            return TokenVerdict("it has no time of expiry, or one that is no time")
        why = self._why_refused(claims, not_before, expires, now)
        if why:
            return TokenVerdict(why)
        if self._tenant and claims.get("tid") != self._tenant:
            return TokenVerdict("it is of another tenant", wrong_tenant=True)
        identity = claims.get(self._identity_claim)
        accepted = _Accepted(not_before, expires, identity[:_LONGEST_IDENTITY] if isinstance(identity, str) else "")
        self._remember(digest, accepted, now)
        return TokenVerdict(identity=accepted.identity)

    def _why_refused(self, claims: Mapping[str, Any], not_before: float, expires: float, now: float) -> str:
        if now >= expires:
            return "it has expired"
        if now < not_before:
            return "it is not valid yet"
        return "" if self._is_for_us(claims.get("aud")) else "it is for another audience"

    def _signed_claims(self, token: bytes) -> dict[str, Any] | str:
        """Return the claims if the signature is valid, else why the token is rejected."""
        from jwt import PyJWTError

        try:
            header = self._jws.get_unverified_header(token)
        except (PyJWTError, ValueError, RecursionError):
            return "it is not a JWT"
        for key in self._keys:
            if not _may_be_named(key.key_id, header.get("kid")):
                continue
            try:  # with the algorithm that the key is bound to, not the one that the token names
                claims = json.loads(self._jws.decode(token, key, algorithms=[key.algorithm_name]))
            except PyJWTError:
                continue
            except (ValueError, RecursionError):
                return "it is not a JWT"
            return claims if isinstance(claims, dict) else "it is not a JWT"
        return "no key that is trusted signed it"

    def _is_for_us(self, audience: object) -> bool:
        named = audience if isinstance(audience, list) else [audience]
        return any(one in self._audiences for one in named)

    def _remember(self, digest: bytes, accepted: _Accepted, now: float) -> None:
        if len(self._accepted) >= MOST_REMEMBERED:
            self._accepted = {d: a for d, a in self._accepted.items() if now < a.expires}
        if len(self._accepted) >= MOST_REMEMBERED:
            del self._accepted[next(iter(self._accepted))]
        self._accepted[digest] = accepted


def _may_be_named(key_id: str | None, named: str | None) -> bool:
    """Whether a key may have signed a token: either may lack a key id (RFC 7515 §4.1.4)."""
    return None in (key_id, named) or key_id == named


def _moment(value: object) -> float | None:
    """Return a NumericDate (RFC 7519 §2) up to the year 10000; None for True, NaN, infinity and other values."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _END_OF_TIME:
        return None
    return float(value)


def own_key(secret: str) -> PyJWK:
    """Return the key that checks the tokens that `issue` makes with the same secret."""
    from jwt import PyJWK

    octets = urlsafe_b64encode(secret.encode()).rstrip(b"=").decode()
    return PyJWK({"kty": "oct", "k": octets, "alg": _OWN_ALGORITHM, "kid": _OWN_KEY_ID})


def issue(secret: str, claims: Mapping[str, Any]) -> str:
    """Return a JWT of the emulator's own with these claims."""
    import jwt

    return jwt.encode(dict(claims), secret, algorithm=_OWN_ALGORITHM, headers={"kid": _OWN_KEY_ID})
