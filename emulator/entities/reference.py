"""References to models and environments, in all forms of Azure ML's SDK and CLI (row registry.references)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from emulator.difference import Difference, differs
from emulator.entities.base import Entity
from emulator.errors import BadArgument, ResourceNotFound, did_you_mean
from emulator.names import LATEST, check_asset_name, check_environment_version, check_version

AssetKind = Literal["model", "environment"]

_COLLECTIONS: dict[AssetKind, str] = {"model": "models", "environment": "environments"}
# What follows azureml:// or begins an ARM id, as in the SDK's constants/_common.py.  In the cloud the case of
# resourceGroups and of the provider does not matter.
_PROVIDER = r"(?:providers/Microsoft\.MachineLearningServices/)?"
_GROUP = rf"(?:subscriptions/[^/]+/)?resourceGroups/[^/]+/{_PROVIDER}"
_SCOPE = rf"(?:(?:{_GROUP}|locations/[^/]+/)?workspaces/[^/]+/|(?:{_GROUP})?registries/(?P<registry>[^/]+)/)?"
_URI = re.compile(rf"{_SCOPE}(?P<collection>models|environments)/(?P<name>[^/]+)/?(?P<rest>.*)", re.IGNORECASE)
_REST = re.compile(r"(?P<by>versions|labels)/(?P<which>[^/]+)", re.IGNORECASE)


class AssetReference(Entity):
    """A reference to a model or an environment.

    `version` None means the latest.  `registry` is the registry that the cloud reads it from, '' for the workspace.
    """

    kind: AssetKind
    name: str
    version: str | None = None
    registry: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{self.version}" if self.version else f"{self.name}@latest"

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Where the cloud takes it from, unless that is the workspace too."""
        if not self.registry:
            return ()
        text = (
            f"the {self.kind} {self} is taken from the local workspace;"
            f" the cloud takes it from registry '{self.registry}'"
        )
        return (differs("registry.taken_locally", text),)


def is_arm_id(text: str) -> bool:
    """Return whether `text` is an ARM id, which begins like the absolute path of a file."""
    return text.lower().startswith("/subscriptions/")


def parse_reference(text: str, kind: AssetKind) -> AssetReference:
    """Parse `name:version`, `name@latest` or `name`, each with or without the prefix `azureml:`; an `azureml://` URI of
    a workspace or of a registry; or an ARM id.  Raises BadArgument for anything else.

    >>> parse_reference("azureml:my_model:2", "model").version
    '2'
    >>> parse_reference("azureml://registries/r/models/my_model/labels/latest", "model").registry
    'r'
    """
    plain = text.removeprefix("azureml:")
    if plain.startswith("//"):
        return _of_uri(text, plain[2:], kind)
    if is_arm_id(plain):
        return _of_uri(text, plain[1:], kind)
    return _of_name(text, plain, kind)


def parse_model_reference(text: str) -> AssetReference:
    """Parse a reference to a model."""
    return parse_reference(text, "model")


def _of_name(text: str, plain: str, kind: AssetKind) -> AssetReference:
    name, at, label = plain.partition("@")
    if at and label != LATEST:
        raise BadArgument(f"'{text}': the only label of {_a(kind)} is @latest", target=f"{kind} {text}")
    name, colon, version = name.partition(":")
    if colon and at:
        raise BadArgument(f"'{text}' names a version and a label: give one of them", target=f"{kind} {text}")
    return AssetReference(
        kind=kind, name=check_asset_name(name, kind), version=_check_version(version, kind) if colon else None
    )


def _check_version(version: str, kind: AssetKind) -> str:
    """Return `version` if it is a valid version of that kind: a label follows '@'."""
    return check_environment_version(version) if kind == "environment" and version != LATEST else check_version(version)


def _of_uri(text: str, path: str, kind: AssetKind) -> AssetReference:
    target = f"{kind} {text}"
    found = _URI.fullmatch(path)
    collection = _COLLECTIONS[kind]
    form = f"…/{collection}/NAME/versions/VERSION or …/{collection}/NAME/labels/latest"
    if found is None:
        hint = f"azureml://registries/REGISTRY/{form[2:]}, or azureml:NAME:VERSION of the workspace"
        raise BadArgument(f"'{text}' does not name {_a(kind)}", target=target, hint=hint)
    if found["collection"].lower() != collection:
        raise BadArgument(f"'{text}' is among the {found['collection']}: it does not name {_a(kind)}", target=target)
    rest = _REST.fullmatch(found["rest"])
    if rest is None:
        raise BadArgument(f"'{text}' does not say which version", target=target, hint=form)
    by_label = rest["by"].lower() == "labels"
    if by_label and rest["which"] != LATEST:
        raise BadArgument(f"'{text}': the only label of {_a(kind)} is latest", target=target)
    return AssetReference(
        kind=kind,
        name=check_asset_name(found["name"], kind),
        version=None if by_label else _check_version(rest["which"], kind),
        registry=found["registry"] or "",
    )


def _a(kind: AssetKind) -> str:
    return "an environment" if kind == "environment" else "a model"


def not_found(
    reference: AssetReference, versions: Sequence[str], names: Iterable[str], register: str
) -> ResourceNotFound:
    """Return the error for a reference to nothing, with the existing versions, else the nearest of `names`.

    `register` is the command that would register it.
    """
    kind, name, target = reference.kind, reference.name, f"{reference.kind} {reference}"
    of_registry = f" here, of registry '{reference.registry}' or of any other" if reference.registry else ""
    if versions:
        has = f"it has: {', '.join(versions)}"
        message = f"{kind} '{name}' has no version '{reference.version or LATEST}'{of_registry}; {has}"
        return ResourceNotFound(message, target=target)
    near = did_you_mean(name, sorted(set(names)))
    message = f"no {kind} named '{name}' is registered{of_registry}{near and f'; {near}'}"
    return ResourceNotFound(message, target=target, hint=register)
