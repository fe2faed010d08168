"""An endpoint as a folder of Azure ML v2 files, for `az ml`, azure-ai-ml and `amlemu deploy -f`."""

from __future__ import annotations

from collections.abc import Mapping

from emulator.exports.az_ml_documents import (
    deployment_text,
    endpoint_text,
    environment_text,
    model_text,
    needs_ignore_file,
)
from emulator.exports.az_ml_script import Traffic, amlemu_commands, az_ml_script
from emulator.exports.migration import Kind
from emulator.exports.parts import Part, context_copies, exported_parts
from emulator.exports.result import Change, DeploymentCopy, Export, cloud_name
from emulator.exports.several_models import script_text
from emulator.exports.source import EndpointSource
from emulator.profiles import profile_of


def export_az_ml(source: EndpointSource, kind: Kind) -> Export:
    """Export every file, and `deploy.sh`, which uses them in order."""
    parts = exported_parts(source, kind)
    name = cloud_name(source.endpoint.name)
    traffic, changes_of_traffic = _traffic(source, parts, kind)
    text, changes = endpoint_text(source.endpoint, kind)
    texts = {"endpoint.yml": text}
    for part in parts:
        found, notes = _texts(part, name, kind)
        texts |= found
        changes += notes
    texts["deploy.sh"] = az_ml_script(name, kind, parts, traffic)
    left_out = [
        Change("endpoint.yml", f"deployment {one} has never served, and is left out") for one in source.left_out
    ]
    return Export(
        texts=texts,
        models=tuple({copy.folder: copy for p in parts if p.model for copy in p.model.copies}.values()),
        code=tuple(DeploymentCopy(p.source.name, p.code_folder) for p in parts if p.code_folder),
        contexts=context_copies(parts),
        changes=tuple(dict.fromkeys([*changes, *changes_of_traffic, *left_out])),
        commands=(*amlemu_commands(parts, traffic), "sh deploy.sh"),
    )


def _texts(part: Part, endpoint: str, kind: Kind) -> tuple[dict[str, str], list[Change]]:
    """The deployment's file and the files that it refers to."""
    text, changes = deployment_text(part, endpoint, kind)
    texts = {part.file: text}
    if part.model and part.model.file:
        texts[part.model.file] = model_text(part.model.document)
    if part.script != part.own_script:
        texts[f"{part.code_folder}/{part.script}"] = script_text(part.own_script)
    if needs_ignore_file(part):
        texts[f"{part.code_folder}/.amlignore"] = ""
    if part.environment:
        texts[part.environment_file], notes = environment_text(part)
        changes += notes
        if part.environment.conda:
            texts[f"{part.environment_folder}/conda.yml"] = part.environment.conda
    return texts, changes


def _traffic(source: EndpointSource, parts: tuple[Part, ...], kind: Kind) -> tuple[Traffic, list[Change]]:
    names = {part.source.name: part.name for part in parts}
    live, mirror = (_of(percents, names) for percents in (source.endpoint.traffic, source.endpoint.mirror_traffic))
    changes = []
    if sum(live.values()) not in (0, 100):
        live = {}
        changes.append(
            Change("deploy.sh", "traffic: some of it goes to deployments that are left out: set it yourself")
        )
    if mirror and profile_of(kind).scoring.mirror_most_percent is None:
        mirror = {}
        changes.append(Change("deploy.sh", f"mirror_traffic: {kind} endpoints have none"))
    return Traffic(live, mirror), changes


def _of(percents: Mapping[str, int], names: Mapping[str, str]) -> dict[str, int]:
    return {names[name]: percent for name, percent in percents.items() if name in names}
