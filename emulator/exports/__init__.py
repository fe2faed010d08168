"""Exports of an endpoint: the texts of files that deploy it elsewhere, and what changes on the way."""

from emulator.exports.az_ml import export_az_ml
from emulator.exports.compose import export_compose
from emulator.exports.kubernetes import export_kubernetes
from emulator.exports.migration import Kind, kind_of
from emulator.exports.result import Change, DeploymentCopy, Export, ModelCopy
from emulator.exports.source import DeploymentSource, EndpointSource, read_source

__all__ = [
    "Change",
    "DeploymentCopy",
    "DeploymentSource",
    "EndpointSource",
    "Export",
    "Kind",
    "ModelCopy",
    "export_az_ml",
    "export_compose",
    "export_kubernetes",
    "kind_of",
    "read_source",
]
