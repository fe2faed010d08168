"""The event log of an endpoint's containers, in the form of AmlOnlineEndpointEventLog."""

from __future__ import annotations

import contextlib
import json

from emulator.containers.spec import LABEL_DEPLOYMENT, LABEL_ENDPOINT, LABEL_GENERATION
from emulator.engines import Container
from emulator.profiles import ProbeProfile, profile_of
from emulator.secret import mask_credentials
from emulator.store import Store
from emulator.store.lines import LineWriter
from emulator.workspace.effects import Effects

_OPERATION_NAME = "AmlOnlineEndpointEventLog"
_CONTAINER_NAME = "inference-server"  # as get-logs names it ("Troubleshoot online endpoints")


class Events:
    """Writes the event logs: names and columns of rows events.*, messages of Kubernetes."""

    def __init__(self, store: Store, effects: Effects) -> None:
        self._store = store
        self._effects = effects
        self._lines = LineWriter(store.logs.events)
        self._ended: dict[str, int] = {}

    def end(self, endpoint_name: str) -> None:
        """Ignore further events of a deleted endpoint's containers: an endpoint of the same name may follow."""
        self._ended[endpoint_name] = self._store.generations.last()

    def started(self, container: Container, image: str) -> None:
        """Log that a container was created and started."""
        messages = self._profile(container).event_messages
        self._write(container, "Pulled", messages.pulled.format(image=image))
        self._write(container, "Created", messages.created.format(container=_CONTAINER_NAME))
        self._write(container, "Started", messages.started.format(container=_CONTAINER_NAME))

    def killing(self, container: Container, *, unhealthy: bool = False) -> None:
        """Log that a running container is about to be stopped, `unhealthy` for a failed liveness probe."""
        messages = self._profile(container).event_messages
        message = messages.killing_unhealthy if unhealthy else messages.killing
        self._write(container, "Killing", message.format(container=_CONTAINER_NAME))

    def out_of_memory(self, container: Container, limit: str) -> None:
        """Log that the kernel has killed a process of a container for lack of memory (row events.out_of_memory)."""
        message = self._profile(container).out_of_memory_message
        self._write(container, "Killing", message.format(container=_CONTAINER_NAME, limit=limit))

    def stopped(self, container: Container, reason: str) -> None:
        """Log that the engine itself has stopped a container."""
        self._write(container, "Killing", f"Stopped container {_CONTAINER_NAME}: {reason}")

    def back_off(self, container: Container) -> None:
        """Log that a restart is delayed."""
        message = self._profile(container).event_messages.back_off
        self._write(container, "BackOff", message.format(container=_CONTAINER_NAME))

    def probe_failed(self, container: Container, probe: str, reason: str) -> None:
        """Log that a probe, `Liveness` or `Readiness`, has failed once."""
        message = self._profile(container).probe_failed_message.format(probe=probe, reason=reason)
        self._write(container, f"{probe}ProbeFailed", message)

    def _profile(self, container: Container) -> ProbeProfile:
        endpoint = self._store.readable_endpoint(container.labels[LABEL_ENDPOINT])
        return profile_of(endpoint.target if endpoint else "managed").probes

    def _write(self, container: Container, name: str, message: str) -> None:
        endpoint = container.labels[LABEL_ENDPOINT]
        profile = self._profile(container)
        values = (
            self._effects.now(),
            _OPERATION_NAME,
            container.name,
            container.labels[LABEL_DEPLOYMENT],
            name,
            mask_credentials(message),
        )
        is_over = int(container.labels[LABEL_GENERATION]) <= self._ended.get(endpoint, 0)
        if name not in profile.event_names or is_over or self._store.readable_endpoint(endpoint) is None:
            return
        # A full disk must not prevent restarts.
        with contextlib.suppress(OSError):
            self._lines.write(endpoint, json.dumps(dict(zip(profile.event_columns, values, strict=True))))
