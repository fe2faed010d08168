"""Uploads to an emulator on another machine: sends the files that a request names by path, and names the uploads."""

from emulator.client.uploading.requests import upload_deployment, upload_environment, upload_model
from emulator.client.uploading.transfer import OnBytes, UploadApi

__all__ = ["OnBytes", "UploadApi", "upload_deployment", "upload_environment", "upload_model"]
