"""Endpoint and deployment files together: read, filled in, checked against each other, all faults at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from emulator.azure_files.v2.deployment import DeploymentFile, KubernetesDeploymentFile, ManagedDeploymentFile
from emulator.azure_files.v2.endpoint import EndpointFile
from emulator.azure_files.v2.overrides import KINDS, Setting, with_settings, without
from emulator.azure_files.v2.placeholders import unfilled
from emulator.azure_files.v2.source_file import Source, kind_of, left_open, other_kind, parsed, refuse_all
from emulator.azure_files.v2.validation import IS_REQUIRED, F, checked, salvaged
from emulator.documents.yaml_document import Document
from emulator.entities import AssetKind, parse_reference
from emulator.errors import BadArgument, BadDocument, Fault
from emulator.profiles import profile_of


@dataclass(frozen=True)
class ReadDeployment:
    """A deployment's file, its document, and where it was read."""

    source: Source
    document: Document
    file: DeploymentFile

    @property
    def is_kubernetes(self) -> bool:
        """Whether the file says so."""
        return isinstance(self.file, KubernetesDeploymentFile)


@dataclass(frozen=True)
class ReadFiles:
    """The content of a set of files: one endpoint, if a file describes it, and its deployments."""

    endpoint: EndpointFile | None
    endpoint_document: Document | None
    deployments: tuple[ReadDeployment, ...]

    @property
    def endpoint_name(self) -> str:
        """The endpoint that all of them are about."""
        return self.endpoint.name if self.endpoint else self.deployments[0].file.endpoint_name

    @property
    def is_kubernetes(self) -> bool:
        """Whether the endpoint is one of Kubernetes."""
        if any(deployment.is_kubernetes for deployment in self.deployments):
            return True
        return self.endpoint is not None and self.endpoint.is_kubernetes


def read_files(
    sources: Sequence[Source],
    settings: Sequence[Setting] = (),
    *,
    name: str = "",
    deployment: str = "",
    replaced: Collection[str] = (),
    also: Callable[[Sequence[ReadDeployment]], Sequence[Fault]] = lambda _deployments: (),
) -> ReadFiles:
    """The endpoint and the deployments that the files describe, with the command line's values in place.

    `name` is the endpoint's, `deployment` the deployment's; `replaced` are keys of deployments that the command line
    gives in another way, and that are not looked at.  `also` finds what else is wrong with deployments, of which those
    with faults come without their faulty parts.  Raises BadDocument with every fault of every file, and
    BadArgument for what the command line gives that fits none of them.
    """
    faults: list[Fault] = []
    documents = _documents(sources, faults)
    kinds = [kind for _, _, kind in documents]
    _check_placeholders(settings, [document for _, document, _ in documents])
    given = _named(name, deployment, kinds) + _settled(settings, kinds)
    endpoints: list[tuple[Document, EndpointFile | None]] = []
    deployments: list[tuple[Source, Document, DeploymentFile | None]] = []
    in_part: list[ReadDeployment] = []
    for source, document, kind in documents:
        filled = with_settings(document, [setting for setting in given if setting.kind == kind])
        if kind == "endpoint":
            endpoints.append((filled, _checked(filled, EndpointFile, faults)))
        else:
            filled = without(filled, replaced)
            file = _checked(filled, _class_of(filled), faults)
            deployments.append((source, filled, file))
            rest = file or salvaged(filled, _class_of(filled))
            in_part += [ReadDeployment(source, filled, rest)] if rest else []
    read = [ReadDeployment(source, document, file) for source, document, file in deployments if file]
    known = [(document, file) for document, file in endpoints if file]
    faults += _several(endpoints) + _against_each_other(known, read)
    faults += _news(also(in_part), faults)
    refuse_all([source.file for source in sources], faults)
    return ReadFiles(known[0][1] if known else None, known[0][0] if known else None, tuple(read))


def _news(found: Sequence[Fault], told: Sequence[Fault]) -> list[Fault]:
    """Without those of fields that have a fault already, of which they are the consequence."""
    places = {(fault.where.rpartition(":")[0], fault.field) for fault in told if fault.field}

    def is_told(fault: Fault) -> bool:
        parts = fault.field.split(".")
        file = fault.where.rpartition(":")[0]
        return any((file, ".".join(parts[:count])) in places for count in range(1, len(parts) + 1))

    return [fault for fault in found if not is_told(fault)]


def _check_placeholders(settings: Sequence[Setting], documents: Sequence[Document]) -> None:
    found = {text for document in documents for _, text in unfilled(document.data)}
    for setting in settings:
        if setting.is_placeholder and setting.path[0] not in found:
            left = f"; they have {', '.join(sorted(found))}" if found else ""
            raise BadArgument(f"{setting}: the files have no such placeholder{left}")


def _documents(sources: Sequence[Source], faults: list[Fault]) -> list[tuple[Source, Document, str]]:
    found = []
    for source in sources:
        try:
            document = parsed(source)
        except BadDocument as error:
            faults += error.faults or [Fault(error.message)]
            continue
        kind = kind_of(document)
        if kind in KINDS:
            found.append((source, document, kind))
        else:
            faults.append(other_kind(document, kind))
    return found


def _named(name: str, deployment: str, kinds: Sequence[str]) -> list[Setting]:
    given = []
    if name:
        given += [
            Setting(("name",), name, "endpoint", "--name"),
            Setting(("endpoint_name",), name, "deployment", "--name"),
        ]
    if deployment:
        if kinds.count("deployment") > 1:
            raise BadArgument(f"--deployment {deployment}: there are several deployments, which each have a name")
        given.append(Setting(("name",), deployment, "deployment", "--deployment"))
    return given


def _settled(settings: Sequence[Setting], kinds: Sequence[str]) -> list[Setting]:
    """Each setting with its kind of file, which its key tells where it is not said."""
    found: list[Setting] = []
    for setting in settings:
        if setting.is_placeholder:
            found += [replace(setting, kind=kind) for kind in KINDS]
        else:
            found.append(setting if setting.kind else _with_kind(setting, kinds))
    return found


def _with_kind(setting: Setting, kinds: Sequence[str]) -> Setting:
    key = str(setting.path[0])
    fitting = [kind for kind in KINDS if kind in kinds and key in _KEYS[kind]]
    if len(fitting) > 1:
        raise BadArgument(
            f"{setting}: both files have '{key}'; write --set endpoint.{key}=… or --set deployment.{key}=…"
        )
    # A key that no file has is put where it is told as unknown, with the nearest one.
    kind = fitting[0] if fitting else "deployment" if "deployment" in kinds else "endpoint"
    return Setting(setting.path, setting.value, kind)


_KEYS = {
    "endpoint": set(EndpointFile.model_fields),
    "deployment": set(ManagedDeploymentFile.model_fields) | set(KubernetesDeploymentFile.model_fields),
}


def _class_of(document: Document) -> type[DeploymentFile]:
    """Any `type` but kubernetes loads as managed, as in azure-ai-ml 1.35.2."""
    kubernetes = str(document.data.get("type", "")).lower() == "kubernetes"
    return KubernetesDeploymentFile if kubernetes else ManagedDeploymentFile


def _checked(document: Document, kind: type[F], faults: list[Fault]) -> F | None:
    left = left_open(document)
    file, found = checked(document, kind)
    found = [_with_option(fault, kind) for fault in found]
    told = {fault.field for fault in left}  # a placeholder breaks other rules too, which is no news
    faults += [*left, *(fault for fault in found if fault.field not in told)]
    return file


def _with_option(fault: Fault, kind: type[F]) -> Fault:
    """Return the option that gives a missing name."""
    option = {"endpoint_name": "--name NAME", "name": "--name NAME" if kind is EndpointFile else "--deployment NAME"}
    if fault.message != IS_REQUIRED or fault.field not in option:
        return fault
    return replace(fault, message=f"{IS_REQUIRED}: write it, or give {option[fault.field]}")


def _several(endpoints: Sequence[tuple[Document, EndpointFile | None]]) -> list[Fault]:
    return [document.fault((), "this is a second endpoint: one command has one") for document, _ in endpoints[1:]]


def _against_each_other(
    endpoints: Sequence[tuple[Document, EndpointFile]], deployments: Sequence[ReadDeployment]
) -> list[Fault]:
    faults = []
    name = endpoints[0][1].name if endpoints else (deployments[0].file.endpoint_name if deployments else "")
    for index, one in enumerate(deployments):
        if one.file.endpoint_name != name:
            message = f"this is about endpoint '{one.file.endpoint_name}', the other file about '{name}'"
            faults.append(one.document.fault(("endpoint_name",), message))
        if one.file.name in {other.file.name for other in deployments[:index]}:
            faults.append(one.document.fault(("name",), f"another file has the deployment '{one.file.name}' already"))
        if endpoints and endpoints[0][1].is_kubernetes != one.is_kubernetes:
            kinds = ("managed", "kubernetes")
            message = f"the endpoint is {kinds[not one.is_kubernetes]}, the deployment {kinds[one.is_kubernetes]}"
            faults.append(one.document.fault(("type",), message))
        faults += _on_its_own(one)
    for document, endpoint in endpoints:
        faults += _of_kubernetes(document, endpoint) if endpoint.is_kubernetes else []
    return faults


def _on_its_own(deployment: ReadDeployment) -> list[Fault]:
    """Check the rules beyond types: the values that each kind of deployment may have (Microsoft's YAML references)."""
    file, fault = deployment.file, deployment.document.fault
    faults = []
    if not deployment.is_kubernetes and file.scale_settings and file.scale_settings.type != "default":
        message = "ManagedOnlineEndpoint supports DefaultScaleSettings only."
        faults.append(fault(("scale_settings", "type"), message))
    if deployment.is_kubernetes:
        for key in ("model", "environment"):
            reference = getattr(file, key)
            if isinstance(reference, str) and reference.startswith("azureml://registries/"):
                faults.append(fault((key,), "Kubernetes deployments take no assets of a registry"))
    if isinstance(file.model, str):
        faults += _reference(file.model, "model", fault)
    if isinstance(file.environment, str):
        faults += _reference(file.environment, "environment", fault)
    if file.model_mount_path is not None and not file.model_mount_path.startswith("/"):
        faults.append(fault(("model_mount_path",), f"'{file.model_mount_path}' must be an absolute path"))
    return faults


def _reference(text: str, key: AssetKind, fault: Callable[[tuple[str], str], Fault]) -> list[Fault]:
    """azure-ai-ml takes a text for a registered asset only when it says so."""
    if text.startswith(("azureml:", "/subscriptions/")):
        try:
            parse_reference(text, key)
        except BadArgument as error:
            return [fault((key,), error.message)]
        return []
    return [
        fault((key,), f"'{text}' is no reference: azureml:NAME:VERSION or azureml:NAME@latest; a path is {key}.path")
    ]


def _of_kubernetes(document: Document, endpoint: EndpointFile) -> list[Fault]:
    faults = []
    profile = profile_of("kubernetes")
    if endpoint.mirror_traffic and profile.scoring.mirror_most_percent is None:
        faults.append(document.fault(("mirror_traffic",), "Kubernetes endpoints cannot mirror traffic"))
    if endpoint.auth_mode and endpoint.auth_mode not in profile.auth_modes:
        message = f"Kubernetes endpoints have no {endpoint.auth_mode}; they have: {', '.join(profile.auth_modes)}"
        faults.append(document.fault(("auth_mode",), message))
    return faults
