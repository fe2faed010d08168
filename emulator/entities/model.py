"""A registered model: a name, a version, and immutable files."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from emulator.entities.base import Entity, check_local_path, rule
from emulator.errors import BadArgument
from emulator.names import check_asset_name

ModelType = Literal["custom_model", "mlflow_model", "triton_model"]

# The SDK takes any such text as a version (contract/managed §5.4); without one, versions count up from 1.
_VERSION = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-\._]{0,29}")


def check_version(version: str) -> str:
    """`version` if it may be one, else BadArgument."""
    if version == "latest":
        raise BadArgument("'latest' cannot be a version: it is the label of the version that was made last")
    if _VERSION.fullmatch(version):
        return version
    raise BadArgument(f"'{version}' cannot be a version: 1 to 30 letters, digits, '-', '_' or '.'")


class ModelFile(Entity):
    """One file of a model: its path below the model's folder, with '/', its bytes and their sha256."""

    path: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Model(Entity):
    """A registered model.

    `path` is the base name of the registered file or folder, which the layout keeps (contract/v1 §1.2).  `files` are
    relative to the version's folder, so each begins with `path`.  `sha256` digests paths and contents together.
    `anonymous` ones came with a deployment, without a name.
    """

    name: Annotated[str, rule(check_asset_name)]
    version: Annotated[str, rule(check_version)]
    type: ModelType = "custom_model"
    path: str
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
    content, its version 1 (contract/managed §5.4).
    """

    name: Annotated[str, rule(check_asset_name)] | None = None
    path: Annotated[str, rule(check_local_path)]
    version: Annotated[str, rule(check_version)] | None = None
    type: ModelType = "custom_model"
    description: str = ""
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}


class ModelReference(Entity):
    """A model as a deployment names it; `version` None means the latest."""

    name: str
    version: str | None = None

    def __str__(self) -> str:
        return f"{self.name}:{self.version}" if self.version else f"{self.name}@latest"


def parse_model_reference(text: str) -> ModelReference:
    """`name:version`, `name@latest` or `name`, each with or without `azureml:` before it.

    >>> parse_model_reference("my_model:2").version
    '2'
    >>> parse_model_reference("azureml:my_model@latest").version is None
    True
    """
    name = text.removeprefix("azureml:")
    name, at, label = name.partition("@")
    if at and label != "latest":
        raise BadArgument(f"'{text}': the only label of a model is @latest", target=f"model {text}")
    name, colon, version = name.partition(":")
    if colon and at:
        raise BadArgument(f"'{text}' names a version and a label: give one of them", target=f"model {text}")
    return ModelReference(name=check_asset_name(name), version=check_version(version) if colon else None)
