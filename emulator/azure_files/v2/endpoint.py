"""An online endpoint's YAML (Microsoft's page reference-yaml-endpoint-online)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from emulator.azure_files.v2.fields import Anything, AzureFile, EndpointName, OneOf, OnOff, Texts, Unsaid, Whole
from emulator.names import in_small_letters


def _check_traffic(traffic: dict[str, int]) -> dict[str, int]:
    for name, percent in traffic.items():
        if not 0 <= percent <= 100:
            raise ValueError(f"{name}: {percent} is not a percentage from 0 to 100")
    if sum(traffic.values()) not in (0, 100):
        raise ValueError(f"the percentages must be 0 or 100 in sum, not {sum(traffic.values())}")
    return _small_letters(traffic)


def _small_letters(percents: dict[str, int]) -> dict[str, int]:
    """Keys as azure-ai-ml sends them (row names.case); of two that become one, its last would silently win."""
    found: dict[str, int] = {}
    for name, percent in percents.items():
        small = in_small_letters(name)
        if small in found:
            raise ValueError(f"{small} is named twice, in capitals and small letters, which are the same to the cloud")
        found[small] = percent
    return found


def _check_mirror(mirror: dict[str, int]) -> dict[str, int]:
    if len(mirror) > 1:
        raise ValueError(f"one deployment can be mirrored to, not {len(mirror)}")
    for name, percent in mirror.items():
        if not 0 <= percent <= 50:
            raise ValueError(f"{name}: {percent} is not a percentage from 0 to 50")
    return _small_letters(mirror)


class IdentityFile(AzureFile):
    """Who the endpoint is for other services of the cloud."""

    type: Annotated[str, OneOf("system_assigned", "user_assigned")] = "system_assigned"
    user_assigned_identities: list[Any] = []
    principal_id: str | None = None
    tenant_id: str | None = None


class EndpointFile(AzureFile):
    """The keys of an online endpoint, managed or Kubernetes."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    name: EndpointName
    auth_mode: Annotated[str, OneOf("key", "aml_token", "aad_token")] | None = None
    compute: str | None = None
    identity: IdentityFile | None = None
    traffic: Annotated[dict[str, Whole], AfterValidator(_check_traffic)] | None = None
    mirror_traffic: Annotated[dict[str, Whole], AfterValidator(_check_mirror)] | None = None
    public_network_access: OnOff | None = None
    description: str = ""
    tags: Texts = {}
    properties: Texts = {}
    id: str | None = Unsaid
    location: str | None = Unsaid
    provisioning_state: str | None = Unsaid
    scoring_uri: str | None = Unsaid
    openapi_uri: str | None = Unsaid
    kind: str | None = Unsaid

    @property
    def is_kubernetes(self) -> bool:
        """As azure-ai-ml decides it: an endpoint with `compute` is one of Kubernetes."""
        return self.compute is not None or "kubernetes" in (self.schema_ or "").lower()

    @property
    def cloud_settings(self) -> Anything:
        """The fields that only the cloud acts upon, as the file has them."""
        kept = self.model_dump(mode="json", include={"compute", "identity", "public_network_access"}, exclude_none=True)
        return {key: value for key, value in kept.items() if key in self.model_fields_set}
