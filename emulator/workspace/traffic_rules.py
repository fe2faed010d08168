"""Rules for an endpoint's traffic (rows traffic.*)."""

from __future__ import annotations

from collections.abc import Mapping, Set

from emulator.entities import OnlineEndpoint
from emulator.errors import BadArgument
from emulator.names import in_small_letters
from emulator.profiles import profile_of


def check_traffic(endpoint: OnlineEndpoint, deployments: Set[str]) -> None:
    """Raise BadArgument for invalid traffic or mirror_traffic; `deployments` are all that the endpoint has."""
    for name in (*endpoint.traffic, *endpoint.mirror_traffic):
        if name not in deployments:
            known = ", ".join(sorted(deployments)) or "none"
            raise _bad(endpoint, f"endpoint '{endpoint.name}' has no deployment '{name}'; it has: {known}")
    _check_weights(endpoint)
    if any(endpoint.mirror_traffic.values()):
        _check_mirror(endpoint)


def check_may_go(endpoint: OnlineEndpoint, deployment: str) -> None:
    """Raise BadArgument for a deployment with traffic that its target does not delete (row traffic.refuses_delete)."""
    percent = endpoint.traffic.get(deployment, 0)
    if percent and profile_of(endpoint.target).rules.refuses_delete_with_traffic:
        others = [name for name, weight in endpoint.traffic.items() if weight and name != deployment]
        first = f"{others[0]}={endpoint.traffic[others[0]] + percent}" if others else ""
        rest = [f"{name}={endpoint.traffic[name]}" for name in others[1:]]
        split = " ".join([f"{deployment}=0", *([first] if first else []), *rest])
        raise BadArgument(
            f"deployment '{deployment}' has {percent} % of the traffic, which is taken away before it can be deleted",
            target=f"deployment {deployment} of endpoint {endpoint.name}",
            hint=f"`amlemu traffic {endpoint.name} {split}`, then delete it; or delete the endpoint with all it has",
        )


def small_letters(percents: Mapping[str, int], deployments: Set[str]) -> dict[str, int]:
    """Return the percentages by the deployments' stored names; capitals become lower case (row names.case)."""
    return {name if name in deployments else in_small_letters(name): value for name, value in percents.items()}


def _check_weights(endpoint: OnlineEndpoint) -> None:
    sums, total = profile_of(endpoint.target).scoring.weights_sums, sum(endpoint.traffic.values())
    if total not in sums or any(not 0 <= weight <= 100 for weight in endpoint.traffic.values()):
        allowed = " or ".join(map(str, sums))
        raise _bad(endpoint, f"traffic must be whole percents that add up to {allowed}, not {total}")


def _check_mirror(endpoint: OnlineEndpoint) -> None:
    scoring = profile_of(endpoint.target).scoring
    mirror: Mapping[str, int] = {name: percent for name, percent in endpoint.mirror_traffic.items() if percent}
    if scoring.mirror_most_percent is None:
        raise _bad(endpoint, f"target {endpoint.target} cannot mirror traffic: only managed endpoints can")
    if scoring.mirror_targets is not None and len(mirror) > scoring.mirror_targets:
        raise _bad(endpoint, f"traffic is mirrored to {scoring.mirror_targets} deployment at most, not {len(mirror)}")
    for name, percent in mirror.items():
        if not 0 < percent <= scoring.mirror_most_percent:
            raise _bad(endpoint, f"mirror_traffic is 1 to {scoring.mirror_most_percent} percent, not {percent}")
        if endpoint.traffic.get(name):
            raise _bad(endpoint, f"deployment '{name}' has live traffic, so it cannot get mirrored traffic too")


def _bad(endpoint: OnlineEndpoint, message: str) -> BadArgument:
    return BadArgument(message, target=f"endpoint {endpoint.name}")
