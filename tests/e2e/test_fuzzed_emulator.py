"""The control API of an emulator that runs as users run it, asked by Schemathesis for a moment: nothing ends it.

What may be deployed is nothing: paths lead nowhere, so that neither packages are installed nor files read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from amlemu_process import Environ, amlemu, json_of, temporary_environ
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.core import NotSet
from schemathesis.specs.openapi import checks

TOKEN = "amlemu_a-token-of-the-admin"
CONFIG = schemathesis.Config.from_dict(
    {
        "generation": {"with-security-parameters": False, "deterministic": True},
        "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "507"]}},
    }
)
SCHEMA = schemathesis.openapi.from_path(Path(__file__).parents[2] / "docs/schemas/control-api.json", config=CONFIG)
NOT_CHECKED = [checks.positive_data_acceptance, checks.missing_required_header]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Environ]:
    """A shell for an emulator that wants a token."""
    with temporary_environ(AMLEMU_TOKEN=TOKEN) as environ:
        amlemu(environ, "up", "--detach")
        yield environ


def without_paths(value: Any) -> Any:
    """The same, but what could be a path is none that is there."""
    if isinstance(value, dict):
        return {key: without_paths(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_paths(one) for one in value]
    return f"/nowhere/at/all{value}" if isinstance(value, str) and value.startswith("/") else value


@SCHEMA.exclude(path="/_amlemu/shutdown").parametrize()
@settings(
    max_examples=3,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_as_documented(case: Case, emulator: Environ) -> None:
    case.body = without_paths(case.body)
    if case.query:
        at_once = {"follow": "false", "offset": "0"}  # what else would be waited for
        case.query.update({name: value for name, value in at_once.items() if name in case.query})
    excluded = list(NOT_CHECKED)
    if isinstance(case.body, NotSet) or (case.query and {"follow", "offset"} & case.query.keys()):
        excluded.append(checks.negative_data_rejection)
    case.call_and_validate(
        base_url=f"http://127.0.0.1:{emulator['AMLEMU_PORT']}",
        headers={"Authorization": f"Bearer {TOKEN}"},
        excluded_checks=excluded,
        timeout=30,
    )


def test_it_is_still_there(emulator: Environ) -> None:
    assert json_of(emulator, "status")["running"] is True
    log = Path(emulator["AMLEMU_HOME"], "server.log").read_text()
    assert "Traceback" not in log
