"""Print the OpenAPI document: python -m emulator.control_api."""

from __future__ import annotations

import json
from typing import Any, cast

from emulator.control_api import Services, create_control_api
from emulator.control_api.openapi import openapi_document


class _NoServices:
    """Stands in for the services and all of their parts: routes are declared, and never called."""

    def __getattr__(self, name: str) -> Any:
        return self


if __name__ == "__main__":
    flask = create_control_api(cast(Services, _NoServices()))
    print(json.dumps(openapi_document(flask), indent=2, ensure_ascii=False))
