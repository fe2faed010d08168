"""Routes: endpoints, their deployments and instances, as the gateway serves them.  Frozen: a request sees one state."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Literal

from emulator.profiles import TARGETS, Profile, profile_of
from emulator.routing.credentials import Access
from emulator.routing.http_heads import header_line, with_hop_by_hop
from emulator.routing.tokens import TokenCheck

# The response headers of https://fetch.spec.whatwg.org/#http-responses, and of its extension for private networks.
_CORS_HEADERS = (
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-allow-private-network",
    "access-control-expose-headers",
    "access-control-max-age",
)
_PREFIX_SEGMENTS = 5  # '', 'api', 'v1', 'endpoint' or 'service', the name


@dataclass(frozen=True)
class Instance:
    """A scoring container that is ready: its requests are counted by `id`, and sent to `host` and `port`."""

    id: str
    host: str
    port: int

    @cached_property
    def address(self) -> str:
        """Host and port in the form of a Host header."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @cached_property
    def family(self) -> socket.AddressFamily | None:
        """The address family of a numeric host, None for a name."""
        try:
            return socket.AF_INET6 if ipaddress.ip_address(self.host).version == 6 else socket.AF_INET
        except ValueError:
            return None


@dataclass(frozen=True)
class PayloadCollection:
    """What a data_collector collects: which bodies, at which rate (0 to 1), with which headers (rows collection.*)."""

    request: bool
    response: bool
    sampling_rate: float = 1.0
    rolling_rate: Literal["minute", "hour", "day"] = "hour"
    capture_headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeploymentRoute:
    """A deployment: `weight` is its percent of the traffic; `instances` are the ready ones of `instance_count`.

    Request settings are milliseconds and counts, None for no limit.  Without a `collector` nothing is collected.
    """

    name: str
    weight: int
    instances: tuple[Instance, ...]
    instance_count: int = 1
    max_concurrent: int = 1
    timeout_ms: int | None = None
    queue_wait_ms: int | None = None
    collector: PayloadCollection | None = None


@dataclass(frozen=True)
class EndpointRoute:
    """An endpoint: where it is served, the credentials that it accepts, and its deployments.

    `port` is its own; a target with a path is served on the gateway's shared port instead.  `keys`, `tokens` and
    `old_keys` are those of `Access`.  `mirror` holds the deployments that get copies, each with its percent.
    """

    name: str
    port: int
    profile: Profile
    keys: tuple[str, ...] = field(repr=False)
    deployments: tuple[DeploymentRoute, ...]
    mirror: tuple[tuple[str, int], ...] = ()
    tokens: TokenCheck | None = field(default=None, repr=False)
    old_keys: Mapping[str, float] = field(default_factory=dict, repr=False)

    @cached_property
    def path_prefix(self) -> str:
        """The path before the container's own paths; empty on a port of its own."""
        return self.profile.path_prefix(self.name)

    @cached_property
    def paths(self) -> frozenset[bytes]:
        """The only paths, without prefix and query, that reach a container, where not all do (row routing.paths)."""
        rule = self.profile.paths
        return frozenset(path.encode() for path in rule.only) if rule else frozenset()

    @cached_property
    def chooses_anew(self) -> bool:
        """Whether the weights choose for each request (row traffic.per_request)."""
        return self.profile.scoring.weights_choose_for == "request"

    @cached_property
    def weights(self) -> Mapping[str, int]:
        """Percent by deployment name, of those that take part (row traffic.failed_keeps_weight)."""
        keep = self.profile.scoring.failed_keeps_weight
        ready = [deployment for deployment in self.deployments if keep or deployment.instances]
        return {deployment.name: deployment.weight for deployment in ready or self.deployments}

    @cached_property
    def sole(self) -> str | None:
        """The deployment that gets all of the traffic; None when several or none get any."""
        positive = [name for name, weight in self.weights.items() if weight > 0]
        return positive[0] if len(positive) == 1 else None

    @cached_property
    def by_name(self) -> Mapping[str, DeploymentRoute]:
        """The deployments by name."""
        return {deployment.name: deployment for deployment in self.deployments}

    @cached_property
    def access(self) -> Access:
        """The credentials that the endpoint accepts."""
        old = {key.encode(): until for key, until in self.old_keys.items()}
        return Access(self.profile, tuple(key.encode() for key in self.keys), self.tokens, old)

    @cached_property
    def deployment_header(self) -> bytes:
        """The request header, lower case, that names the deployment; empty without one."""
        return (self.profile.deployment_header or "").lower().encode()

    @cached_property
    def client_id_header(self) -> bytes:
        """The request header, lower case, with the caller's own id, where the front door rewrites it; else empty."""
        return (self.profile.scoring.client_request_id_header or "").encode()

    @cached_property
    def dropped_from_requests(self) -> frozenset[bytes]:
        """The request headers, lower case, that are not forwarded: hop-by-hop ones and the front door's own."""
        scoring = self.profile.scoring
        kept_here = None if scoring.authorization_passes else "authorization"
        own = self.profile.request_id_header, scoring.client_request_id_header, kept_here
        return with_hop_by_hop(_lower(*own, *scoring.dropped_headers))

    @cached_property
    def dropped_from_answers(self) -> frozenset[bytes]:
        """The response headers, lower case, that are not forwarded: hop-by-hop ones and the front door's own."""
        profile = self.profile
        return with_hop_by_hop(
            _lower(
                profile.scoring.model_time_header,
                profile.request_id_header,
                profile.model_deployment_header,
                profile.model_session_header,
                "server" if profile.server else None,
                *profile.scoring.dropped_headers,
                *(() if profile.scoring.cors_headers_of == "container" else _CORS_HEADERS),
            )
        )

    @cached_property
    def first_lines(self) -> bytes:
        """The lines at the beginning of every response: the front door's own Server and CORS headers, if any."""
        server = header_line("server", self.profile.server) if self.profile.server else b""
        any_origin = self.profile.scoring.cors_headers_of == "any"
        return server + (header_line("access-control-allow-origin", "*") if any_origin else b"")

    @cached_property
    def _deployment_lines(self) -> dict[tuple[str, bool], bytes]:
        return {}

    def deployment_lines(self, deployment: str, weighted: bool) -> bytes:
        """Return the lines of a response that name the deployment; `weighted` if the weights chose it."""
        known = self._deployment_lines.get((deployment, weighted))
        if known is None:
            headers = [self.profile.model_deployment_header, self.profile.model_session_header if weighted else None]
            known = b"".join(header_line(header, deployment) for header in headers if header)
            if deployment in self.by_name:
                self._deployment_lines[deployment, weighted] = known
        return known


@dataclass(frozen=True)
class Snapshot:
    """All endpoints at one moment: by name, by own port, and by path on the shared port."""

    endpoints: Mapping[str, EndpointRoute]
    by_port: Mapping[int, EndpointRoute]
    by_prefix: Mapping[bytes, EndpointRoute]

    @classmethod
    def of(cls, routes: Iterable[EndpointRoute]) -> Snapshot:
        """Make the snapshot of those endpoints."""
        endpoints = {route.name: route for route in routes}
        own = {route.port: route for route in endpoints.values() if not route.path_prefix}
        shared = {route.path_prefix.encode(): route for route in endpoints.values() if route.path_prefix}
        return cls(MappingProxyType(endpoints), MappingProxyType(own), MappingProxyType(shared))

    def with_route(self, route: EndpointRoute) -> Snapshot:
        """Return a snapshot with that endpoint added or replaced."""
        return Snapshot.of((*(r for r in self.endpoints.values() if r.name != route.name), route))

    def without(self, name: str) -> Snapshot:
        """Return a snapshot without that endpoint."""
        return Snapshot.of(route for route in self.endpoints.values() if route.name != name)

    @property
    def instances(self) -> frozenset[Instance]:
        """Every instance of every deployment."""
        return frozenset(
            instance
            for route in self.endpoints.values()
            for deployment in route.deployments
            for instance in deployment.instances
        )


def _lower(*names: str | None) -> frozenset[bytes]:
    return frozenset(name.lower().encode() for name in names if name)


def longest_shared_head() -> int:
    """The longest head in bytes that any target on the shared port accepts (row limits.head_bytes)."""
    profiles = [profile_of(target) for target in TARGETS]
    return max(profile.scoring.head_bytes for profile in profiles if profile.path_prefix_template)


def split_prefix(target: bytes) -> tuple[bytes, bytes]:
    """Split a request target on the shared port into the endpoint's prefix and the target for the container.

    >>> split_prefix(b"/api/v1/service/iris/score?a=1")
    (b'/api/v1/service/iris', b'/score?a=1')
    >>> split_prefix(b"/api/v1/service/iris?a=1")
    (b'/api/v1/service/iris', b'/?a=1')
    """
    path, mark, query = target.partition(b"?")
    parts = path.split(b"/", _PREFIX_SEGMENTS)
    rest = parts[_PREFIX_SEGMENTS] if len(parts) > _PREFIX_SEGMENTS else b""
    return b"/".join(parts[:_PREFIX_SEGMENTS]), b"/" + rest + mark + query
