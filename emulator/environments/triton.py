"""The model repository that a Triton server reads (row triton.repository)."""

from __future__ import annotations

from collections.abc import Collection

from emulator.errors import BadArgument

_CONFIG = "config.pbtxt"


def check_triton_repository(model: str, names: Collection[str]) -> None:
    """Raise BadArgument unless the files `names` of the registered folder make a model repository.

    That is a folder for each model, with config.pbtxt or with numbered folders, its versions.
    """
    if any(_is_of_a_model(name.split("/")) for name in names):
        return
    message = "is no Triton model repository: it has no folder with config.pbtxt or with numbered versions in it"
    hint = "the folder that is registered holds a folder for each model: MODEL/config.pbtxt, MODEL/1/model.onnx"
    if any(name == _CONFIG or name.split("/")[0].isdecimal() for name in names):
        hint += "; this one is such a MODEL folder: register the one above it"
    raise BadArgument(f"the folder {message}", target=f"model {model}", hint=hint)


def _is_of_a_model(parts: list[str]) -> bool:
    """Return whether the path `parts` is a model's configuration, or a file of one of its versions."""
    return (len(parts) == 2 and parts[1] == _CONFIG) or (len(parts) > 2 and parts[1].isdecimal())
