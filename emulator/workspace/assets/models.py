"""Verbs on registered models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from emulator.containers.spec import models_folder
from emulator.entities import AssetReference, Model, ModelRequest, OnlineDeployment, not_found, parse_model_reference
from emulator.errors import DamagedDocument, ResourceNotFound
from emulator.names import check_asset_name
from emulator.profiles import profile_of
from emulator.store import Store
from emulator.workspace.core import Core


class Models:
    """The model registry: versions count up from 1, are never reused and never change."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create(self, request: ModelRequest) -> Model:
        """Register the file or folder; its version exists once all of it is on disk."""
        with self._core.prune_lock.work():
            return self._core.store.register_model(request, self._core.effects.now)

    def ensure(self, request: ModelRequest) -> Model:
        """Register the model of a deployment, or return the registered one of its name with the same content.

        Raises BadArgument for a registered version with other content: a version never changes.
        """
        with self._core.prune_lock.work():
            return self._core.store.register_model(request, self._core.effects.now, reuse=True)

    def list_versions(self, name: str | None = None, *, include_archived: bool = False) -> list[Model]:
        """Return all versions, or those of `name`; anonymous models are listed by name only."""
        models = self._core.store.model_versions(check_asset_name(name)) if name else self._core.store.models()
        return [m for m in models if (include_archived or not m.archived) and not (m.anonymous and name is None)]

    def get(self, name: str, version: str | None = None) -> Model:
        """That version, the latest when None; ResourceNotFound names the versions that exist."""
        return self.resolve(AssetReference(kind="model", name=check_asset_name(name), version=version))

    def resolve(self, reference: AssetReference | str) -> Model:
        """Return the model that a reference names; `latest` skips archived versions."""
        if isinstance(reference, str):
            reference = parse_model_reference(reference)
        versions = self._core.store.model_versions(reference.name)
        if reference.version is None:
            self._refuse_unknown_latest(reference.name)
            active = [model for model in versions if not model.archived]
            if active:
                return active[-1]
        else:
            for model in versions:
                if model.version == reference.version:
                    return model
            self._core.store.find_model(reference.name, reference.version)  # raises for a damaged document
        raise self._not_found(reference, versions)

    def _refuse_unknown_latest(self, name: str) -> None:
        """Raise DamagedDocument for a damaged version, which may be the latest."""
        for version in self._core.store.version_names(name):
            try:
                self._core.store.find_model(name, version)
            except DamagedDocument as error:
                hint = f"name the version that is wanted; {error.hint}"
                raise error.with_details(hint=hint) from error

    def _not_found(self, reference: AssetReference, versions: Sequence[Model]) -> ResourceNotFound:
        known = [model.version + (" (archived)" if model.archived else "") for model in versions]
        names = (model.name for model in self._core.store.models() if not model.anonymous)
        of_version = f" --version {reference.version}" if reference.registry and reference.version else ""
        register = f"amlemu model register --name {reference.name}{of_version} --path PATH"
        return not_found(reference, known, names, register)

    def archive(self, name: str, version: str) -> Model:
        """Hide a version from lists and from `latest`; deployments that use it are not affected."""
        return self._set_archived(name, version, archived=True)

    def restore(self, name: str, version: str) -> Model:
        """Undo archive."""
        return self._set_archived(name, version, archived=False)

    def _set_archived(self, name: str, version: str, *, archived: bool) -> Model:
        model = self.get(name, version).model_copy(update={"archived": archived})
        self._core.store.put_model(model)
        return model

    def files(self, name: str, version: str | None = None) -> Iterator[tuple[str, Path]]:
        """Yield each file of a version: its path below the model's folder, and the path of its content."""
        for file in self.get(name, version).files:
            yield file.path, self._core.store.files.path_of(file.sha256)

    def of_deployment(self, deployment: OnlineDeployment) -> Sequence[Model]:
        """Return the deployment's models; of one whose document is damaged, what the layout shows of it.

        Raises DamagedDocument where the layout does not show it either.
        """
        return [self._of_deployment(deployment, text) for text in deployment.models]

    def _of_deployment(self, deployment: OnlineDeployment, text: str) -> Model:
        try:
            return self.resolve(text)
        except DamagedDocument:
            shown = _of_layout(deployment, text, self._core.store)
            if shown is None:
                raise
            return shown


def _of_layout(deployment: OnlineDeployment, text: str, store: Store) -> Model | None:
    reference = parse_model_reference(text)
    name, version = reference.name, reference.version or ""
    layout = store.layouts.path_of(deployment.endpoint_name, deployment.name, deployment.generation)
    folder = f"{models_folder(deployment)}/{profile_of(deployment.target).layout.model_folder(name, version)}"
    names = store.layouts.names_in(layout, folder)
    if len(names) != 1:
        return None
    no_code = deployment.code_configuration is None and deployment.inference_config is None
    kind = {"type": "mlflow_model"} if no_code else {}
    document = {"name": name, "version": version, "path": names[0], "files": (), "size": 0, "sha256": ""}
    return Model.parse({**document, **kind, "created_at": ""})
