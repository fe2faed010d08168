"""The check of a request's credential, from its Authorization header, its path and the time alone.  Pure.

Source of each rule: the row that the profile's field names (emulator/profiles/table/auth.py).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from emulator.entities import AuthMode
from emulator.profiles import Answer, Profile
from emulator.routing.tokens import TokenCheck

SWAGGER_PATH = b"/swagger.json"
HEALTH_PATH = b"/"


class Verdict(NamedTuple):
    """The result of a check: `answer` rejects the request, None accepts it.

    `reason` is the row id of the answer, `why` a sentence for the log where the row id says too little, `identity` the
    object id in an accepted token.  None of them holds a part of a credential.
    """

    answer: Answer | None = None
    reason: str = ""
    why: str = ""
    identity: str = ""


_ACCEPTED = Verdict()
_UNAUTHORIZED = Answer(401, "Unauthorized")


def _rejected(answer: Answer | None, reason: str, why: str = "") -> Verdict:
    # a row without an answer must never accept a request
    return Verdict(answer or _UNAUTHORIZED, reason, why)


@dataclass(frozen=True)
class Access:
    """The credentials that an endpoint accepts: its `keys`, or with a token mode those that `tokens` accepts.

    Without either, everything is accepted where the profile has the mode `none`, and nothing where it has not.
    `old_keys` are valid too, each until its second since 1970 (row auth.regenerate).
    """

    profile: Profile
    keys: tuple[bytes, ...] = field(repr=False)
    tokens: TokenCheck | None = field(default=None, repr=False)
    old_keys: Mapping[bytes, float] = field(default_factory=dict, repr=False)

    @cached_property
    def auth_mode(self) -> AuthMode:
        """The mode in effect."""
        if self.tokens is not None:
            return self.tokens.auth_mode
        return "none" if not self.keys and "none" in self.profile.auth_modes else "key"

    @cached_property
    def open_paths(self) -> frozenset[bytes] | None:
        """The paths that need no credential; None when every path is open."""
        if self.auth_mode == "none" or not self.profile.front_door:
            return None
        swagger = () if self.profile.swagger_requires_key else (SWAGGER_PATH,)
        health = () if self.profile.health_requires_key else (HEALTH_PATH,)
        return frozenset((*swagger, *health))

    def needs_credential_at(self, path: bytes) -> bool:
        """Whether that path, without prefix and query, needs a credential."""
        return self.open_paths is not None and path not in self.open_paths

    def auth_type_at(self, path: bytes) -> str:
        """The AuthType of a request for that path (row auth.logged_type); '' where no credential is needed."""
        return self.profile.auth_types[self.auth_mode] if self.needs_credential_at(path) else ""

    def check(self, path: bytes, authorization: tuple[bytes, ...], now: float) -> Verdict:
        """Check a request's credential.

        `path` is without prefix and query, `authorization` holds the value of every such header, `now` is seconds
        since 1970.
        """
        if not self.needs_credential_at(path):
            return _ACCEPTED
        credential = self._credential(authorization)
        if self.tokens is not None:
            return self._check_token(self.tokens, credential, now)
        return self._check_key(credential, now, has_header=bool(authorization))

    @cached_property
    def _scheme(self) -> bytes:
        return f"{self.profile.auth_scheme} ".lower().encode()

    def _credential(self, authorization: tuple[bytes, ...]) -> bytes | None:
        """Return what follows the scheme (of any case, RFC 9110 §11.1); None unless there is exactly one header."""
        scheme = self._scheme
        if len(authorization) != 1 or authorization[0][: len(scheme)].lower() != scheme:
            return None
        return authorization[0][len(scheme) :].strip() or None

    def _check_key(self, key: bytes | None, now: float, *, has_header: bool) -> Verdict:
        profile = self.profile
        if not has_header:
            return _rejected(profile.no_auth_header, "auth.no_header")
        if key is None:
            return _rejected(profile.malformed_auth_header, "auth.malformed_header")
        # every key is compared, so that the time taken does not reveal which one is close
        if sum(hmac.compare_digest(key, valid) for valid in self.keys) == 0 and not self._is_old_key(key, now):
            return _rejected(profile.wrong_key, "auth.wrong_key")
        return _ACCEPTED

    def _is_old_key(self, key: bytes, now: float) -> bool:
        living = [old for old, until in self.old_keys.items() if now < until]
        return sum(hmac.compare_digest(key, old) for old in living) > 0

    def _check_token(self, tokens: TokenCheck, token: bytes | None, now: float) -> Verdict:
        if token is None:
            return _rejected(self.profile.bad_token_header, "auth.token_header")
        found = tokens.check(token, now)
        if not found.why:
            return Verdict(identity=found.identity)
        why = f"the token was refused: {found.why}"
        if found.wrong_tenant:
            return _rejected(self.profile.wrong_tenant, "auth.wrong_tenant", why)
        return _rejected(self.profile.refused_token, "auth.refused_token", why)
