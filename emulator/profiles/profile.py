"""The rows resolved for one target: what the front door and the core read.

Every field names the row that it is read from, so a behaviour cannot be in the code without being in the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from emulator.entities import ProbeSettings, Target
from emulator.probing import BackOff, CrashLoop
from emulator.profiles.container_rows import CONTAINER_ROWS
from emulator.profiles.front_door_rows import FRONT_DOOR_ROWS
from emulator.profiles.probe_rows import PROBE_ROWS, EventMessages
from emulator.profiles.rows import Answer, Row


def _row(row_id: str) -> dict[str, str]:
    return {"row": row_id}


@dataclass(frozen=True)
class ContainerProfile:
    """What a target's cloud sets in and places into a scoring container; templates as in `container_rows`.

    The methods fill the templates in; a None from them means that the variable is not set.
    """

    app_root_template: str = field(metadata=_row("container.app_root"))
    working_dir_template: str = field(metadata=_row("container.working_dir"))
    entry_script_template: str = field(metadata=_row("container.entry_script"))
    entry_script_alone_template: str = field(metadata=_row("container.entry_script_alone"))
    source_directory_template: str | None = field(metadata=_row("container.source_directory"))
    source_directory_alone_template: str | None = field(metadata=_row("container.source_directory_alone"))
    model_dir_template: str = field(metadata=_row("container.model_dir"))
    model_dir_many: str = field(metadata=_row("container.model_dir_many"))
    model_dir_none: str | None = field(metadata=_row("container.model_dir_none"))
    max_models: int | None = field(metadata=_row("container.max_models"))
    service_name_template: str | None = field(metadata=_row("container.service_name"))
    service_path_prefix_template: str | None = field(metadata=_row("container.service_path_prefix"))
    scoring_timeout_ms: str | None = field(metadata=_row("container.scoring_timeout_ms"))
    read_only_mounts: bool = field(metadata=_row("container.read_only_mounts"))

    def app_root(self, code: str, script: str) -> str:
        """AML_APP_ROOT for the code folder's base name `code` and the `script` path below it."""
        folder = script.rpartition("/")[0]
        return self.app_root_template.format(code=code, script_folder=f"/{folder}" if folder else "")

    def working_dir(self, code: str, script: str) -> str:
        """The server's working directory, absolute."""
        return self.working_dir_template.format(app_root=self.app_root(code, script))

    def entry_script(self, code: str, script: str, *, explicit_source_dir: bool) -> str:
        """AZUREML_ENTRY_SCRIPT; `explicit_source_dir` tells whether the user named the code folder."""
        template = self.entry_script_template if explicit_source_dir else self.entry_script_alone_template
        return template.format(code=code, script=script, script_name=script.rpartition("/")[2])

    def source_directory(self, code: str, *, explicit_source_dir: bool) -> str | None:
        """AZUREML_SOURCE_DIRECTORY."""
        template = self.source_directory_template if explicit_source_dir else self.source_directory_alone_template
        return None if template is None else template.format(code=code)

    def model_dir(self, models: tuple[tuple[str, str], ...]) -> str | None:
        """AZUREML_MODEL_DIR for the deployed models, each `(name, version)`."""
        if not models:
            return self.model_dir_none
        if len(models) > 1:
            return self.model_dir_many
        name, version = models[0]
        return self.model_dir_template.format(model=name, version=version)

    def service_variables(self, endpoint: str) -> dict[str, str]:
        """SERVICE_NAME, SERVICE_PATH_PREFIX and SCORING_TIMEOUT_MS, as far as the target sets them."""
        templates = {
            "SERVICE_NAME": self.service_name_template,
            "SERVICE_PATH_PREFIX": self.service_path_prefix_template,
            "SCORING_TIMEOUT_MS": self.scoring_timeout_ms,
        }
        return {name: value.format(endpoint=endpoint) for name, value in templates.items() if value is not None}


@dataclass(frozen=True)
class ProbeProfile:
    """What a target's cloud does to a container that serves: probes, restarts, events."""

    run: bool = field(metadata=_row("probes.run"))
    liveness: ProbeSettings = field(metadata=_row("probes.liveness"))
    readiness: ProbeSettings = field(metadata=_row("probes.readiness"))
    liveness_success_threshold: int = field(metadata=_row("probes.liveness_success_threshold"))
    path: str = field(metadata=_row("probes.path"))
    passing_status: int = field(metadata=_row("probes.passing_status"))
    unready_out_of_rotation: bool = field(metadata=_row("probes.unready_out_of_rotation"))
    liveness_restarts: bool = field(metadata=_row("probes.liveness_restarts"))
    kill_grace_seconds: int = field(metadata=_row("probes.kill_grace_seconds"))
    back_off: BackOff = field(metadata=_row("probes.restart_back_off"))
    crash_loop: CrashLoop = field(metadata=_row("probes.crash_loop"))
    crash_loop_code: str = field(metadata=_row("probes.crash_loop_code"))
    crash_loop_message: str = field(metadata=_row("probes.crash_loop_message"))
    crash_loop_recovers: bool = field(metadata=_row("probes.crash_loop_recovers"))
    event_columns: tuple[str, ...] = field(metadata=_row("events.columns"))
    event_names: tuple[str, ...] = field(metadata=_row("events.names"))
    probe_failed_message: str = field(metadata=_row("events.probe_failed"))
    event_messages: EventMessages = field(metadata=_row("events.messages"))


@dataclass(frozen=True)
class Profile:
    """The resolved behaviour of one target's front door, and its container's.

    `requires_key` is what holds when a document says nothing; `key_optional` whether it may say no.  `routed_methods`
    None lets every method through.  Answers are None where there is no front door to give them.
    """

    target: Target
    container: ContainerProfile
    probes: ProbeProfile
    front_door: bool = field(metadata=_row("routing.front_door"))
    routed_methods: frozenset[str] | None = field(metadata=_row("routing.methods"))
    rejected_method: Answer | None = field(metadata=_row("routing.rejected_method"))
    path_prefix_template: str | None = field(metadata=_row("routing.path_prefix"))
    no_such_endpoint: Answer = field(metadata=_row("routing.no_such_endpoint"))
    requires_key: bool = field(metadata=_row("auth.key_required"))
    key_optional: bool = field(metadata=_row("auth.key_optional"))
    swagger_requires_key: bool = field(metadata=_row("auth.swagger_key_required"))
    no_auth_header: Answer | None = field(metadata=_row("auth.no_header"))
    malformed_auth_header: Answer | None = field(metadata=_row("auth.malformed_header"))
    wrong_key: Answer | None = field(metadata=_row("auth.wrong_key"))
    deployment_header: str | None = field(metadata=_row("traffic.deployment_header"))
    no_valid_deployment: Answer = field(metadata=_row("traffic.no_valid_deployment"))
    unknown_deployment: Answer | None = field(metadata=_row("traffic.unknown_deployment"))
    server: str | None = field(metadata=_row("headers.server"))
    request_id_header: str | None = field(metadata=_row("headers.request_id"))
    model_deployment_header: str | None = field(metadata=_row("headers.model_deployment"))
    model_session_header: str | None = field(metadata=_row("headers.model_session"))
    container_unreachable: Answer = field(metadata=_row("status.container_unreachable"))

    @property
    def rejected_method_status(self) -> int:
        """The status of the answer to a method that is not routed."""
        return self.rejected_method.status if self.rejected_method else 405

    def path_prefix(self, endpoint: str) -> str:
        """What stands before the container's own paths on the shared port; empty with a port of its own."""
        return (self.path_prefix_template or "").format(endpoint=endpoint)

    def base_uri(self, endpoint: str, host: str, port: int, shared_port: int) -> str:
        """Where the endpoint answers, without a trailing '/': `/score` and `/swagger.json` follow it."""
        prefix = self.path_prefix(endpoint)
        return f"http://{host}:{shared_port if prefix else port}{prefix}"


def rows() -> tuple[Row, ...]:
    """The whole parity table."""
    return FRONT_DOOR_ROWS + CONTAINER_ROWS + PROBE_ROWS


def row_of_field(cls: type[Any]) -> dict[str, str]:
    """The row id that each field of a profile class is read from."""
    return {f.name: f.metadata["row"] for f in fields(cls) if "row" in f.metadata}


@cache
def profile_of(target: Target) -> Profile:
    """The behaviour of that target."""
    container = ContainerProfile(**_values(ContainerProfile, target))
    probes = ProbeProfile(**_values(ProbeProfile, target))
    return Profile(target=target, container=container, probes=probes, **_values(Profile, target))


def _values(cls: type[Any], target: Target) -> dict[str, Any]:
    by_id = {row.id: row for row in rows()}
    return {name: by_id[row_id].facts[target].value for name, row_id in row_of_field(cls).items()}
