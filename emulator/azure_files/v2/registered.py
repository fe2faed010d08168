"""A model's own file, for the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulator.azure_files.v2.model import ModelFile
from emulator.azure_files.v2.overrides import Setting, with_settings
from emulator.azure_files.v2.requests import Disk, model_request
from emulator.azure_files.v2.source_file import Source, left_open, parsed, refuse_all
from emulator.azure_files.v2.validation import checked, salvaged
from emulator.errors import Fault


def read_model_file(source: Source, disk: Disk, settings: Sequence[Setting] = ()) -> dict[str, Any]:
    """What the control API registers for a model.yml; BadDocument with every fault."""
    document = with_settings(parsed(source), settings)
    left = left_open(document)
    file, found = checked(document, ModelFile)
    told = {fault.field for fault in left}
    faults = [*left, *(fault for fault in found if fault.field not in told)]
    missing: list[Fault] = []
    rest = file or salvaged(document, ModelFile)
    request = model_request(rest, source.folder, disk, document, missing) if rest else {}
    told = {fault.field for fault in faults}
    refuse_all([source.file], [*faults, *(fault for fault in missing if fault.field not in told)])
    return request
