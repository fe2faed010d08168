"""Damaged documents of a home: found without changing anything, and moved aside on request."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from emulator.entities import (
    AccessTokens,
    EndpointKeys,
    Entity,
    Environment,
    Model,
    OnlineDeployment,
    OnlineEndpoint,
    SigningSecret,
)
from emulator.errors import DamagedDocument, EmulatorError, damaged_document
from emulator.store.disk import make_folder, read_document
from emulator.store.documents import Documents, names_in, stems_in
from emulator.store.segments import segment
from emulator.store.workspace_document import check_workspace
from emulator.system.files import sync_folder

ASIDE = "damaged"
"""The folder of a home in which lies what was moved aside."""


@dataclass(frozen=True)
class Damage:
    """A damaged document: the resource that is out of service, the file, and the fault.

    `endpoint` and `deployment` name the owner where the document is one of theirs.
    """

    resource: str
    file: str
    fault: str
    endpoint: str = ""
    deployment: str = ""

    def __str__(self) -> str:
        return f"{self.resource} is out of service: '{self.file}' is damaged: {self.fault}"


def find_damage(home: Path, documents: Documents) -> list[Damage]:
    """Return the damaged documents of the home."""
    return [
        *_of_workspace(home, documents),
        *(d for name in ("endpoints", "models", "environments", "images") for d in _folder(f"all {name}", home / name)),
        *(damage for name in names_in(home / "endpoints") for damage in damage_of_endpoint(home, documents, name)),
        *_of_versions(home / "models", "model", documents, Model),
        *_of_versions(home / "environments", "environment", documents, Environment),
        *_of_images(home / "images", documents),
    ]


def _of_workspace(home: Path, documents: Documents) -> Iterator[Damage]:
    yield from _looked_at("the workspace", home / "workspace.json", lambda: check_workspace(home))
    yield from _looked_at("the admin's token", home / "token.json", lambda: _check_token(home / "token.json"))
    for resource, name, shape in (
        ("every token that was handed out", "access.json", AccessTokens),
        ("every token of an endpoint", "signing.json", SigningSecret),
    ):
        yield from _document(resource, home / name, documents, shape)


def _check_token(path: Path) -> None:
    document = read_document(path)
    if document is not None and not (isinstance(document.get("token"), str) and document["token"]):
        raise damaged_document(str(path), "it holds no token")


def damage_of_endpoint(home: Path, documents: Documents, name: str) -> Iterator[Damage]:
    """Return the damaged documents of one endpoint."""
    folder, resource = home / "endpoints" / segment(name), f"endpoint {name}"
    if unlisted := list(_folder(resource, folder, name)):
        yield from unlisted
        return
    path = folder / "endpoint.json"
    yield from _document(resource, path, documents, OnlineEndpoint, {"name": name}, endpoint=name)
    if not os.path.lexists(path) and names_in(folder / "deployments"):
        yield Damage(resource, str(path), "it is missing, and there are deployments", name)
    yield from _folder(f"the deployments of endpoint {name}", folder / "deployments", name)
    keys = folder / "keys.json"
    yield from _document(f"the keys of endpoint {name}", keys, documents, EndpointKeys, endpoint=name)
    if not os.path.lexists(keys) and path.exists():
        yield Damage(f"the keys of endpoint {name}", str(keys), "it is missing", name)
    for deployment in stems_in(folder / "deployments"):
        yield from _document(
            f"deployment {deployment} of endpoint {name}",
            folder / "deployments" / segment(f"{deployment}.json"),
            documents,
            OnlineDeployment,
            {"name": deployment, "endpoint_name": name},
            endpoint=name,
            deployment=deployment,
        )


def _of_versions(folder: Path, kind: str, documents: Documents, shape: type[Entity]) -> Iterator[Damage]:
    for name in names_in(folder):
        versions = folder / segment(name)
        yield from _folder(f"{kind} {name}", versions)
        for version in stems_in(versions):
            named = {"name": name, "version": version}
            file = versions / segment(f"{version}.json")
            yield from _document(f"{kind} {name}:{version}", file, documents, shape, named)


def _folder(resource: str, path: Path, endpoint: str = "") -> Iterator[Damage]:
    """Yield a folder of documents that cannot be listed; a missing one is not damage."""
    try:
        with os.scandir(path):
            return
    except OSError as error:
        if os.path.lexists(path):
            yield Damage(resource, str(path), error.strerror or str(error), endpoint)


def _of_images(folder: Path, documents: Documents) -> Iterator[Damage]:
    for digest in stems_in(folder):
        file = folder / segment(f"{digest}.json")
        yield from _document(f"what image {digest[:12]} was built from", file, documents, Environment)


def _document(
    resource: str,
    path: Path,
    documents: Documents,
    shape: type[Entity],
    named: dict[str, str] | None = None,
    *,
    endpoint: str = "",
    deployment: str = "",
) -> Iterator[Damage]:
    found = _looked_at(resource, path, lambda: documents.find(path, shape, named))
    yield from (Damage(d.resource, d.file, d.fault, endpoint, deployment) for d in found)


def _looked_at(resource: str, path: Path, look: Callable[[], object]) -> Iterator[Damage]:
    try:
        look()
    except DamagedDocument as error:
        yield Damage(resource, error.file or str(path), error.fault or error.message)
    except EmulatorError as error:
        yield Damage(resource, str(path), error.message)


def move_aside(home: Path, damaged: list[Damage], now: str) -> list[tuple[Damage, Path]]:
    """Move each damaged document to `damaged/<now>/` of the home, under its old path; return the new paths.

    An endpoint without its own document goes as a whole, so that its deployments stay with it.
    """
    moved: list[tuple[Damage, Path]] = []
    gone: set[Path] = set()
    for damage in damaged:
        file = Path(damage.file)
        source = file.parent if file.name == "endpoint.json" else file
        if source in gone or not gone.isdisjoint(source.parents) or not os.path.lexists(source):
            continue
        target = home / ASIDE / segment(now) / source.relative_to(home)
        make_folder(target.parent)
        source.rename(target)
        sync_folder(target.parent)
        gone.add(source)
        moved.append((damage, target))
    return moved


def aside(home: Path) -> list[Path]:
    """Return the original paths of what was moved aside, relative to the home."""
    stamps = [home / ASIDE / segment(name) for name in names_in(home / ASIDE)]
    return [path.relative_to(stamp) for stamp in stamps for path in sorted(stamp.rglob("*")) if not path.is_dir()]
