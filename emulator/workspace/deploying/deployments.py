"""Verbs on online deployments: build, lay out, start, wait, swap, drain."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from emulator.containers.size import check_instance_type, is_sized, size_differences
from emulator.containers.spec import (
    container_differences,
    platform_variables,
)
from emulator.difference import Difference
from emulator.engines import Container, Image
from emulator.entities import (
    CodeConfiguration,
    DeploymentRequest,
    Environment,
    Model,
    ModelRequest,
    OnlineDeployment,
    Target,
)
from emulator.errors import BadArgument, EmulatorError, ErrorCollector, OperationCanceled, ResourceNotFound
from emulator.profiles import profile_of
from emulator.store.lines import LineReader
from emulator.store.reach import Reach
from emulator.store.trees import left_out_differences
from emulator.workspace.assets.environments import Environments
from emulator.workspace.assets.models import Models
from emulator.workspace.core import Core
from emulator.workspace.deploying.no_code_models import resolve_environment
from emulator.workspace.deploying.planning import (
    Plan,
    check_limits,
    check_own_image,
    check_registries,
    check_scoring_script,
    name_differences,
    plain_request,
    plan_code,
    probe_settings,
    registry_differences,
    request_settings_differences,
    resolve_request_settings,
    script_path,
    told_of_failed_create,
    version_differences,
    with_debugger,
    with_override_file,
)
from emulator.workspace.deploying.save_retry import save_with_retry
from emulator.workspace.effects import Progress, silent_progress
from emulator.workspace.endpoints import Endpoints
from emulator.workspace.running.generations import Generations
from emulator.workspace.traffic_rules import check_may_go


class Deployments:
    """Deployments: each deploy is a new generation in new containers, and replaces the old one once it is ready."""

    def __init__(
        self, core: Core, models: Models, environments: Environments, endpoints: Endpoints, generations: Generations
    ) -> None:
        self._core = core
        self._models = models
        self._environments = environments
        self._endpoints = endpoints
        self._generations = generations
        self._ending = threading.Event()

    # reading

    def list_of(self, endpoint_name: str) -> list[OnlineDeployment]:
        """Return the endpoint's deployments; raise ResourceNotFound without it."""
        self._endpoints.get(endpoint_name)
        return self._core.store.deployments(endpoint_name)

    def get(self, endpoint_name: str, name: str | None = None) -> OnlineDeployment:
        """Return that deployment, the first one for None; raise ResourceNotFound."""
        known = self.list_of(endpoint_name)
        found = [d for d in known if name in (None, d.name)]
        if found:
            return found[0]
        for damaged in self._core.store.deployment_names(endpoint_name):
            if name in (None, damaged):
                self._core.store.find_deployment(endpoint_name, damaged)  # raises DamagedDocument
        names = ", ".join(d.name for d in known) or "none"
        target = f"deployment {name or ''} of endpoint {endpoint_name}"
        raise ResourceNotFound(f"endpoint '{endpoint_name}' has no such deployment; it has: {names}", target=target)

    def get_logs(
        self, endpoint_name: str, name: str | None, *, tail: int | None, follow: bool, instance: int = 0
    ) -> Iterator[str]:
        """Return the lines of the container's log; for a failed start, the log that was kept."""
        deployment = self.get(endpoint_name, name)
        running = self._endpoints.running(endpoint_name, deployment.name)
        if running:
            if not 0 <= instance < len(running):
                raise BadArgument(f"there are {len(running)} instances, counted from 0", target=deployment.name)
            with contextlib.suppress(ResourceNotFound):  # killed, and about to be restarted
                return self._core.engine.logs(running[instance].id, tail=tail, follow=follow)
        lines = self._core.store.logs.kept_container(endpoint_name, deployment.name)
        return iter(lines[len(lines) - min(tail, len(lines)) :] if tail is not None else lines)

    def tree(self, endpoint_name: str, name: str | None) -> list[tuple[str, int]]:
        """Return path and size of every file below /var/azureml-app, also of a deployment that failed to start.

        Models that are mounted elsewhere have absolute paths.
        """
        return self._generations.files(self.get(endpoint_name, name))

    def platform_variables(self, deployment: OnlineDeployment) -> dict[str, str]:
        """Return the environment variables that the target's cloud sets in the container."""
        return platform_variables(deployment, self._models.of_deployment(deployment))

    def get_request_log(self, endpoint_name: str, *, tail: int | None, follow: bool) -> Iterator[str]:
        """Return the endpoint's request log, one JSON object a line, the last `tail` of them."""
        self._endpoints.get(endpoint_name)
        return LineReader(self._core.store.logs.requests(endpoint_name), tail, follow, self._core.effects.sleep)

    def get_event_log(self, endpoint_name: str, *, tail: int | None, follow: bool) -> Iterator[str]:
        """Return the endpoint's event log, one JSON object a line (row events.columns)."""
        self._endpoints.get(endpoint_name)
        return LineReader(self._core.store.logs.events(endpoint_name), tail, follow, self._core.effects.sleep)

    # creating

    def create_or_update(self, request: DeploymentRequest, progress: Progress) -> OnlineDeployment:
        """Deploy; return once the new containers serve.

        The generation that serves keeps serving until then, also after a failure.  A failure after the plan is saved on
        the deployment as Failed.  Raises any error of the tree but RequestFailed.
        """
        if self._endpoints.is_restoring(request.endpoint_name):
            progress.step("waiting: the emulator is bringing this endpoint back")
        with self._core.prune_lock.work(), self._endpoints.hold(request.endpoint_name):
            self._refuse_when_ending()
            plan = self._settle(self.plan(request))
            endpoint = self._endpoints.ensure(
                request.endpoint_name,
                target=plan.target,
                port=request.port,
                primary_key=request.primary_key,
                auth_mode=request.auth_mode,
            )
            before = self._core.store.find_deployment(endpoint.name, request.name)
            draft = self._draft(plan, before)
            if before is None:  # the kept log is of an earlier one of that name
                self._core.store.logs.forget_container(endpoint.name, request.name)
            # One that has never served is replaced at once.
            kept = before if before and before.serving else draft
            self._core.store.put_deployment(_updating(kept) if kept.serving else kept)
            try:
                deployment = self._deploy(plan, draft, progress)
            except BaseException as error:
                failure = _explained(error, kept)
                self._save_failure(kept, failure, canceled=isinstance(error, KeyboardInterrupt))
                if kept.serving and not self._endpoints.running(kept.endpoint_name, kept.name):
                    # It made room for the new generation (its debugger's port), and comes back.
                    self._core.effects.background(partial(self.restore, kept.endpoint_name, kept.name))
                if isinstance(error, EmulatorError):
                    raise failure from error
                raise
            # Once it serves: after a failure the old generation goes on, and its callers have the old credentials.
            self._endpoints.update_auth_mode(endpoint.name, request.auth_mode)
            return deployment

    def plan(self, request: DeploymentRequest) -> Plan:
        """Resolve all references of the request and check it; nothing is created."""
        request = plain_request(request)
        configuration = request.code_configuration
        folder = script_path(configuration).parent if configuration else None
        given = cache(partial(self._environments.of_deployment, request.environment, folder))
        reach = self._core.store.reach(Path(configuration.code if configuration else "."))
        target, models = self._check_references(request, given, reach)
        own_models = tuple(model for model in request.models if isinstance(model, ModelRequest))
        folder_of = self._core.store.model_folder
        environment = resolve_environment(request, target, (*models, *own_models), folder_of, given)
        if request.platform:
            environment = environment.model_copy(update={"platform": request.platform})
        environment = with_override_file(environment, target)
        before = self._core.store.find_deployment(request.endpoint_name, request.name)
        request = told_of_failed_create(request, before, target)
        check_own_image(request, environment, target, before if before and before.serving else None)
        settings = resolve_request_settings(request.request_settings, target)
        code, left_out = plan_code(request, target, reach)
        environment = self._environments.decided(environment, request.conda)
        environment = with_debugger(environment, wanted=request.debug_port is not None)
        probes = probe_settings(request, target)
        image = self._environments.spec(environment).digest
        return Plan(request, target, models, own_models, environment, image, code, left_out, settings, probes)

    def _check_references(
        self, request: DeploymentRequest, given: Callable[[], Environment], reach: Reach
    ) -> tuple[Target, tuple[Model, ...]]:
        """Return the target and the registered models; raise one error with the faults of all independent checks."""
        configuration = request.code_configuration
        name = f"deployment {request.name} of endpoint {request.endpoint_name}"
        errors = ErrorCollector()
        target = errors.check(
            lambda: self._endpoints.check(
                request.endpoint_name, target=request.target, port=request.port, auth_mode=request.auth_mode
            )
        )
        if target is not None:
            check_registries(request, target)  # not collected: references to registries cannot be resolved either
        references = [text for text in request.models if isinstance(text, str)]
        models = tuple(model for text in references if (model := errors.check(partial(self._models.resolve, text))))
        errors.check(partial(_refuse_twice, models))
        environment = errors.check(given) if configuration or request.environment is not None else None
        if target is not None:
            if configuration and environment:
                overridden = with_override_file(environment, target)
                errors.check(partial(check_scoring_script, configuration, overridden, target, reach))
            others = [d.name for d in self._core.store.deployments(request.endpoint_name) if d.name != request.name]
            errors.check(partial(check_limits, request, target, len(others)))
            errors.check(partial(check_instance_type, request, target, name))
            errors.check(partial(resolve_request_settings, request.request_settings, target))
            errors.check(partial(probe_settings, request, target))
        errors.raise_found(name)
        assert target is not None, "raise_found has raised the error of its check"
        return target, models

    def _settle(self, plan: Plan) -> Plan:
        """Register the request's own models and named environment; return the plan with them."""
        models = (*plan.models, *(self._models.ensure(model) for model in plan.own_models))
        _refuse_twice(models)
        environment = plan.environment
        if isinstance(plan.request.environment, Environment) and not environment.is_anonymous:
            environment = self._environments.register(environment)
        return replace(plan, models=models, own_models=(), environment=environment)

    def _code_configuration(self, request: DeploymentRequest) -> CodeConfiguration | None:
        """Return it as the user gave it; of uploaded code, only the folder's name."""
        found = request.code_configuration
        if found is None or not self._core.store.uploads.is_one(Path(found.code)):
            return found
        return CodeConfiguration(code=Path(found.code).name, scoring_script=found.scoring_script)

    def _draft(self, plan: Plan, before: OnlineDeployment | None) -> OnlineDeployment:
        request = plan.request
        draft = OnlineDeployment(
            **request.settings(),
            **plan.probes,
            request_settings=plan.request_settings,
            generation=self._core.store.generations.draw(),
            models=tuple(model.id for model in plan.models),
            code_configuration=self._code_configuration(request),
            inference_config=plan.environment.inference_config,
            environment=plan.environment.id,
            environment_source=plan.environment.source,
            image=plan.image,
            engine=self._core.engine.name,
            target=plan.target,
            read_only_mounts=profile_of(plan.target).container.read_only_mounts,
            created_at=before.created_at if before else self._core.effects.now(),
        )
        return draft.keeping_unknown_of(before) if before else draft

    def _deploy(self, plan: Plan, draft: OnlineDeployment, progress: Progress) -> OnlineDeployment:
        progress.step(f"environment: {plan.environment.source or plan.environment.id}")
        image = self._environments.build(plan.environment, progress)
        draft = draft.model_copy(update=_of_image(image))
        _stop_if_canceled(progress)
        self._generations.lay_out(draft, plan.models, plan.code, progress)
        try:
            self._make_room(draft, progress)
            containers = self._generations.start(draft, plan.models, progress)
        except BaseException:
            self._generations.discard(draft)
            raise
        deployment = draft.model_copy(
            update={
                "differences": (
                    *_differences(plan, draft, image, containers),
                    *self._size_differences(draft),
                    *self._endpoints.differences(draft.endpoint_name, plan.request.auth_mode),
                ),
                "provisioning_state": "Succeeded",
                "serving": True,
            }
        )
        self._swap(deployment, containers)
        return deployment

    def _size_differences(self, deployment: OnlineDeployment) -> list[Difference]:
        return (
            size_differences(deployment, deployment.target, self._core.engine.machine()) if is_sized(deployment) else []
        )

    def _make_room(self, draft: OnlineDeployment, progress: Progress) -> None:
        """Stop the old containers before the new ones start, where both cannot run.

        That is so when they share a debugger's port, or when the settings say that the target does not serve while it
        is updated (row deployment.serves_while_updating).
        """
        before = self._core.store.find_deployment(draft.endpoint_name, draft.name)
        if before is None:
            return
        if draft.debug_port is not None and before.debug_port == draft.debug_port:
            progress.step(f"stopping the container whose debugger holds port {draft.debug_port}")
        elif not profile_of(draft.target).rules.serves_while_updating:
            progress.step("stopping what serves: the settings say that the target does so before an update")
        else:
            return
        old = self._endpoints.set_running(draft.endpoint_name, draft.name, ())
        self._endpoints.publish(draft.endpoint_name)
        self._generations.remove(old, grace_seconds=0.0)

    def _swap(self, deployment: OnlineDeployment, containers: tuple[Container, ...]) -> None:
        """Publish the new generation in place of the old one, which ends in the background.

        When that cannot be saved, the new generation is removed and the old one keeps serving.
        """
        name = deployment.endpoint_name, deployment.name
        before = self._core.store.find_deployment(*name)
        old = self._endpoints.running(*name)
        is_first = before is None or not before.serving
        try:
            # After a kill right here, the next start must see that traffic is not assigned yet.
            self._core.store.put_deployment(_creating(deployment) if is_first else deployment)
            self._endpoints.set_running(*name, containers)
            self.give_traffic(deployment, is_first=is_first)
            if is_first:
                self._core.store.put_deployment(deployment)
        except BaseException:
            self._endpoints.set_running(*name, old)
            self._generations.remove(containers, grace_seconds=0.0)
            self._core.store.layouts.remove(self._generations.layout(deployment))
            raise
        replaced = before is not None and before.generation != deployment.generation
        layout = self._generations.layout(before) if before and replaced else None
        self._core.effects.background(lambda: self._retire(old, layout))

    def give_traffic(self, deployment: OnlineDeployment, *, is_first: bool) -> None:
        """Publish the deployment; the first one that serves gets all of the endpoint's traffic.

        One that files describe gets its target's share (row traffic.new_deployment).  `is_first` tells that the
        deployment has not served before.
        """
        endpoint = self._endpoints.get(deployment.endpoint_name)
        others = [d for d in self._core.store.deployments(endpoint.name) if d.serving and d.name != deployment.name]
        traffic = endpoint.traffic
        if not any(traffic.values()) and not others and is_first and _gets_all(deployment):
            traffic = {deployment.name: 100}
        self._endpoints.put(endpoint.model_copy(update={"traffic": traffic, "provisioning_state": "Succeeded"}))

    def _retire(self, containers: tuple[Container, ...], layout: Path | None) -> None:
        with self._core.prune_lock.work():
            self._generations.retire(containers, layout)

    def _save_failure(self, deployment: OnlineDeployment, error: EmulatorError, *, canceled: bool = False) -> None:
        """Save the deployment as Failed with its reason; a generation that serves goes on and stays the deployment's.

        Where the disk is full it is saved as soon as there is room.
        """
        canceled = canceled or isinstance(error, OperationCanceled)
        if canceled and deployment.serving:
            changes: dict[str, Any] = {"provisioning_state": "Succeeded"}
        else:
            changes = {"provisioning_state": "Canceled" if canceled else "Failed", "error": error.to_dict()}
        failed = deployment.model_copy(update=changes)
        found = self._core.store.find_deployment(deployment.endpoint_name, deployment.name)
        save_with_retry(partial(self._save, failed), found, self._core.store, self._endpoints, self._core.effects)

    def _save(self, deployment: OnlineDeployment) -> None:
        self._core.store.put_deployment(deployment)
        endpoint = self._endpoints.get(deployment.endpoint_name)
        if endpoint.provisioning_state == "Creating":
            self._endpoints.put(endpoint.model_copy(update={"provisioning_state": "Succeeded"}))

    # restoring and deleting

    def restore(self, endpoint_name: str, name: str) -> None:
        """Start a deployment that should serve again from its layout, as `up` does after `down`.

        A failure is saved on the deployment.  Nothing is done after a concurrent deploy or delete.
        """
        with self._core.prune_lock.work(), self._endpoints.hold(endpoint_name, restoring=True):
            deployment = self._core.store.find_deployment(endpoint_name, name)
            wanted = deployment and deployment.serving and not self._ending.is_set()
            if deployment and wanted and not self._endpoints.running(endpoint_name, name):
                self._restore(deployment, silent_progress(self._ending))

    def _restore(self, deployment: OnlineDeployment, progress: Progress) -> None:
        self._core.store.put_deployment(_updating(deployment))
        try:
            image = self._environments.rebuild(deployment.image, progress)
            if image.digest != deployment.image:
                deployment = deployment.model_copy(update=_of_image(image))
            models = self._models.of_deployment(deployment)
            containers = self._generations.start(deployment, models, progress)
        except EmulatorError as error:
            self._save_failure(deployment, _goes_on(error))
            return
        self._endpoints.set_running(deployment.endpoint_name, deployment.name, containers)
        self._core.store.put_deployment(
            deployment.model_copy(update={"provisioning_state": "Succeeded", "error": None})
        )
        self._endpoints.publish(deployment.endpoint_name)

    def delete(self, endpoint_name: str, name: str) -> None:
        """Remove one deployment; its share of the traffic is gone with it."""
        with self._endpoints.hold(endpoint_name):
            endpoint = self._endpoints.get(endpoint_name)
            if name not in self._core.store.deployment_names(endpoint_name):
                self.get(endpoint_name, name)  # raises, and lists what exists
            deployment = self._core.store.readable_deployment(endpoint_name, name)
            if deployment is not None:  # a damaged one may be deleted with traffic
                check_may_go(endpoint, name)
            traffic = {d: weight for d, weight in endpoint.traffic.items() if d != name}
            if sum(traffic.values()) not in (0, 100):
                traffic = {}
            mirror = {d: percent for d, percent in endpoint.mirror_traffic.items() if d != name}
            # In this order, so that a delete that was interrupted can be repeated.
            self._endpoints.put(endpoint.model_copy(update={"traffic": traffic, "mirror_traffic": mirror}))
            self._core.store.delete_deployment(endpoint_name, name)
            self._endpoints.publish(endpoint_name)
            self._discard(endpoint_name, name, deployment)

    def delete_endpoint(self, name: str) -> None:
        """Remove an endpoint with all its deployments, containers and layouts; models stay."""
        with self._endpoints.hold(name):
            if not self._core.store.holds_endpoint(name):
                self._endpoints.get(name)  # raises, and lists what exists
            names = self._core.store.deployment_names(name)
            deployments = {deployment: self._core.store.readable_deployment(name, deployment) for deployment in names}
            self._core.store.delete_endpoint(name)
            self._endpoints.publish(name)
            for deployment, document in deployments.items():
                self._discard(name, deployment, document)
            self._generations.end_events(name)
            self._core.store.logs.forget_endpoint(name)

    def _discard(self, endpoint_name: str, name: str, deployment: OnlineDeployment | None) -> None:
        """Remove containers and files of a deleted deployment; `deployment` is None for a damaged one."""
        self._generations.remove(self._endpoints.set_running(endpoint_name, name, ()))
        if deployment:
            self._generations.forget(deployment)
        else:
            self._generations.forget_unknown(endpoint_name, name)
        self._core.store.logs.forget_container(endpoint_name, name)

    def end(self, timeout_seconds: float) -> None:
        """Start nothing new, cancel restores, and wait for running operations, at most that long."""
        self._ending.set()
        self._endpoints.wait_until_released(timeout_seconds)

    def _refuse_when_ending(self) -> None:
        if self._ending.is_set():
            raise OperationCanceled("the emulator is ending", hint="deploy again once it is back")

    def stop_all(self) -> int:
        """Stop every scoring container, keep the desired state, and return how many were stopped."""
        for name in self._endpoints.list_names():
            for deployment in self._core.store.deployments(name):
                self._endpoints.set_running(name, deployment.name, ())
        return self._generations.remove_all()


def _creating(deployment: OnlineDeployment) -> OnlineDeployment:
    return deployment.model_copy(update={"provisioning_state": "Creating"})


def _updating(deployment: OnlineDeployment) -> OnlineDeployment:
    return deployment.model_copy(update={"provisioning_state": "Updating"})


def _explained(error: BaseException, deployment: OnlineDeployment) -> EmulatorError:
    """Return the error as it is saved on the failed deployment and raised to the caller."""
    if not isinstance(error, EmulatorError):
        return EmulatorError(f"{type(error).__name__}: {error}")
    if not error.target:
        error = error.with_details(target=f"deployment {deployment.name} of endpoint {deployment.endpoint_name}")
    return _goes_on(error) if deployment.serving else error


def _goes_on(error: EmulatorError) -> EmulatorError:
    return error.with_details(hint="; ".join(filter(None, [error.hint, "the previous generation keeps serving"])))


def _of_image(image: Image) -> dict[str, str | bool]:
    """Return the fields of a deployment that its image decides."""
    return {
        "image": image.digest,
        "image_reference": image.pinned or image.reference,
        "own_command": image.own_command,
    }


def _refuse_twice(models: Sequence[Model]) -> None:
    ids = [model.id for model in models]
    twice = next((i for i in ids if ids.count(i) > 1), None)
    if twice:
        raise BadArgument(f"model {twice} is named twice", target=f"model {twice}")


def _stop_if_canceled(progress: Progress) -> None:
    if progress.canceled.is_set():
        raise OperationCanceled("the deployment was interrupted")


def _gets_all(deployment: OnlineDeployment) -> bool:
    return not deployment.is_from_files or profile_of(deployment.target).rules.new_deployment_percent == 100


def _differences(
    plan: Plan, deployment: OnlineDeployment, image: Image, containers: Sequence[Container]
) -> tuple[Difference, ...]:
    of_containers = [difference for container in containers for difference in container.differences]
    found = [
        *plan.request.differences,
        *name_differences(plan.request),
        *container_differences(deployment, plan.models),
        *version_differences(plan.models),
        *registry_differences(plan.request),
        *request_settings_differences(plan.request.request_settings, plan.target),
        *plan.environment.differences,
        *image.differences,
        *of_containers,
        *left_out_differences(plan.left_out),
    ]
    return tuple(dict.fromkeys(found))
