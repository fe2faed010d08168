"""The workspace folder: documents, content-addressed files, layouts and logs."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from emulator.entities import (
    AccessToken,
    AccessTokens,
    BuildContext,
    EndpointKeys,
    Environment,
    Model,
    ModelFile,
    ModelRequest,
    OnlineDeployment,
    OnlineEndpoint,
    SigningSecret,
)
from emulator.errors import BadArgument, DamagedDocument, EmulatorError, ResourceNotFound, damaged_document
from emulator.names import is_segment, may_name_endpoint
from emulator.store.build_contexts import copy_context
from emulator.store.collected import CollectedData
from emulator.store.damage import Damage, aside, damage_of_endpoint, find_damage
from emulator.store.disk import read_document, remove_whole
from emulator.store.documents import Documents, names_in, stems_in
from emulator.store.files import Files
from emulator.store.generation_numbers import GenerationNumbers
from emulator.store.layouts import Layouts, Placement, placements
from emulator.store.leftovers import REMOVED, remove_leftovers
from emulator.store.logs import Logs
from emulator.store.model_folder import ModelFolder, below
from emulator.store.model_versions import content_name, created_after
from emulator.store.privacy import make_home, tighten
from emulator.store.reach import Reach
from emulator.store.segments import segment
from emulator.store.sinks import SinkFolders
from emulator.store.trees import Tree, code_tree, model_tree, named_path
from emulator.store.unknown_uses import UnknownUses
from emulator.store.uploads import Uploads
from emulator.store.workspace_document import workspace_id
from emulator.system.files import sync_folder, translate_os_errors
from emulator.system.removal import remove_tree

__all__ = ["Layouts", "Placement", "Store", "Tree", "code_tree", "model_tree", "placements"]


class Store:
    """Everything that an emulator keeps in AMLEMU_HOME.

    `workspace_id` is drawn once and marks every container and image of this workspace.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._documents = Documents()
        self._endpoints = str(home / "endpoints")  # a Path for each of hundreds takes longer than their documents
        with translate_os_errors(f"AMLEMU_HOME {home}"):
            make_home(home)
            tighten(home)
            self.workspace_id = workspace_id(home)
            self.files = Files(home)
            self.logs = Logs(home)
        self.collected = CollectedData(home)
        self.sinks = SinkFolders(home)
        self.layouts = Layouts(home, self.files)
        self.uploads = Uploads(home.resolve(), self.files)
        self.generations = GenerationNumbers(home, self._generations_in_use)
        self._versions = threading.Lock()
        self._secret = threading.Lock()

    def reach(self, folder: Path) -> Reach:
        """Return the reach of file names in the documents of `folder`, bounded for uploaded and stored folders."""
        where, home = Path(os.path.realpath(folder)), self.home.resolve()
        for kept in (self.uploads.trees_folder, home / "contexts"):
            if where.is_relative_to(kept) and where != kept:
                return Reach(folder, kept / where.relative_to(kept).parts[0], self.files.folder)
        return Reach(folder)

    def signing_secret(self) -> str:
        """Return the secret that signs the workspace's tokens, drawn once, in a file that only its owner can read."""
        path = self.home / "signing.json"
        with self._secret, translate_os_errors("signing secret"):
            found = self._documents.find(path, SigningSecret)
            if found is None:
                found = SigningSecret(secret=secrets.token_hex(32))
                self._documents.put(path, found)
        return found.secret

    def access_tokens(self) -> tuple[AccessToken, ...]:
        """Return the issued tokens, in the order of creation."""
        return self._access_tokens().tokens

    def _access_tokens(self) -> AccessTokens:
        return self._documents.find(self.home / "access.json", AccessTokens) or AccessTokens(tokens=())

    def put_access_tokens(self, tokens: Sequence[AccessToken]) -> None:
        """Replace all issued tokens, in a file that only its owner can read."""
        with translate_os_errors("tokens"):
            kept = AccessTokens(tokens=tuple(tokens)).keeping_unknown_of(self._access_tokens())
            self._documents.put(self.home / "access.json", kept)

    # models

    def register_model(self, request: ModelRequest, now: Callable[[], str], *, reuse: bool = False) -> Model:
        """Store the file or folder at `request.path` as the next version of its name, or as the version asked for.

        The version exists once everything is on disk, not before.  A version with the same content is returned as it
        is; so is, with `reuse` and without a version, the last one with that content.  Raises BadArgument for a path
        that is not a file or folder, an MLflow model without MLmodel, and a version with other content.  `now` is
        called when the version is created: creation times have the order of the versions, however long each copy took
        and even if the clock was set back.
        """
        source = named_path(Path(request.path))
        with translate_os_errors(f"model {request.name or source.name}"):
            tree = model_tree(source, self.reach(source.parent))
            _check_type(request, source)
            stored = [(file.path, self.files.add(file.source)) for file in tree.files]
            files = tuple(ModelFile(path=path, size=s.size, sha256=s.sha256) for path, s in stored)
            with self._versions:
                name, version = self._identity(request, files, reuse=reuse)
                return self._create_version(
                    Model(
                        **request.model_dump(exclude={"path", "name", "version"}),
                        name=name,
                        version=version,
                        anonymous=request.name is None,
                        path=source.name,
                        files=files,
                        size=sum(f.size for f in files),
                        sha256=_digest_of(files),
                        created_at=created_after([m.created_at for m in self.model_versions(name)], now()),
                    )
                )

    def _identity(self, request: ModelRequest, files: Sequence[ModelFile], *, reuse: bool) -> tuple[str, str]:
        digest = _digest_of(files)
        if request.name is None:  # the content is read once more for its name, unless it has one already
            known = [m.name for m in self.models() if m.anonymous and m.sha256 == digest]
            return (known or [content_name((f.path, self.files.path_of(f.sha256)) for f in files)])[0], "1"
        same = [m.version for m in self.model_versions(request.name) if m.sha256 == digest] if reuse else []
        return request.name, request.version or (same or [self._next_version(request.name)])[-1]

    def _create_version(self, model: Model) -> Model:
        existing = self.find_model(model.name, model.version)
        if existing is None:
            self._documents.put(self._model_path(model.name, model.version), model)
            return model
        if existing.sha256 == model.sha256:
            return existing
        message = f"version {model.version} is registered already with other content, and a version never changes"
        raise BadArgument(message, target=f"model {model.id}", hint="register it as the next version: omit --version")

    def _next_version(self, name: str) -> str:
        numbers = [int(version) for version in self.version_names(name) if version.isdecimal()]
        return str(max(numbers, default=0) + 1)

    def version_names(self, name: str) -> list[str]:
        """Return the versions of a model, damaged ones included: no version is reused."""
        return list(stems_in(self._models_folder(name)))

    def _model_path(self, name: str, version: str) -> Path:
        return self._models_folder(name) / segment(f"{version}.json")

    def _models_folder(self, name: str) -> Path:
        return self.home / "models" / segment(name)

    def find_model(self, name: str, version: str) -> Model | None:
        """Return that version, archived or not, None if it does not exist."""
        return self._documents.find(self._model_path(name, version), Model, {"name": name, "version": version})

    def model_versions(self, name: str) -> list[Model]:
        """Return the readable versions of `name`, in the order of registration."""
        found = (
            self._documents.readable(self._model_path(name, version), Model, {"name": name, "version": version})
            for version in self.version_names(name)
        )
        return sorted(filter(None, found), key=_by_age)

    def models(self) -> list[Model]:
        """Return all versions of all models."""
        return [model for name in names_in(self.home / "models") for model in self.model_versions(name)]

    def put_model(self, model: Model) -> None:
        """Replace a version's document, for the fields that may change: archived, tags, description."""
        with translate_os_errors(f"model {model.id}"):
            self._documents.put(self._model_path(model.name, model.version), model)

    def model_folder(self, model: Model | ModelRequest) -> ModelFolder:
        """Return the files of a model by their path in its folder, stored or about to be registered."""
        if isinstance(model, Model):
            stored = {below(model.path, f.path): self.files.path_of(f.sha256) for f in model.files}
            return ModelFolder(stored, Reach(self.files.folder, self.files.folder))
        source = named_path(Path(model.path))
        with translate_os_errors(f"model {model.name or source.name}"):
            _check_type(model, source)
            reach = self.reach(source.parent)
            return ModelFolder({below(source.name, f.path): f.source for f in model_tree(source, reach).files}, reach)

    # environments

    def environments(self) -> list[Environment]:
        """Return all registered environments, by name and number of version."""
        found = (
            self._documents.readable(self._environment_path(n, v), Environment, {"name": n, "version": v})
            for n in names_in(self.home / "environments")
            for v in self.environment_versions(n)
        )
        return sorted(filter(None, found), key=lambda e: (e.name, _by_number(e.version)))

    def environment_versions(self, name: str) -> list[str]:
        """Return the versions of an environment, damaged ones included: no version is reused."""
        return list(stems_in(self.home / "environments" / segment(name)))

    def find_environment(self, name: str, version: str) -> Environment | None:
        """Return that version, None if it does not exist."""
        if not (is_segment(name) and is_segment(version)):
            return None
        path = self._environment_path(name, version)
        return self._documents.find(path, Environment, {"name": name, "version": version})

    def _environment_path(self, name: str, version: str) -> Path:
        return self.home / "environments" / segment(name) / segment(f"{version}.json")

    def put_environment(self, environment: Environment) -> None:
        """Create or replace a registered environment; only the owner can read it, for its channels may be secret."""
        with translate_os_errors(f"environment {environment.id}"):
            path = self._environment_path(environment.name, environment.version)
            self._documents.put(path, environment)

    def keep_build_context(self, build: BuildContext) -> BuildContext:
        """Copy a build context, unless the same content is stored already; return the copy, which never changes."""
        return copy_context(build, self.home / "contexts")

    def put_image_environment(self, digest: str, environment: Environment) -> None:
        """Store what an image is built from, to rebuild it, in a file like an environment's."""
        with translate_os_errors(f"environment {environment.id}"):
            self._documents.put(self._image_path(digest), environment)

    def find_image_environment(self, digest: str) -> Environment | None:
        """Return what the image was built from, None if unknown."""
        return self._documents.find(self._image_path(digest), Environment)

    def _image_path(self, digest: str) -> Path:
        return self.home / "images" / segment(f"{digest}.json")

    # endpoints and deployments

    def endpoint_folder(self, name: str) -> Path:
        """Return the folder of an endpoint's documents."""
        return self.home / "endpoints" / segment(name)

    def endpoints(self) -> list[OnlineEndpoint]:
        """Return the readable endpoints, by name."""
        found = (
            self._documents.readable(f"{self._endpoints}/{segment(name)}/endpoint.json", OnlineEndpoint, {"name": name})
            for name in names_in(self._endpoints)
        )
        return [endpoint for endpoint in found if endpoint]

    def endpoint_names(self) -> list[str]:
        """Return the names of all endpoints, damaged ones included."""
        return names_in(self._endpoints)

    def find_endpoint(self, name: str) -> OnlineEndpoint | None:
        """Return that endpoint, None if it does not exist or the name is invalid."""
        if not may_name_endpoint(name):
            return None
        path = f"{self._endpoints}/{segment(name)}/endpoint.json"
        found = self._documents.find(path, OnlineEndpoint, {"name": name})
        if found is None and names_in(f"{self._endpoints}/{segment(name)}/deployments"):
            raise damaged_document(path, "it is missing, and there are deployments")
        return found

    def holds_endpoint(self, name: str) -> bool:
        """Return whether the endpoint's folder exists, readable or not."""
        return may_name_endpoint(name) and os.path.lexists(self.endpoint_folder(name))

    def put_endpoint(self, endpoint: OnlineEndpoint) -> None:
        """Create or replace an endpoint."""
        with translate_os_errors(f"endpoint {endpoint.name}"):
            self._documents.put(self.endpoint_folder(endpoint.name) / "endpoint.json", endpoint)

    def keys_of(self, endpoint_name: str) -> EndpointKeys:
        """Return the endpoint's keys; raise ResourceNotFound without them."""
        keys = self._documents.find(self.endpoint_folder(endpoint_name) / "keys.json", EndpointKeys)
        if keys is None:
            hint = f"amlemu keys {endpoint_name} --regenerate primary"
            raise ResourceNotFound("there are no keys", target=f"endpoint {endpoint_name}", hint=hint)
        return keys

    def put_keys(self, endpoint_name: str, keys: EndpointKeys) -> None:
        """Replace the endpoint's keys, in a file that only its owner can read."""
        with translate_os_errors(f"endpoint {endpoint_name}"):
            self._documents.put(self.endpoint_folder(endpoint_name) / "keys.json", keys)

    def delete_endpoint(self, name: str) -> None:
        """Remove the endpoint's documents, those of its deployments included."""
        # In one step: half of a folder must not look like an endpoint, or like a damaged one, after a crash.
        with translate_os_errors(f"endpoint {name}"), suppress(FileNotFoundError):
            removed = self.home / "endpoints" / f"{REMOVED}{secrets.token_hex(8)}"
            self.endpoint_folder(name).rename(removed)
            sync_folder(removed.parent)
            remove_whole(removed)

    def deployments(self, endpoint_name: str) -> list[OnlineDeployment]:
        """Return the endpoint's readable deployments, by name."""
        found = (self.readable_deployment(endpoint_name, name) for name in self.deployment_names(endpoint_name))
        return [deployment for deployment in found if deployment]

    def deployment_names(self, endpoint_name: str) -> list[str]:
        """Return the names of the endpoint's deployments, damaged ones included."""
        return list(stems_in(f"{self._endpoints}/{segment(endpoint_name)}/deployments"))

    def readable_deployment(self, endpoint_name: str, name: str) -> OnlineDeployment | None:
        """Return that deployment, None if it does not exist or is damaged."""
        named = {"name": name, "endpoint_name": endpoint_name}
        return self._documents.readable(self._deployment_path(endpoint_name, name), OnlineDeployment, named)

    def readable_endpoint(self, name: str) -> OnlineEndpoint | None:
        """Return that endpoint, None if it does not exist or is damaged."""
        with suppress(DamagedDocument):
            return self.find_endpoint(name)
        return None

    def find_deployment(self, endpoint_name: str, name: str) -> OnlineDeployment | None:
        """Return that deployment, None if it does not exist or the name is invalid."""
        if not (may_name_endpoint(endpoint_name) and may_name_endpoint(name)):
            return None
        named = {"name": name, "endpoint_name": endpoint_name}
        return self._documents.find(self._deployment_path(endpoint_name, name), OnlineDeployment, named)

    def _deployment_path(self, endpoint_name: str, name: str) -> str:
        return f"{self._endpoints}/{segment(endpoint_name)}/deployments/{segment(name)}.json"

    def put_deployment(self, deployment: OnlineDeployment) -> None:
        """Create or replace a deployment; its variables may be secret, so only the owner can read the file."""
        with translate_os_errors(f"deployment {deployment.name}"):
            path = self._deployment_path(deployment.endpoint_name, deployment.name)
            self._documents.put(Path(path), deployment)

    def delete_deployment(self, endpoint_name: str, name: str) -> None:
        """Remove a deployment's document."""
        with translate_os_errors(f"deployment {name}"):
            remove_whole(Path(self._deployment_path(endpoint_name, name)))

    # damage

    def damage(self) -> list[Damage]:
        """Return the damaged documents, each with the resource that is out of service."""
        return find_damage(self.home, self._documents)

    def damage_of_endpoint(self, name: str) -> list[Damage]:
        """Return the damaged documents of one endpoint."""
        if not self.holds_endpoint(name):
            return []
        return list(damage_of_endpoint(self.home, self._documents, name))

    def is_new(self) -> bool:
        """Return whether nothing was ever registered or deployed here."""
        return not names_in(self._endpoints) and not names_in(self.home / "models")

    def image_digests(self) -> set[str]:
        """Return the digests of all images for which an environment is stored."""
        return set(stems_in(self.home / "images"))

    def _generations_in_use(self) -> list[int]:
        """Return the numbers of generations that left anything."""
        found = []
        for path in self.home.glob("endpoints/*/deployments/*.json"):
            with suppress(EmulatorError, OSError):  # a damaged one is reported elsewhere
                found.append((read_document(path) or {}).get("generation", 0))
        folders = [*self.layouts.all(), *self.sinks.generations()]
        return found + [int(folder.name) for folder in folders if folder.name.isdecimal()]

    # housekeeping

    def remove_leftovers(self) -> None:
        """Remove what a killed emulator left unfinished; call it before anything else is written."""
        with translate_os_errors(f"AMLEMU_HOME {self.home}"):
            remove_leftovers(self.home, self.logs)
            self.uploads.prune(dry_run=False)

    def unused_layouts(self) -> list[Path]:
        """Return the layouts that no generation uses, except those that a damaged document may use.

        Call it only while no layout is being created.
        """
        keep = {
            self.layouts.path_of(d.endpoint_name, d.name, d.generation)
            for e in self.endpoints()
            for d in self.deployments(e.name)
            if d.serving
        }
        others = [layout for layout in self.layouts.all() if layout not in keep]
        unknown = self._unknown_uses() if others else None
        return [layout for layout in others if unknown and not unknown.of_layout(*layout.parts[-3:-1])]

    def prune(self, *, dry_run: bool) -> list[str]:
        """Remove unused contents and layouts; return a line for each.

        What a damaged document may use stays: see `kept_for_damage`.  Nothing may be registered or laid out meanwhile.
        """
        unknown = self._unknown_uses()
        removed = []
        for layout in self.unused_layouts():
            removed.append(f"layout {'/'.join(layout.parts[-3:])}")
            if not dry_run:
                self.layouts.remove(layout)
        removed += [] if unknown.of_contexts else self._prune_build_contexts(dry_run=dry_run)
        removed += self.uploads.prune(dry_run=dry_run)
        used = {file.sha256 for model in self.models() for file in model.files} | self.uploads.contents()
        removed += self.files.prune(None if unknown.of_contents else used, dry_run=dry_run)
        if not dry_run:
            self.uploads.forget_removed_contents()
        return removed

    def _unknown_uses(self) -> UnknownUses:
        return UnknownUses.of(self.damage(), aside(self.home))

    def kept_for_damage(self) -> list[str]:
        """Return what `prune` keeps because a damaged document may use it, a line each."""
        return self._unknown_uses().told()

    def _prune_build_contexts(self, *, dry_run: bool) -> list[str]:
        """Remove build contexts that no registered environment and no deployment uses."""
        deployed = [d.image for e in self.endpoints() for d in self.deployments(e.name)]
        built = (self._documents.readable(self._image_path(digest), Environment) for digest in deployed)
        needed = [*self.environments(), *filter(None, built)]
        keep = {environment.build.path for environment in needed if environment.build}
        removed = [path for path in sorted((self.home / "contexts").glob("*")) if str(path) not in keep]
        for path in removed if not dry_run else ():
            remove_tree(path, ignore_errors=True)
        return [f"build context {path.name}" for path in removed]


def _check_type(request: ModelRequest, source: Path) -> None:
    if request.type == "mlflow_model" and not (source / "MLmodel").is_file():
        raise BadArgument(
            f"'{source}' is not an MLflow model: it has no file MLmodel",
            target=f"model {request.name}",
            hint="register the folder that mlflow wrote, or leave --type out",
        )


def _digest_of(files: Sequence[ModelFile]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda f: f.path):
        digest.update(f"{file.path}\0{file.sha256}\n".encode())
    return digest.hexdigest()


def _by_age(model: Model) -> tuple[object, ...]:
    return (model.created_at, _by_number(model.version))


def _by_number(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdecimal() else (0, version)
