"""The parity table of starts that fail: the error code of a deployment whose container never got ready."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from emulator.diagnosis import Stage
from emulator.profiles.facts import Fact, Row, assumed, documented, read_from, row

# The classes of `errors` for what did not get ready.
NotReadyCode = Literal[
    "ResourceNotReady",
    "UserScriptInitFailed",
    "UserScriptImportError",
    "UserScriptFunctionNotFound",
    "DeploymentCrashLoopBackOff",
    "CrashLoopBackOff",
]

_KUBERNETES = "contract/managed §8: codes of Kubernetes only"
_MANAGED = documented("ResourceNotReady", "contract/managed §8")
_V1 = documented("CrashLoopBackOff", "contract/v1 §6: deploy errors")
_LOCAL = assumed("ResourceNotReady", "LocalWebservice only says that the container ended (contract/v1 §8); as managed")


def _start_row(id: str, what: str, kubernetes: Fact) -> Row:
    return row(id, what, managed=_MANAGED, kubernetes=kubernetes, aks=_V1, aci=_V1, local=_LOCAL)


START_ROWS: tuple[Row, ...] = (
    _start_row(
        "start.init_failed_code",
        "The error code of a deployment whose init() raised.",
        documented("UserScriptInitFailed", _KUBERNETES),
    ),
    _start_row(
        "start.import_failed_code",
        "The error code of a deployment whose scoring script cannot be imported: a package is missing, or it is no"
        " Python.",
        documented("UserScriptImportError", f"{_KUBERNETES}; the server has one class for all that fails an import"),
    ),
    _start_row(
        "start.function_missing_code",
        "The error code of a deployment whose scoring script has no init() or no run().",
        documented("UserScriptFunctionNotFound", _KUBERNETES),
    ),
    _start_row(
        "start.crashed_code",
        "The error code of a deployment whose container ended for any other reason before it was ready.",
        documented("DeploymentCrashLoopBackOff", _KUBERNETES),
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
