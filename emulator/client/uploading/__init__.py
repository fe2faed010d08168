"""Requests for an emulator on another machine: what they name by path here is sent there, and named as an upload."""

from emulator.client.uploading.requests import sent_deployment, sent_environment, sent_model
from emulator.client.uploading.transfer import OnBytes, UploadDoor

__all__ = ["OnBytes", "UploadDoor", "sent_deployment", "sent_environment", "sent_model"]
