"""The probe of containers that start: asks often, and remembers what the last answer was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from emulator.containers.spec import probe_route
from emulator.engines import Container
from emulator.entities import OnlineDeployment, Route
from emulator.entities.probing import ProbeAnswer
from emulator.profiles import profile_of

Probe = Callable[[Container, str, float, Mapping[str, str]], ProbeAnswer]

_TIMEOUT_SECONDS = 2.0
_KINDS: tuple[Literal["readiness", "liveness"], ...] = ("readiness", "liveness")
_NEEDS_ROUTES = "; an image that answers elsewhere needs inference_config in its environment, here as in the cloud"


class StartProbe:
    """Asks each of a deployment's routes once: a start succeeds when all of them pass (row custom.probes).

    One whose liveness route does not would be killed soon (contract/managed §11 T19).
    """

    def __init__(self, deployment: OnlineDeployment, probe: Probe) -> None:
        self._deployment = deployment
        self._routes = list(dict.fromkeys((r.port, r.path) for r in (probe_route(deployment, k) for k in _KINDS)))
        self._probe = probe
        self._headers = profile_of(deployment.target).probes.headers
        self._passing_status = profile_of(deployment.target).probes.passing_status
        self._failed: dict[str, tuple[Route, ProbeAnswer]] = {}

    def passes(self, container: Container) -> bool:
        """Whether the container answers as it should now."""
        for port, path in self._routes:
            answer = self._probe(container.at(port), path, _TIMEOUT_SECONDS, self._headers)
            if not answer.passes(self._passing_status):
                self._failed[container.id] = (Route(port=port, path=path), answer)
                return False
        return True

    def why_not(self, container: Container) -> str:
        """What the image's own server was asked last, and answered; '' for the server of amlemu's images."""
        if not self._deployment.own_command or container.id not in self._failed:
            return ""
        route, answer = self._failed[container.id]
        elsewhere = "" if self._deployment.inference_config else _NEEDS_ROUTES
        return f"GET {route.path} on its port {route.port}: {answer}{elsewhere}"
