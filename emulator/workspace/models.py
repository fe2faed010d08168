"""Verbs on registered models."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path

from emulator.entities import Model, ModelReference, ModelRequest, parse_model_reference
from emulator.errors import ResourceNotFound
from emulator.names import check_asset_name
from emulator.store import Store
from emulator.workspace.effects import Effects
from emulator.workspace.gate import Gate


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
        return self.resolve(ModelReference(name=check_asset_name(name), version=version))

    def resolve(self, reference: ModelReference | str) -> Model:
        """The model that a reference means; an archived version must be named to be used."""
        if isinstance(reference, str):
            reference = parse_model_reference(reference)
        versions = self._store.model_versions(reference.name)
        if reference.version is None:
            active = [model for model in versions if not model.archived]
            if active:
                return active[-1]
        else:
            for model in versions:
                if model.version == reference.version:
                    return model
        raise self._not_found(reference, versions)

    def _not_found(self, reference: ModelReference, versions: Sequence[Model]) -> ResourceNotFound:
        target = f"model {reference}"
        if versions:
            known = ", ".join(model.version + (" (archived)" if model.archived else "") for model in versions)
            message = f"model '{reference.name}' has no version '{reference.version or 'latest'}'; it has: {known}"
            return ResourceNotFound(message, target=target)
        hint = f"amlemu model register --name {reference.name} --path PATH"
        names = sorted({model.name for model in self._store.models()})
        near = difflib.get_close_matches(reference.name, names, n=1)
        known = f"; did you mean '{near[0]}'?" if near else ""
        return ResourceNotFound(f"no model named '{reference.name}' is registered{known}", target=target, hint=hint)

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
