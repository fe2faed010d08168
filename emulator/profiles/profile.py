"""The rows resolved for one target: what the front door and the core read.

Every field names the row that it is read from, so a behaviour cannot be in the code without being in the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import Field, dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any, get_type_hints

from emulator.entities import AuthMode, Target
from emulator.profiles.collection_profile import CollectionProfile
from emulator.profiles.facts import Answer, RoutedPaths, Row
from emulator.profiles.facts import read_from as _row
from emulator.profiles.layout import LayoutProfile
from emulator.profiles.mlflow_profile import MlflowProfile
from emulator.profiles.probe_profile import ProbeProfile
from emulator.profiles.rules import RulesProfile
from emulator.profiles.scoring_profile import ScoringProfile
from emulator.profiles.table.admission import ADMISSION_ROWS
from emulator.profiles.table.asset import ASSET_ROWS
from emulator.profiles.table.auth import AUTH_ROWS
from emulator.profiles.table.collection import COLLECTION_ROWS
from emulator.profiles.table.container import CONTAINER_ROWS
from emulator.profiles.table.front_door import FRONT_DOOR_ROWS
from emulator.profiles.table.layout import LAYOUT_ROWS
from emulator.profiles.table.log import LOG_ROWS, LogProfile
from emulator.profiles.table.mlflow import MLFLOW_ROWS
from emulator.profiles.table.own_image import OWN_IMAGE_ROWS
from emulator.profiles.table.probe import PROBE_ROWS
from emulator.profiles.table.rule import RULE_ROWS
from emulator.profiles.table.server import SERVER_ROWS
from emulator.profiles.table.size import SIZE_ROWS
from emulator.profiles.table.start import START_ROWS, StartProfile
from emulator.profiles.table.status import STATUS_ROWS

Overrides = Mapping[Target, Mapping[str, Any]]
"""By target and row id, the value in place of an assumed one."""


@dataclass(frozen=True)
class ContainerProfile:
    """What a target's cloud sets in and places into a scoring container; templates as in `table.container`.

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
    mounted_model_template: str = field(metadata=_row("custom.model_mount_path"))
    max_models: int | None = field(metadata=_row("container.max_models"))
    service_name_template: str | None = field(metadata=_row("container.service_name"))
    service_path_prefix_template: str | None = field(metadata=_row("container.service_path_prefix"))
    scoring_timeout_ms: str | None = field(metadata=_row("container.scoring_timeout_ms"))
    user_variables_win: bool = field(metadata=_row("container.user_variables_win"))
    read_only_mounts: bool = field(metadata=_row("container.read_only_mounts"))
    size_share: float = field(metadata=_row("container.size"))

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

    def mounted_model_dir(self, mount: str, models: tuple[tuple[str, str], ...]) -> str:
        """AZUREML_MODEL_DIR with model_mount_path: the one model's folder, the mount itself with several."""
        if len(models) > 1:
            return mount
        name, version = models[0]
        return self.mounted_model_template.format(mount=mount, model=name, version=version)

    def service_variables(self, endpoint: str, request_timeout_ms: int | None) -> dict[str, str]:
        """SERVICE_NAME, SERVICE_PATH_PREFIX and SCORING_TIMEOUT_MS, as far as the target sets them."""
        templates = {
            "SERVICE_NAME": self.service_name_template,
            "SERVICE_PATH_PREFIX": self.service_path_prefix_template,
            "SCORING_TIMEOUT_MS": self.scoring_timeout_ms,
        }
        known = {"endpoint": endpoint, "request_timeout_ms": request_timeout_ms}
        return {name: value.format(**known) for name, value in templates.items() if value is not None}


@dataclass(frozen=True)
class Profile:
    """The resolved behaviour of one target's front door, of what it lets in, and of its container.

    `routed_methods` None lets every method through.  Answers are None where there is no front door to give them, or no
    such credential to refuse.  `overridden` holds by row id what the settings have put in place of assumed values.
    """

    target: Target
    overridden: tuple[tuple[str, Any], ...]
    container: ContainerProfile
    scoring: ScoringProfile
    layout: LayoutProfile
    rules: RulesProfile
    probes: ProbeProfile
    collection: CollectionProfile
    logs: LogProfile
    start: StartProfile
    mlflow: MlflowProfile
    front_door: bool = field(metadata=_row("routing.front_door"))
    routed_methods: frozenset[str] | None = field(metadata=_row("routing.methods"))
    rejected_method: Answer | None = field(metadata=_row("routing.rejected_method"))
    http_1_0: Answer | None = field(metadata=_row("routing.http_version"))
    paths: RoutedPaths | None = field(metadata=_row("routing.paths"))
    path_prefix_template: str | None = field(metadata=_row("routing.path_prefix"))
    scoring_uri_template: str = field(metadata=_row("custom.scoring_uri"))
    no_such_endpoint: Answer = field(metadata=_row("routing.no_such_endpoint"))
    auth_modes: tuple[AuthMode, ...] = field(metadata=_row("auth.modes"))
    default_auth_mode: AuthMode = field(metadata=_row("auth.default_mode"))
    auth_mode_may_change: bool = field(metadata=_row("auth.mode_update"))
    auth_before_routing: bool = field(metadata=_row("auth.before_routing"))
    old_key_seconds: int = field(metadata=_row("auth.regenerate"))
    auth_scheme: str | None = field(metadata=_row("auth.scheme"))
    key_names: tuple[str, str] | None = field(metadata=_row("auth.keys"))
    swagger_requires_key: bool = field(metadata=_row("auth.swagger_key_required"))
    health_requires_key: bool = field(metadata=_row("auth.health_key_required"))
    no_auth_header: Answer | None = field(metadata=_row("auth.no_header"))
    malformed_auth_header: Answer | None = field(metadata=_row("auth.malformed_header"))
    wrong_key: Answer | None = field(metadata=_row("auth.wrong_key"))
    bad_token_header: Answer | None = field(metadata=_row("auth.token_header"))
    refused_token: Answer | None = field(metadata=_row("auth.refused_token"))
    wrong_tenant: Answer | None = field(metadata=_row("auth.wrong_tenant"))
    token_lifetime_seconds: int | None = field(metadata=_row("auth.token_lifetime"))
    token_refresh_seconds: int | None = field(metadata=_row("auth.token_refresh"))
    token_fields: tuple[str, str, str, str] | None = field(metadata=_row("auth.token_fields"))
    aad_audience: str | None = field(metadata=_row("auth.aad_audience"))
    aad_action: str | None = field(metadata=_row("auth.aad_action"))
    auth_types: Mapping[AuthMode, str] = field(metadata=_row("auth.logged_type"))
    identity_claim: str | None = field(metadata=_row("auth.logged_identity"))
    deployment_header: str | None = field(metadata=_row("traffic.deployment_header"))
    no_valid_deployment: Answer = field(metadata=_row("traffic.no_valid_deployment"))
    unknown_deployment: Answer | None = field(metadata=_row("traffic.unknown_deployment"))
    server: str | None = field(metadata=_row("headers.server"))
    request_id_header: str | None = field(metadata=_row("headers.request_id"))
    model_deployment_header: str | None = field(metadata=_row("headers.model_deployment"))
    model_session_header: str | None = field(metadata=_row("headers.model_session"))

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

    def scoring_uri(self, base_uri: str, path: str) -> str:
        """Where the endpoint takes requests, for the scoring route's path."""
        return self.scoring_uri_template.format(base=base_uri, path=path)


def _parts() -> dict[str, type[Any]]:
    kinds = get_type_hints(Profile)
    return {"": Profile} | {f.name: kinds[f.name] for f in fields(Profile) if is_part(f, kinds[f.name])}


def is_part(field_: Field[Any], kind: Any) -> bool:
    """Whether a field of Profile holds a profile of its own, rather than the value of a row."""
    return is_dataclass(kind) and "row" not in field_.metadata


# What a Profile is made of, by the field that holds it; '' is the Profile itself.
PARTS: Mapping[str, type[Any]] = _parts()


def rows() -> tuple[Row, ...]:
    """The whole parity table."""
    return (
        FRONT_DOOR_ROWS
        + AUTH_ROWS
        + STATUS_ROWS
        + ADMISSION_ROWS
        + START_ROWS
        + PROBE_ROWS
        + LOG_ROWS
        + COLLECTION_ROWS
        + CONTAINER_ROWS
        + SIZE_ROWS
        + OWN_IMAGE_ROWS
        + LAYOUT_ROWS
        + ASSET_ROWS
        + RULE_ROWS
        + SERVER_ROWS
        + MLFLOW_ROWS
    )


def row_of_field(cls: type[Any]) -> dict[str, str]:
    """The row id that each field of a profile class is read from."""
    return {f.name: f.metadata["row"] for f in fields(cls) if "row" in f.metadata}


# The one process-wide value of this module: what `overridden` has put in force.
_IN_FORCE: dict[Target, Profile] = {}


def profile_of(target: Target) -> Profile:
    """The behaviour of that target: as in the table, unless the settings of this emulator override it."""
    return _IN_FORCE.get(target) or _of_the_table(target)


@contextmanager
def overridden(overrides: Overrides) -> Iterator[None]:
    """Put these values in force for the whole process until the context ends.

    For the composition root, before anything is served and around all of it: an emulator has one table, and what
    serves reads it in many places and threads.  The values must have passed `read_overrides`.
    """
    before = dict(_IN_FORCE)
    _IN_FORCE.update({target: resolve(target, values) for target, values in overrides.items() if values})
    try:
        yield
    finally:
        _IN_FORCE.clear()
        _IN_FORCE.update(before)


def resolve(target: Target, overrides: Mapping[str, Any]) -> Profile:
    """The behaviour of that target with `overrides` by row id in place of the table's values."""
    values = {row.id: row.facts[target].value for row in rows()} | dict(overrides)
    made = {name: _made(cls, values) for name, cls in PARTS.items() if name}
    own = {name: values[row_id] for name, row_id in row_of_field(Profile).items()}
    return Profile(target=target, overridden=tuple(overrides.items()), **made, **own)


@cache
def _of_the_table(target: Target) -> Profile:
    return resolve(target, {})


def _made(cls: type[Any], values: Mapping[str, Any]) -> Any:
    return cls(**{name: values[row_id] for name, row_id in row_of_field(cls).items()})
