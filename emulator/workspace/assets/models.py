"""Verbs on registered models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from emulator.entities import AssetReference, Model, ModelRequest, not_found, parse_model_reference
from emulator.errors import DamagedDocument, ResourceNotFound
from emulator.names import check_asset_name
from emulator.store import Store
from emulator.workspace.effects import Effects
from emulator.workspace.prune_lock import Gate


class Models:
    """The model registry: versions count up from 1, are never reused and never change."""

    def __init__(self, store: Store, effects: Effects, gate: Gate) -> None:
        self._store = store
        self._effects = effects
        self._gate = gate

    def create(self, request: ModelRequest) -> Model:
        """Register the file or folder; the version exists once all of it is on disk."""
        with self._gate.work():
            return self._store.register_model(request, self._effects.now)

    def ensure(self, request: ModelRequest) -> Model:
        """The model that comes with a deployment: registered, or the one of that name with the same content.

        A version of its own that has other content is refused (BadArgument): a version never changes.
        """
        with self._gate.work():
            return self._store.register_model(request, self._effects.now, reuse=True)

    def list_versions(self, name: str | None = None, *, include_archived: bool = False) -> list[Model]:
        """Every version, of `name` only when given; archived ones only when asked for, anonymous ones by name only."""
        models = self._store.model_versions(check_asset_name(name)) if name else self._store.models()
        return [m for m in models if (include_archived or not m.archived) and not (m.anonymous and name is None)]

    def get(self, name: str, version: str | None = None) -> Model:
        """That version, the latest when None; ResourceNotFound names the versions that exist."""
        return self.resolve(AssetReference(kind="model", name=check_asset_name(name), version=version))

    def resolve(self, reference: AssetReference | str) -> Model:
        """The model that a reference means; an archived version must be named to be used."""
        if isinstance(reference, str):
            reference = parse_model_reference(reference)
        versions = self._store.model_versions(reference.name)
        if reference.version is None:
            self._refuse_unknown_latest(reference.name)
            active = [model for model in versions if not model.archived]
            if active:
                return active[-1]
        else:
            for model in versions:
                if model.version == reference.version:
                    return model
            self._store.find_model(reference.name, reference.version)  # one that cannot be read says so
        raise self._not_found(reference, versions)

    def _refuse_unknown_latest(self, name: str) -> None:
        """Raise DamagedDocument where a version cannot be read: it may be the latest, and another must not be taken."""
        for version in self._store.version_names(name):
            try:
                self._store.find_model(name, version)
            except DamagedDocument as error:
                error.hint = f"name the version that is wanted; {error.hint}"
                raise

    def _not_found(self, reference: AssetReference, versions: Sequence[Model]) -> ResourceNotFound:
        known = [model.version + (" (archived)" if model.archived else "") for model in versions]
        names = (model.name for model in self._store.models() if not model.anonymous)
        of_version = f" --version {reference.version}" if reference.registry and reference.version else ""
        register = f"amlemu model register --name {reference.name}{of_version} --path PATH"
        return not_found(reference, known, names, register)

    def archive(self, name: str, version: str) -> Model:
        """Hide a version from lists and from `latest`; deployments that name it go on."""
        return self._set_archived(name, version, archived=True)

    def restore(self, name: str, version: str) -> Model:
        """Undo archive."""
        return self._set_archived(name, version, archived=False)

    def _set_archived(self, name: str, version: str, *, archived: bool) -> Model:
        model = self.get(name, version).model_copy(update={"archived": archived})
        self._store.put_model(model)
        return model

    def files(self, name: str, version: str | None = None) -> Iterator[tuple[str, Path]]:
        """Each file of a version: its path below the model's folder, and where its content lies."""
        for file in self.get(name, version).files:
            yield file.path, self._store.files.path_of(file.sha256)
