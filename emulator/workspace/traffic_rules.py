"""What the traffic of an endpoint may be (rows traffic.*)."""

from __future__ import annotations

from collections.abc import Mapping, Set

from emulator.entities import OnlineEndpoint
from emulator.errors import BadArgument
from emulator.profiles import profile_of


def check_traffic(endpoint: OnlineEndpoint, deployments: Set[str]) -> None:
    """Raise BadArgument unless the endpoint's traffic and mirror_traffic can be; `deployments` are all it has."""
    for name in (*endpoint.traffic, *endpoint.mirror_traffic):
        if name not in deployments:
            known = ", ".join(sorted(deployments)) or "none"
            raise _bad(endpoint, f"endpoint '{endpoint.name}' has no deployment '{name}'; it has: {known}")
    _check_weights(endpoint)
    if any(endpoint.mirror_traffic.values()):
        _check_mirror(endpoint)


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
