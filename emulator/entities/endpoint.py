"""An online endpoint: a stable URI, its keys and its traffic."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from emulator.entities.base import Differences, Entity, rule
from emulator.names import V1_TARGETS, check_endpoint_name, check_key, in_small_letters

Target = Literal["managed", "kubernetes", "aks", "aci", "local"]
AuthMode = Literal["key", "aml_token", "aad_token", "none"]
ProvisioningState = Literal["Creating", "Updating", "Scaling", "Deleting", "Succeeded", "Failed", "Canceled"]


def put_in_small_letters(request: Entity, *fields: str) -> None:
    """Lower-case names of a request under construction, as the cloud does; v1 refuses capitals (row names.case)."""
    if getattr(request, "target", None) not in V1_TARGETS:
        for name in fields:
            object.__setattr__(request, name, in_small_letters(getattr(request, name)))


class OnlineEndpoint(Entity):
    """An endpoint as it is stored; what runs behind it is its deployments'.

    `port` is its own port for life.  `auth_mode` has `none` beside Azure's three, for ACI's default and for `local`,
    where v2 has no word for it (row auth.modes).  `traffic` holds percent by deployment name.
    """

    name: Annotated[str, rule(check_endpoint_name)]
    target: Target = "managed"
    auth_mode: AuthMode = "key"
    port: int = Field(ge=1, le=65535)
    traffic: dict[str, int] = {}
    mirror_traffic: dict[str, int] = {}
    provisioning_state: ProvisioningState = "Creating"
    description: str = ""
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    cloud_settings: dict[str, Any] = {}
    differences: Differences = ()
    created_at: str


class EndpointRequest(Entity):
    """What a caller wants an endpoint to be; None leaves what is, or takes the target's default for a new one.

    `cloud_settings` are fields that only the cloud acts upon, kept for whoever reads the endpoint; `differences` is
    what the door has found in that respect.
    """

    name: Annotated[str, rule(check_endpoint_name)]
    target: Target | None = None
    auth_mode: AuthMode | None = None
    port: int | None = Field(None, ge=1, le=65535)
    primary_key: Annotated[str, rule(check_key)] | None = Field(None, repr=False)
    description: str = ""
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    cloud_settings: dict[str, Any] = {}
    differences: Differences = ()

    @model_validator(mode="after")
    def _name_in_small_letters(self) -> EndpointRequest:
        put_in_small_letters(self, "name")
        return self


class EndpointKeys(Entity):
    """The two keys of an endpoint; either opens it (row auth.keys)."""

    primary_key: str = Field(min_length=1, repr=False)
    secondary_key: str = Field(min_length=1, repr=False)


class EndpointToken(Entity):
    """A token that opens an endpoint until it expires; times are seconds since 1970, UTC (row auth.token_fields)."""

    access_token: str = Field(min_length=1, repr=False)
    expiry_time_utc: int
    refresh_after_time_utc: int
