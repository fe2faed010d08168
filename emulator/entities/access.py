"""Callers, roles and access tokens of the control API."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from emulator.entities.base import Entity, rule
from emulator.names import check_asset_name

Role = Literal["viewer", "deployer", "admin"]
"""A viewer reads what is no secret; a deployer also changes models, environments and endpoints, and has their keys; an
admin also ends the emulator, prunes, and hands out tokens."""

ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may."""


def _check_name(name: str) -> str:
    return check_asset_name(name, "token")


class AccessToken(Entity):
    """A token that was handed out: the emulator keeps its digest, not the token itself."""

    name: Annotated[str, rule(_check_name)]
    role: Role
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    created_at: str


class AccessTokens(Entity):
    """Every token that was handed out, in the order of its making."""

    tokens: tuple[AccessToken, ...]


class SigningSecret(Entity):
    """The secret that signs a workspace's own tokens."""

    secret: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)


class Caller(Entity):
    """Who a request comes from, by name, and what it may do.

    `identity` is that of its token, under which is kept what is the caller's alone: a name may be another's later on.
    `is_owner` says that it has the emulator's own admin token, not one that was handed out.
    """

    name: str
    role: Role
    identity: str
    is_owner: bool = False

    def may(self, role: Role) -> bool:
        """Return whether the caller has at least that role.

        >>> ci = Caller(name="ci", role="deployer", identity="0a1b")
        >>> ci.may("viewer"), ci.may("admin")
        (True, False)
        """
        return ROLES.index(role) <= ROLES.index(self.role)
