"""What a target's cloud takes and refuses when something is deployed: names, limits and scripts, resolved."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, field

from emulator.profiles.facts import read_from as _row


@dataclass(frozen=True)
class RulesProfile:
    """Names, limits and scripts; None is no limit."""

    endpoint_name_pattern: str = field(metadata=_row("names.endpoint"))
    longest_names_together: int | None = field(metadata=_row("names.together"))
    new_deployment_percent: int = field(metadata=_row("traffic.new_deployment"))
    refuses_delete_with_traffic: bool = field(metadata=_row("traffic.refuses_delete"))
    failed_create_is_final: bool = field(metadata=_row("deployment.failed_create_is_final"))
    max_instances: int | None = field(metadata=_row("limits.instances"))
    max_deployments: int | None = field(metadata=_row("limits.deployments"))
    max_model_bytes: int | None = field(metadata=_row("limits.model_bytes"))
    takes_registry_assets: bool = field(metadata=_row("registry.other_registries"))
    script_must_be_module: bool = field(metadata=_row("script.module_name"))
    takes_custom_containers: bool = field(metadata=_row("custom.taken"))
    override_file: str | None = field(metadata=_row("custom.override_file"))
    routes_may_change: bool = field(metadata=_row("custom.routes_may_change"))
    serves_while_updating: bool = field(metadata=_row("deployment.serves_while_updating"))

    def names_endpoint(self, name: str) -> bool:
        """Whether `name` may name an endpoint of this target."""
        return re.fullmatch(self.endpoint_name_pattern, name) is not None

    def takes_script(self, stem: str) -> bool:
        """Whether a script of that name without its suffix may be the entry script."""
        return not self.script_must_be_module or (stem.isidentifier() and not keyword.iskeyword(stem))
