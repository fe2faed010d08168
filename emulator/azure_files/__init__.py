"""Azure ML's own v2 files, as the CLI `az ml` and azure-ai-ml take them."""

from emulator.azure_files.given import Setting, parse_setting
from emulator.azure_files.read import ReadDeployment, ReadFiles, read_files
from emulator.azure_files.registered import read_model_file
from emulator.azure_files.requests import Disk, deployment_faults, deployment_requests, endpoint_request
from emulator.azure_files.source import Source, refuse_all

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
