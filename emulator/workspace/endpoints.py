"""Verbs on online endpoints: keys, traffic, and the routes of the gateway."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from emulator.containers.data_collection import payload_collection
from emulator.difference import Difference
from emulator.engines import Container
from emulator.entities import (
    AuthMode,
    EndpointKeys,
    EndpointRequest,
    EndpointToken,
    OnlineDeployment,
    OnlineEndpoint,
    Target,
    check_endpoint_name,
)
from emulator.errors import (
    BadArgument,
    DamagedDocument,
    EmulatorError,
    OperationInProgress,
    OutOfQuota,
    ResourceNotFound,
)
from emulator.names import check_key, in_small_letters, may_name_endpoint
from emulator.profiles import profile_of
from emulator.routing.routes import DeploymentRoute, EndpointRoute, Instance
from emulator.store.damage import Damage
from emulator.workspace.core import Core
from emulator.workspace.endpoint_tokens import EndpointTokens
from emulator.workspace.traffic_rules import check_traffic, small_letters

DeploymentKey = tuple[str, str]
"""Endpoint name, deployment name."""

_log = logging.getLogger(__name__)
_RESTORING, _ASKED_FOR = "restoring", "asked for"


class Endpoints:
    """Endpoints and what runs behind them.

    `running` is the only record of which containers serve a deployment; the gateway is updated after every change.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._tokens = EndpointTokens(core)
        self._running: dict[DeploymentKey, tuple[Container, ...]] = {}
        self._unready: set[str] = set()
        self._old_keys: dict[str, dict[str, float]] = {}
        self._closed: dict[str, EmulatorError] = {}
        self._open: set[str] = set()
        self._held: dict[str, str] = {}
        self._released = threading.Condition()
        self._creating = threading.Lock()
        self._lock = threading.Lock()
        self._publishing = threading.Lock()

    @contextmanager
    def hold(self, name: str, *, restoring: bool = False) -> Iterator[None]:
        """Lock the endpoint; raise OperationInProgress while another operation holds it (HTTP 409).

        Operations of the emulator itself (`restoring`: at its start, and after a container's death) wait for all
        others, and all others wait for them.
        """
        with self._released:
            self._released.wait_for(lambda: self._held.get(name) not in (_RESTORING, _ASKED_FOR if restoring else ""))
            if name in self._held:
                message = f"another operation on endpoint '{name}' is in progress"
                raise OperationInProgress(message, target=f"endpoint {name}", hint="wait for it to end, then try again")
            self._held[name] = _RESTORING if restoring else _ASKED_FOR
        try:
            yield
        finally:
            with self._released:
                del self._held[name]
                self._released.notify_all()

    def is_restoring(self, name: str) -> bool:
        """Return whether the emulator is restoring the endpoint, which `hold` waits for."""
        with self._released:
            return self._held.get(name) == _RESTORING

    def wait_until_released(self, timeout_seconds: float) -> bool:
        """Wait until no operation holds an endpoint; return False at the time-out."""
        with self._released:
            return self._released.wait_for(lambda: not self._held, timeout_seconds)

    # reading

    def all(self) -> Sequence[OnlineEndpoint]:
        """Return all endpoints, ordered by name."""
        return self._core.store.endpoints()

    def list_names(self) -> list[str]:
        """Return the names of all endpoints."""
        return [endpoint.name for endpoint in self._core.store.endpoints()]

    def known_name(self, name: str, deployment: str | None = None) -> str:
        """Return the stored spelling of an endpoint's name, or of a deployment of it; an unknown name is unchanged."""
        asked = name if deployment is None else deployment
        small = in_small_letters(asked)
        if small == asked or not (may_name_endpoint(asked) and may_name_endpoint(name)):
            return asked
        names = self._core.store.endpoint_names() if deployment is None else self._core.store.deployment_names(name)
        return small if asked not in names and small in names else asked

    def get(self, name: str) -> OnlineEndpoint:
        """Return that endpoint; raise ResourceNotFound."""
        endpoint = self._core.store.find_endpoint(name)
        if endpoint is None:
            known = ", ".join(self.list_names())
            message = f"no endpoint named '{name}'" + (f"; there are: {known}" if known else "; there are none")
            raise ResourceNotFound(message, target=f"endpoint {name}", hint="amlemu deploy --name " + name)
        return endpoint

    def get_keys(self, name: str) -> EndpointKeys:
        """Return both keys; raise ResourceNotFound, or BadArgument for an endpoint without keys."""
        endpoint = self.get(name)
        if endpoint.auth_mode != "key":
            raise BadArgument(f"Endpoint '{name}' does not use keys for authentication.", target=f"endpoint {name}")
        return self._core.store.keys_of(name)

    def get_token(self, name: str) -> EndpointToken:
        """Return a new token; raise ResourceNotFound, or BadArgument for an endpoint without tokens."""
        return self._tokens.issue(self.get(name))

    def differences(self, name: str, auth_mode: AuthMode | None) -> list[Difference]:
        """Return how the check of credentials differs from the cloud's, with that mode or the endpoint's own."""
        endpoint = self.get(name)
        return self._tokens.differences(endpoint.target, auth_mode or endpoint.auth_mode)

    def running(self, name: str, deployment_name: str) -> tuple[Container, ...]:
        """Return the containers that serve a deployment."""
        with self._lock:
            return self._running.get((name, deployment_name), ())

    def all_running(self) -> dict[DeploymentKey, tuple[Container, ...]]:
        """Return the containers that serve each deployment, ready or not."""
        with self._lock:
            return dict(self._running)

    def out_of_service(self, name: str) -> str:
        """Return why the endpoint's port cannot be bound, '' while the endpoint is in service."""
        error = self._closed.get(name)
        return error.message if error else ""

    def any_out_of_service(self) -> bool:
        """Return whether any endpoint is out of service."""
        return bool(self._closed)

    # changing

    def ensure(
        self,
        name: str,
        *,
        target: Target | None,
        port: int | None,
        primary_key: str | None,
        auth_mode: AuthMode | None = None,
    ) -> OnlineEndpoint:
        """Return the endpoint, created with a port and keys when it does not exist.

        An existing one keeps its auth_mode until `update_auth_mode`, and takes the port only while it is out of
        service.  Raises BadArgument for another target or port than it has, and for an auth_mode that its target lacks.
        """
        endpoint = self._core.store.find_endpoint(name)
        if endpoint is None:
            _refuse_auth_mode(name, target or "managed", auth_mode)
            with self._creating:  # two endpoints must not find the same port free
                endpoint = self._create(name, target or "managed", port, auth_mode)
        else:
            self._refuse_change(endpoint, target, port, auth_mode)
            if port not in (None, endpoint.port):
                endpoint = self.put(endpoint.model_copy(update={"port": port}))
        if primary_key and endpoint.auth_mode == "key":
            keys = self._core.store.keys_of(name).model_copy(update={"primary_key": primary_key})
            self._core.store.put_keys(name, keys)
            self.publish(name)
        return endpoint

    def check(self, name: str, *, target: Target | None, port: int | None, auth_mode: AuthMode | None = None) -> Target:
        """Return the endpoint's target, existing or to be; raise as `ensure`, and create nothing."""
        check_endpoint_name(name)
        endpoint = self._core.store.find_endpoint(name)
        if endpoint is not None:
            self._refuse_change(endpoint, target, port, auth_mode)
            return endpoint.target
        _check_name(name, target or "managed")
        _refuse_auth_mode(name, target or "managed", auth_mode)
        if port is not None:
            self._check_free(port)
        return target or "managed"

    def create_or_update(self, request: EndpointRequest) -> OnlineEndpoint:
        """Create or update the endpoint; its deployments, port, keys and traffic stay.

        Raises BadArgument for settings that its target lacks or that an endpoint keeps for life.
        """
        with self.hold(request.name):
            is_new = self._core.store.find_endpoint(request.name) is None
            self.ensure(
                request.name,
                target=request.target,
                port=request.port,
                primary_key=request.primary_key,
                auth_mode=request.auth_mode,
            )
            self.update_auth_mode(request.name, request.auth_mode)
            told = request.model_dump(include={"description", "tags", "properties", "cloud_settings"})
            changes = told | {"differences": request.differences}
            if is_new:
                changes["provisioning_state"] = "Succeeded"
            return self.put(self.get(request.name).model_copy(update=changes))

    def _create(self, name: str, target: Target, port: int | None, auth_mode: AuthMode | None) -> OnlineEndpoint:
        _check_name(name, target)
        if port is not None:
            self._check_free(port)
        endpoint = OnlineEndpoint(
            name=name,
            target=target,
            auth_mode=auth_mode or profile_of(target).default_auth_mode,
            port=self._free_port() if port is None else port,
            created_at=self._core.effects.now(),
        )
        keys = EndpointKeys(primary_key=self._core.effects.new_key(), secondary_key=self._core.effects.new_key())
        self._core.store.logs.forget_endpoint(name)  # left by an earlier endpoint of that name
        self._core.store.put_keys(name, keys)
        try:
            self._core.store.put_endpoint(endpoint)
            with self._publishing:
                if error := self._publish(name):
                    raise error
            return endpoint
        except BaseException:
            self._core.store.delete_endpoint(name)
            raise

    def _refuse_change(
        self, endpoint: OnlineEndpoint, target: Target | None, port: int | None, auth_mode: AuthMode | None
    ) -> None:
        if port not in (None, endpoint.port) and endpoint.name in self._closed:
            self._check_free(port)
            port = None
        _refuse_change(endpoint, target, port, auth_mode)

    def _check_free(self, port: int) -> None:
        for other in self._core.store.endpoints():
            if other.port == port:
                raise BadArgument(f"port {port} belongs to endpoint '{other.name}'", hint="choose another --port")
        self._core.gateway.check_port(port)

    def _free_port(self) -> int:
        taken = {endpoint.port for endpoint in self._core.store.endpoints()}
        for port in self._core.config.endpoint_ports:
            if port not in taken and self._core.gateway.is_free(port):
                return port
        raise OutOfQuota(
            f"all {len(self._core.config.endpoint_ports)} ports for endpoints are taken",
            hint="AMLEMU_ENDPOINT_PORTS=18100-18299 gives more, `amlemu delete ENDPOINT` frees one",
        )

    def regenerate_keys(self, name: str, which: str, value: str | None = None) -> EndpointKeys:
        """Replace the `primary` or `secondary` key; row auth.regenerate says how long the old one stays valid.

        `value` is the new key; without one, or with the current key, which Azure's SDK sends, a new key is drawn
        (azure-ai-ml sends the present key as the new one).  Raises BadArgument for a value that no header
        can carry.
        """
        with self.hold(name):
            keys = self._keys_to_replace(name)
            if which not in ("primary", "secondary"):
                raise BadArgument(f"'{which}' is not a key: use primary or secondary", target=f"endpoint {name}")
            field = f"{which}_key"
            old = getattr(keys, field)
            if value is None or value == old:
                value = self._core.effects.new_key()
            keys = keys.model_copy(update={field: check_key(value)})
            self._core.store.put_keys(name, keys)
            self._keep_old_key(name, old)
            self.publish(name)
            return keys

    def _keys_to_replace(self, name: str) -> EndpointKeys:
        """Return the keys; new ones where the damaged ones were moved aside."""
        self.get(name)
        try:
            return self.get_keys(name)
        except ResourceNotFound:
            return EndpointKeys(primary_key=self._core.effects.new_key(), secondary_key=self._core.effects.new_key())

    def _keep_old_key(self, name: str, key: str) -> None:
        """Keep a replaced key valid for as long as the target does, at most until the emulator ends."""
        seconds, now = profile_of(self.get(name).target).old_key_seconds, self._core.effects.epoch()
        if seconds:
            living = {old: until for old, until in self._old_keys.get(name, {}).items() if until > now}
            self._old_keys[name] = living | {key: now + seconds}

    def update_auth_mode(self, name: str, auth_mode: AuthMode | None) -> None:
        """Change the auth_mode, unless None; the keys stay (row auth.mode_update)."""
        endpoint = self.get(name)
        _refuse_change(endpoint, None, None, auth_mode)
        if auth_mode not in (None, endpoint.auth_mode):
            self.put(endpoint.model_copy(update={"auth_mode": auth_mode}))

    def update_traffic(
        self, name: str, traffic: Mapping[str, int] | None, mirror_traffic: Mapping[str, int] | None = None
    ) -> OnlineEndpoint:
        """Set live and mirrored percentages by deployment name; None changes nothing (rows traffic.*).

        Raises BadArgument for traffic that the endpoint's target refuses.
        """
        with self.hold(name):
            endpoint = self.get(name)
            changes = {"traffic": traffic, "mirror_traffic": mirror_traffic}
            deployments = {d.name for d in self._core.store.deployments(name)}
            given = {key: small_letters(value, deployments) for key, value in changes.items() if value is not None}
            check_traffic(endpoint.model_copy(update=given), deployments)
            kept = {key: {k: percent for k, percent in value.items() if percent} for key, value in given.items()}
            return self.put(endpoint.model_copy(update=kept))

    def put(self, endpoint: OnlineEndpoint) -> OnlineEndpoint:
        """Store the endpoint and publish it."""
        self._core.store.put_endpoint(endpoint)
        self.publish(endpoint.name)
        return endpoint

    def set_running(self, name: str, deployment_name: str, containers: tuple[Container, ...]) -> tuple[Container, ...]:
        """Set the containers that serve the deployment; return those that did before."""
        with self._lock:
            before = self._running.pop((name, deployment_name), ())
            if containers:
                self._running[name, deployment_name] = containers
            self._unready &= {container.id for those in self._running.values() for container in those}
        return before

    def replace_running(self, name: str, deployment_name: str, old_id: str, new: Container) -> None:
        """Replace the container of one instance; the new one is not ready yet."""
        with self._lock:
            before = self._running.get((name, deployment_name), ())
            self._running[name, deployment_name] = tuple(new if c.id == old_id else c for c in before)
            self._unready.add(new.id)
            self._unready.discard(old_id)

    def set_ready(self, container_id: str, *, ready: bool) -> None:
        """Set whether requests may go to that container; containers are ready by default."""
        with self._lock:
            (self._unready.discard if ready else self._unready.add)(container_id)

    def publish(self, name: str) -> None:
        """Publish the endpoint's current state to the gateway.

        An endpoint whose port cannot be bound is out of service until `reopen` finds the port free, or it gets another.
        When the gateway refuses an update of one that is in service, its last route stays and the error is raised.
        """
        with self._publishing:  # so that the last to publish has read the newest state
            if error := self._publish(name):
                if name in self._open:
                    raise error
                self._take_out(name, error)

    def reopen(self) -> None:
        """Publish the endpoints that are out of service and whose port is free."""
        for name in sorted(self._closed):
            endpoint = self._core.store.readable_endpoint(name)
            if endpoint is None or self._core.gateway.is_free(endpoint.port):
                self.publish(name)

    def _take_out(self, name: str, error: EmulatorError) -> None:
        """Record why the endpoint is out of service; of two endpoints with one port, the first published has it."""
        ports = {endpoint.name: endpoint.port for endpoint in self._core.store.endpoints()}
        others = [other for other, port in ports.items() if port == ports.get(name) and other != name]
        if others:
            error = BadArgument(f"port {ports[name]} belongs to endpoint '{others[0]}'")
        if self.out_of_service(name) != error.message:
            _log.warning("endpoint %s is out of service: %s", name, error.message)
        self._closed[name] = error

    def _publish(self, name: str) -> EmulatorError | None:
        """Update the gateway; return the error if the port cannot be bound."""
        endpoint = self._core.store.readable_endpoint(name)
        if endpoint is None:
            self._old_keys.pop(name, None)
            self._closed.pop(name, None)
            self._open.discard(name)
            self._core.gateway.remove(name)
            return None
        route = self._endpoint_route(endpoint)
        try:
            self._core.gateway.put(route)
        except BadArgument as error:
            return error
        self._open.add(name)
        if self._closed.pop(name, None):
            _log.warning("endpoint %s is back in service on port %d", name, endpoint.port)
        return None

    def _endpoint_route(self, endpoint: OnlineEndpoint) -> EndpointRoute:
        name = endpoint.name
        return EndpointRoute(
            name=name,
            port=endpoint.port,
            profile=profile_of(endpoint.target),
            keys=self._valid_keys(name) if endpoint.auth_mode == "key" else (),
            deployments=tuple(self._routes(endpoint)),
            mirror=tuple(endpoint.mirror_traffic.items()),
            tokens=self._tokens.check_of(endpoint),
            old_keys=self._old_keys.get(name, {}) if endpoint.auth_mode == "key" else {},
        )

    def _valid_keys(self, name: str) -> tuple[str, ...]:
        """Return the keys; a random one where they cannot be read, because no keys would mean an open endpoint."""
        try:
            keys = self._core.store.keys_of(name)
        except (DamagedDocument, ResourceNotFound):
            return (secrets.token_urlsafe(32),)
        return keys.primary_key, keys.secondary_key

    def _routes(self, endpoint: OnlineEndpoint) -> Iterator[DeploymentRoute]:
        """Yield the routes; a damaged deployment keeps its share and has no instances, like a failed one."""
        for name in self._core.store.deployment_names(endpoint.name):
            deployment = self._core.store.readable_deployment(endpoint.name, name)
            if deployment is None:
                yield DeploymentRoute(name, endpoint.traffic.get(name, 0), ())
            else:
                yield self._route(endpoint, deployment)

    def damage(self, name: str) -> list[Damage]:
        """Return the endpoint's damaged documents."""
        return self._core.store.damage_of_endpoint(name)

    def _route(self, endpoint: OnlineEndpoint, deployment: OnlineDeployment) -> DeploymentRoute:
        containers = self.running(endpoint.name, deployment.name)
        with self._lock:
            ready = [container for container in containers if container.id not in self._unready]
        instances = tuple(Instance(c.id, c.host, c.port) for c in ready)
        settings = deployment.request_settings
        return DeploymentRoute(
            deployment.name,
            endpoint.traffic.get(deployment.name, 0),
            instances,
            instance_count=deployment.instance_count,
            max_concurrent=settings.max_concurrent_requests_per_instance or 1,
            timeout_ms=settings.request_timeout_ms,
            queue_wait_ms=settings.max_queue_wait_ms,
            collector=payload_collection(deployment),
        )


def _check_name(name: str, target: Target) -> None:
    """Raise BadArgument for a name that the target's cloud refuses (row names.endpoint)."""
    # v2 refuses such names too, but its samples have them: planning.py adds a difference.
    plain = name.replace("_", "-") if target in ("managed", "kubernetes") else name
    if not profile_of(target).rules.names_endpoint(plain):
        message = f"'{name}' cannot name a service of target {target}: lower-case letters, digits and '-' only"
        raise BadArgument(message, target=f"endpoint {name}", hint=f"--name {name.lower()}")


def _refuse_auth_mode(name: str, target: Target, auth_mode: AuthMode | None) -> None:
    modes = profile_of(target).auth_modes
    if auth_mode is not None and auth_mode not in modes:
        message = f"target {target} has no auth_mode {auth_mode}; it has: {', '.join(modes)}"
        raise BadArgument(message, target=f"endpoint {name}", hint=f"--auth-mode {modes[0]}, or another --target")


def _refuse_change(
    endpoint: OnlineEndpoint, target: Target | None, port: int | None, auth_mode: AuthMode | None
) -> None:
    resource = f"endpoint {endpoint.name}"
    hint = f"amlemu delete {endpoint.name}, or deploy under another --name"
    if target is not None and target != endpoint.target:
        message = f"endpoint '{endpoint.name}' has target {endpoint.target} and keeps it for life"
        raise BadArgument(message, target=resource, hint=hint)
    if port is not None and port != endpoint.port:
        message = f"endpoint '{endpoint.name}' has port {endpoint.port} and keeps it for life"
        raise BadArgument(message, target=resource, hint=hint)
    _refuse_auth_mode(endpoint.name, endpoint.target, auth_mode)
    if auth_mode not in (None, endpoint.auth_mode) and not profile_of(endpoint.target).auth_mode_may_change:
        message = f"endpoint '{endpoint.name}' has auth_mode {endpoint.auth_mode} and keeps it for life"
        raise BadArgument(message, target=resource, hint=hint)
