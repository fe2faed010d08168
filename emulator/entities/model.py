"""A registered model: a name, a version, and immutable files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from emulator.entities.base import Entity, check_local_path, rule
from emulator.errors import BadArgument
from emulator.names import check_asset_name, check_inner_path, check_version, shown

ModelType = Literal["custom_model", "mlflow_model", "triton_model"]


class ModelFile(Entity):
    """One file of a model: its path below the model's folder, with '/', its bytes and their sha256."""

    path: Annotated[str, rule(check_inner_path)]
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def _check_file_name(name: str) -> str:
    if "/" in name:
        raise BadArgument(f"'{shown(name)}' is a path, not the name of a file or folder")
    return check_inner_path(name)


class Model(Entity):
    """A registered model.

    `path` is the base name of the registered file or folder, which the layout keeps (row layout.model_folder).
    `files` are relative to the version's folder, so each begins with `path`.  `sha256` digests paths and contents
    together.
    `anonymous` ones came with a deployment, without a name.
    """

    name: Annotated[str, rule(check_asset_name)]
    version: Annotated[str, rule(check_version)]
    type: ModelType = "custom_model"
    path: Annotated[str, rule(_check_file_name)]
    files: tuple[ModelFile, ...]
    size: int
    sha256: str
    description: str = ""
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    archived: bool = False
    anonymous: bool = False
    created_at: str

    @property
    def id(self) -> str:
        """`name:version`, as v1 prints it."""
        return f"{self.name}:{self.version}"


class ModelRequest(Entity):
    """What a caller wants registered: the file or folder at the absolute `path`; `version` None counts up.

    `name` None makes an anonymous model, as an inline one without a name is in the cloud: its name is the digest of its
    content, its version 1 (as azure-ai-ml 1.35.2 names it).
    """

    name: Annotated[str, rule(check_asset_name)] | None = None
    path: Annotated[str, rule(check_local_path)]
    version: Annotated[str, rule(check_version)] | None = None
    type: ModelType = "custom_model"
    description: str = ""
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
