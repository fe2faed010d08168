"""Explain a response by the state of its deployment, its containers and their logs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from emulator.containers.size import workers
from emulator.diagnosis import Answered, Explanation, explain_answer, explain_refusal, worker_ends
from emulator.engines import Container
from emulator.entities import OnlineDeployment, OnlineEndpoint
from emulator.errors import EmulatorError
from emulator.workspace.core import Core
from emulator.workspace.endpoints import Endpoints
from emulator.workspace.health.crashes import Crashes
from emulator.workspace.running.out_of_memory import memory_of, peak_bytes
from emulator.workspace.running.readiness import read_log, why_it_died

_REFUSED = frozenset({401, 403, 404, 405})
# A worker's last log lines are written just after its response.
_PAUSE_SECONDS, _MOST_PAUSES = 0.1, 20


class Explanations:
    """Explains responses of endpoints; changes nothing."""

    def __init__(self, core: Core, endpoints: Endpoints, crashes: Crashes) -> None:
        self._core = core
        self._endpoints = endpoints
        self._crashes = crashes

    def of_answer(self, endpoint_name: str, deployment_name: str | None, answered: Answered) -> Explanation:
        """Explain a response; `deployment_name` is the deployment that sent it, None if unknown.

        Raises ResourceNotFound without the endpoint.
        """
        endpoint = self._endpoints.get(endpoint_name)
        deployments = self._core.store.deployments(endpoint_name)
        serving = [deployment for deployment in deployments if deployment.serving]
        found = _answering(endpoint, serving, deployment_name)
        if found is None or (deployment_name is None and answered.status in _REFUSED):
            failed = [d for d in deployments if d.error and (d.name == answered.asked or not serving)]
            if failed and answered.status == 404:
                return _failed(failed[0])
            return explain_refusal(answered, endpoint_name, endpoint.traffic, [d.name for d in serving])
        return self._explain(found, answered)

    def _explain(self, deployment: OnlineDeployment, answered: Answered) -> Explanation:
        containers = self._endpoints.running(deployment.endpoint_name, deployment.name)
        deployed, timeout_ms = self._crashes.facts(deployment), deployment.request_settings.request_timeout_ms
        count = workers(deployment)

        def explained(logs: Sequence[Sequence[str]]) -> Explanation:
            ends = [worker_ends(log, count, deployed.code_roots) for log in logs]
            told = [explain_answer(answered, deployed, log, e, timeout_ms) for log, e in zip(logs, ends, strict=True)]
            return next((e for e in told if e.file or e.hint != told[0].hint), told[0])

        if answered.model_status or (answered.status < 500 and "not_ready" not in answered.reason):
            return explained(self._settled(containers, lambda _logs: True))
        if dead := self._died(deployment, containers):
            return dead
        if answered.is_unanswered:
            logs = self._settled(containers, lambda logs: any(worker_ends(log, count, ()).count for log in logs))
            return self._out_of_memory(deployment, containers) or explained(logs)
        return explained(self._settled(containers, lambda _logs: True))

    def _settled(
        self, containers: Sequence[Container], is_enough: Callable[[Sequence[Sequence[str]]], bool]
    ) -> Sequence[Sequence[str]]:
        """Return the logs once they no longer grow and are enough, or after a while."""
        logs: Sequence[Sequence[str]] = [read_log(self._core.engine, container) for container in containers] or [()]
        for _ in range(_MOST_PAUSES):
            self._core.effects.sleep(_PAUSE_SECONDS)
            before, logs = logs, [read_log(self._core.engine, container) for container in containers] or [()]
            if logs == before and is_enough(logs):
                break
        return logs

    def _died(self, deployment: OnlineDeployment, containers: Sequence[Container]) -> Explanation | None:
        """Explain by the deployment's failure, or by a container that has ended."""
        current = self._core.store.find_deployment(deployment.endpoint_name, deployment.name)
        if current and current.provisioning_state == "Failed" and current.error:
            return _failed(current)
        for container in containers:
            with suppress(EmulatorError):
                state = self._core.engine.inspect(container.id)
                if not state.running:
                    memory = memory_of(deployment, self._core.engine)
                    log = read_log(self._core.engine, container)
                    return _of_error(why_it_died(log, state, self._crashes.facts(deployment), memory))
        return None

    def _out_of_memory(self, deployment: OnlineDeployment, containers: Sequence[Container]) -> Explanation | None:
        """Explain by an out-of-memory kill, if the engine has counted one."""
        with suppress(EmulatorError):
            kills = self._core.engine.oom_kills()
            for container in containers:
                if count := kills.get(container.id, 0):
                    what = f"a worker of the scoring server ({'once' if count == 1 else f'{count} times'})"
                    peak = peak_bytes(self._core.engine, container)
                    return _of_error(memory_of(deployment, self._core.engine).error(what, "", peak))
        return None


def _answering(
    endpoint: OnlineEndpoint, serving: Sequence[OnlineDeployment], name: str | None
) -> OnlineDeployment | None:
    """Return the deployment of that name, else the one with most of the traffic."""
    if name is not None:
        return next((deployment for deployment in serving if deployment.name == name), None)
    return max(serving, key=lambda deployment: endpoint.traffic.get(deployment.name, 0), default=None)


def _failed(deployment: OnlineDeployment) -> Explanation:
    error = deployment.error or {}
    told = f"deployment {deployment.name} is {deployment.provisioning_state}: {error.get('message', '')}"
    return Explanation(told, hint=str(error.get("hint", "")))


def _of_error(error: EmulatorError) -> Explanation:
    return Explanation(error.message, hint=error.hint)
