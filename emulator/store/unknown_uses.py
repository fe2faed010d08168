"""What damaged documents may use, which is therefore never removed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from emulator.store.damage import ASIDE, Damage


@dataclass(frozen=True)
class UnknownUses:
    """The endpoints and deployments with damaged documents, and whether a damaged one may name models' contents, or
    build contexts and images."""

    endpoints: frozenset[str] = frozenset()
    deployments: frozenset[tuple[str, str]] = frozenset()
    all_endpoints: bool = False
    of_contents: bool = False
    of_contexts: bool = False

    @classmethod
    def of(cls, damage: Iterable[Damage], aside: Sequence[Path]) -> UnknownUses:
        """Return what damaged documents may use, those moved aside included, by their original paths in the home."""
        found = list(damage)
        endpoints = {d.endpoint for d in found if d.endpoint and not d.deployment}
        deployments = {(d.endpoint, d.deployment) for d in found if d.deployment}
        kinds = {kind for d in found for kind in d.resource.removeprefix("all ").split()[:1]}
        all_endpoints = "endpoints" in kinds
        for path in aside:
            kind, *rest = path.parts
            kinds.add(kind)
            if kind == "endpoints" and len(rest) == 3:
                deployments.add((rest[0], Path(rest[2]).stem))
            elif kind == "endpoints" and rest:
                endpoints.add(rest[0])
        return cls(
            frozenset(endpoints),
            frozenset(deployments),
            all_endpoints,
            of_contents=bool(kinds & {"model", "models"}),
            of_contexts=bool(
                all_endpoints or endpoints or deployments or kinds & {"environment", "environments", "what", "images"}
            ),
        )

    def of_layout(self, endpoint: str, deployment: str) -> bool:
        """Return whether a layout of that deployment may be in use."""
        return self.all_endpoints or endpoint in self.endpoints or (endpoint, deployment) in self.deployments

    def told(self) -> list[str]:
        """Return what is kept, and why, a line each."""
        why = f"damaged, or moved to the home's folder '{ASIDE}', is what may use"
        lines = [f"all layouts: {why} them"] if self.all_endpoints else []
        lines += [f"layouts of endpoint {name}: {why} them" for name in sorted(self.endpoints)]
        lines += [f"layouts of deployment {name} of endpoint {e}: {why} them" for e, name in sorted(self.deployments)]
        lines += [f"the contents of all models: {why} one"] if self.of_contents else []
        return lines + ([f"build contexts and images: {why} one"] if self.of_contexts else [])
