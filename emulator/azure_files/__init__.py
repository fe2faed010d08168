"""Azure ML's own v2 files, as the CLI `az ml` and azure-ai-ml take them."""

from emulator.azure_files.v2.load import ReadDeployment, ReadFiles, read_files
from emulator.azure_files.v2.overrides import Setting, parse_setting
from emulator.azure_files.v2.requests import (
    Disk,
    deployment_faults,
    deployment_requests,
    endpoint_request,
    read_model_file,
)
from emulator.azure_files.v2.source_file import Source, refuse_all

__all__ = [
    "Disk",
    "ReadDeployment",
    "ReadFiles",
    "Setting",
    "Source",
    "deployment_faults",
    "deployment_requests",
    "endpoint_request",
    "parse_setting",
    "read_files",
    "read_model_file",
    "refuse_all",
]
