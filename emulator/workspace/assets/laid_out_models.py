"""The models of a deployment that is laid out already, as its containers need them to be started again."""

from __future__ import annotations

from collections.abc import Sequence

from emulator.containers.spec import models_folder
from emulator.entities import Model, OnlineDeployment, parse_model_reference
from emulator.errors import DamagedDocument
from emulator.profiles import profile_of
from emulator.store import Store
from emulator.workspace.assets.models import Models


def laid_out_models(deployment: OnlineDeployment, models: Models, store: Store) -> Sequence[Model]:
    """The deployment's models; of one whose document cannot be read, what the layout shows of it.

    Raises DamagedDocument where the layout does not show it either.
    """
    found = []
    for text in deployment.models:
        try:
            found.append(models.resolve(text))
        except DamagedDocument:
            shown = _of_layout(deployment, text, store)
            if shown is None:
                raise
            found.append(shown)
    return found


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
