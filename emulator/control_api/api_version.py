"""The version of the control API."""

from __future__ import annotations

API_VERSION = "1.0"
"""The first number counts what breaks a client, the second what is added.  `?api-version=` takes any value: the stock
SDKs send one for each group of operations (azure-ai-ml 1.35.2 and azureml-core 1.61.0 were run)."""

API_VERSION_HEADER = "x-amlemu-api-version"
