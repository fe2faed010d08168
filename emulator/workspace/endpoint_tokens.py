"""Tokens of endpoints: issued by the workspace, checked by the gateway."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from emulator.difference import Difference, differs
from emulator.entities import AuthMode, EndpointToken, OnlineEndpoint, Target
from emulator.errors import BadArgument, DamagedDocument
from emulator.profiles import profile_of
from emulator.routing.tokens import TokenCheck, issue, own_key
from emulator.workspace.core import Core

if TYPE_CHECKING:
    from jwt import PyJWK

_ISSUER = "amlemu"
_NO_TENANT = "00000000-0000-0000-0000-000000000000"


class EndpointTokens:
    """Issues tokens in place of the service (aml_token) and of Microsoft Entra (aad_token), for one local user."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def check_of(self, endpoint: OnlineEndpoint) -> TokenCheck | None:
        """Return the check of the endpoint's tokens; None for an endpoint without tokens."""
        if endpoint.auth_mode not in ("aml_token", "aad_token"):
            return None
        aad = endpoint.auth_mode == "aad_token"
        return TokenCheck(
            endpoint.auth_mode,
            (*self._own_keys(), *(self._core.config.aad_trust.keys if aad else ())),
            _audience(endpoint),
            tenant=self._core.config.aad_trust.tenant if aad else "",
            identity_claim=profile_of(endpoint.target).identity_claim or "oid",
        )

    def _own_keys(self) -> tuple[PyJWK, ...]:
        """Return the workspace's key; without a readable secret none, so that none of its tokens is valid."""
        try:
            return (own_key(self._core.store.signing_secret()),)
        except DamagedDocument:
            return ()

    def issue(self, endpoint: OnlineEndpoint) -> EndpointToken:
        """Return a new token; raise BadArgument for an endpoint without tokens."""
        profile = profile_of(endpoint.target)
        lifetime, refresh = profile.token_lifetime_seconds, profile.token_refresh_seconds
        if endpoint.auth_mode not in ("aml_token", "aad_token") or lifetime is None or refresh is None:
            message = f"Endpoint '{endpoint.name}' does not use tokens for authentication."
            raise BadArgument(message, target=f"endpoint {endpoint.name}", hint=f"amlemu show {endpoint.name}")
        issued = int(self._core.effects.epoch())
        claims = self._claims(endpoint) | {"iat": issued, "nbf": issued, "exp": issued + lifetime}
        return EndpointToken(
            access_token=issue(self._core.store.signing_secret(), claims),
            expiry_time_utc=issued + lifetime,
            refresh_after_time_utc=issued + refresh,
        )

    def differences(self, target: Target, auth_mode: AuthMode) -> list[Difference]:
        """Return how the check of tokens differs from the cloud's (row auth.aad_action)."""
        profile = profile_of(target)
        if auth_mode != "aad_token" or profile.aad_action is None:
            return []
        text = f"aad_token: there are no roles here, so every valid token may score ({profile.aad_action})"
        if not self._core.config.aad_trust.keys:
            text += ", and only `amlemu keys` issues one; AMLEMU_AAD_KEYS names a file with a provider's keys"
        return [differs("auth.no_roles", text)]

    def _claims(self, endpoint: OnlineEndpoint) -> dict[str, Any]:
        user = str(uuid.uuid5(uuid.NAMESPACE_OID, f"amlemu {self._core.store.workspace_id}"))
        claims = {"iss": _ISSUER, "aud": _audience(endpoint), "oid": user, "sub": user}
        return (
            claims | {"tid": self._core.config.aad_trust.tenant or _NO_TENANT}
            if endpoint.auth_mode == "aad_token"
            else claims
        )


def _audience(endpoint: OnlineEndpoint) -> str:
    """An aad_token is for every endpoint (row auth.aad_audience); an aml_token for this one, while it lives."""
    audience = profile_of(endpoint.target).aad_audience
    if endpoint.auth_mode == "aad_token" and audience is not None:
        return audience
    return f"urn:amlemu:endpoint:{endpoint.name}:{endpoint.created_at}"
