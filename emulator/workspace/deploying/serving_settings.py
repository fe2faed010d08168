"""A deployment's request settings and probes: what was asked for, filled up with what its target has."""

from __future__ import annotations

from emulator.difference import Difference, differs
from emulator.entities import DeploymentRequest, OnlineRequestSettings, ProbeSettings, Target
from emulator.errors import BadArgument
from emulator.profiles import profile_of


def settled_request_settings(asked: OnlineRequestSettings, target: Target) -> OnlineRequestSettings:
    """What is asked for, with the target's defaults for the rest; BadArgument for a longer time-out than it has."""
    profile = profile_of(target).scoring
    timeout = asked.request_timeout_ms or profile.default_timeout_ms
    if timeout is not None and profile.longest_timeout_ms is not None and timeout > profile.longest_timeout_ms:
        raise BadArgument(
            f"request_timeout_ms is {timeout}, and target {target} takes {profile.longest_timeout_ms} at most",
            target="request_settings.request_timeout_ms",
        )
    waited = asked.max_queue_wait_ms if asked.max_queue_wait_ms is not None else profile.default_queue_wait_ms
    return OnlineRequestSettings(
        request_timeout_ms=None if profile.default_timeout_ms is None else timeout,
        max_concurrent_requests_per_instance=asked.max_concurrent_requests_per_instance
        or profile.default_max_concurrent,
        max_queue_wait_ms=None if profile.default_queue_wait_ms is None else waited,
    )


def request_settings_differences(asked: OnlineRequestSettings, target: Target) -> list[Difference]:
    """Settings that the target's cloud would not take."""
    profile = profile_of(target).scoring
    found = []
    if asked.request_timeout_ms is not None and profile.default_timeout_ms is None:
        text = f"request_timeout_ms has no effect: target {target} has no front door"
        found.append(differs("request_settings.timeout", text))
    if target == "aci" and asked.request_timeout_ms not in (None, profile.default_timeout_ms):
        text = "the time-out of ACI cannot be set in the cloud: it is 60 s there"
        found.append(differs("request_settings.timeout", text))
    if asked.max_queue_wait_ms is not None and profile.default_queue_wait_ms is None:
        text = f"max_queue_wait_ms has no effect: the front door of target {target} has no queue"
        found.append(differs("request_settings.queue_wait", text))
    return found


def probe_settings(request: DeploymentRequest, target: Target) -> dict[str, ProbeSettings]:
    """The deployment's `liveness_probe` and `readiness_probe`, filled up with the target's defaults.

    Raises BadArgument for a liveness probe that wants several successes (contract/managed §5.2).
    """
    profile = profile_of(target).probes
    liveness = (request.liveness_probe or ProbeSettings()).over(profile.liveness)
    readiness = (request.readiness_probe or ProbeSettings()).over(profile.readiness)
    if liveness.success_threshold != profile.liveness_success_threshold:
        message = f"liveness_probe.success_threshold must be {profile.liveness_success_threshold}"
        raise BadArgument(f"{message}, not {liveness.success_threshold}", target=f"deployment {request.name}")
    return {"liveness_probe": liveness, "readiness_probe": readiness}
