"""The parity table of starts that fail: the error code of a deployment whose container never got ready."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from emulator.diagnosis import Stage
from emulator.profiles.facts import Row, assumed, documented, read_from, row
from emulator.profiles.sources import KUBERNETES_ERRORS, LOCAL_WEBSERVICE, NOT_READY, SERVER_BLUEPRINT, V1_TROUBLESHOOT

# The classes of `errors` for what did not get ready.
NotReadyCode = Literal[
    "ResourceNotReady",
    "UserScriptInitFailed",
    "UserScriptImportError",
    "UserScriptFunctionNotFound",
    "DeploymentCrashLoopBackOff",
    "CrashLoopBackOff",
]

_MANAGED = documented("ResourceNotReady", NOT_READY)
_V1 = documented("CrashLoopBackOff", V1_TROUBLESHOOT.at("Service launch fails"))
_LOCAL = assumed("ResourceNotReady", "the SDK only says that the container has ended; as managed", LOCAL_WEBSERVICE)


def _start_row(id: str, what: str, code: NotReadyCode, note: str = "") -> Row:
    sources = (KUBERNETES_ERRORS, SERVER_BLUEPRINT) if note else (KUBERNETES_ERRORS,)
    return row(id, what, managed=_MANAGED, kubernetes=documented(code, *sources, note=note), v1=_V1, local=_LOCAL)


START_ROWS: tuple[Row, ...] = (
    _start_row(
        "start.init_failed_code",
        "The error code of a deployment whose init() raised.",
        "UserScriptInitFailed",
    ),
    _start_row(
        "start.import_failed_code",
        "The error code of a deployment whose scoring script cannot be imported: a package is missing, or it is no"
        " Python.",
        "UserScriptImportError",
        note="the server has one class for all that fails an import",
    ),
    _start_row(
        "start.function_missing_code",
        "The error code of a deployment whose scoring script has no init() or no run().",
        "UserScriptFunctionNotFound",
    ),
    _start_row(
        "start.crashed_code",
        "The error code of a deployment whose container ended for any other reason before it was ready.",
        "DeploymentCrashLoopBackOff",
    ),
)


@dataclass(frozen=True)
class StartProfile:
    """What a target's cloud says of a container that ended before it was ready."""

    init_failed_code: NotReadyCode = field(metadata=read_from("start.init_failed_code"))
    import_failed_code: NotReadyCode = field(metadata=read_from("start.import_failed_code"))
    function_missing_code: NotReadyCode = field(metadata=read_from("start.function_missing_code"))
    crashed_code: NotReadyCode = field(metadata=read_from("start.crashed_code"))

    def code_of(self, stage: Stage) -> NotReadyCode:
        """The code of a failure at that stage of a start."""
        codes: dict[Stage, NotReadyCode] = {
            "init": self.init_failed_code,
            "import": self.import_failed_code,
            "function": self.function_missing_code,
            "run": self.crashed_code,
            "other": self.crashed_code,
        }
        return codes[stage]
