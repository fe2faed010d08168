"""The exception tree of amlemu.

::

    EmulatorError                 InternalServerError     our own bug, or one we cannot name
    ├── BadArgument               BadArgument             the request is wrong
    │   └── BadDocument           BadArgument             a file is wrong; carries one detail per fault
    ├── AuthenticationFailed      AuthenticationFailed    the caller has no token, or an unknown one
    ├── AuthorizationFailed       AuthorizationFailed     the caller's token does not allow it
    ├── ResourceNotFound          ResourceNotFound        no such model, environment, endpoint, deployment
    ├── OperationInProgress       OperationInProgress     another operation holds the resource
    ├── OperationCanceled         OperationCanceled       interrupted by its caller
    ├── EngineUnavailable         EngineUnavailable       no Docker Engine, no base image, no interpreter
    ├── ImageBuildFailure         ImageBuildFailure       the environment could not be built
    ├── ResourceNotReady          ResourceNotReady        the container started badly or not at all
    │   ├── DeploymentCrashLoopBackOff                    the same, where Kubernetes' own code tells it
    │   ├── CrashLoopBackOff                              the same, as v1 services tell it
    │   ├── UserScriptInitFailed                          why, as Kubernetes tells it: init() raised
    │   ├── UserScriptImportError                         the scoring script cannot be imported
    │   └── UserScriptFunctionNotFound                    it has no init() or no run()
    ├── DamagedDocument           ResourceDamaged         a resource's document in the home cannot be read
    ├── OutOfQuota                OutOfQuota              no disk space, no free port, not enough memory
    │   └── PodOutOfMemory                                memory, where Kubernetes' own code tells it
    ├── RequestFailed             RequestFailed           a scored request was answered with an error
    └── OperationTimedOut         OperationTimedOut       nothing answered in time

Codes are Azure ML's own words where it has one ("Troubleshoot online endpoints" in profiles/sources.py).
Nothing here knows HTTP statuses or exit codes: each door keeps its own table.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from emulator.secret import mask_credentials

E = TypeVar("E", bound="EmulatorError")
T = TypeVar("T")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a document: `where` is `file:line`, `field` the dotted path in it."""

    message: str
    where: str = ""
    field: str = ""

    def __post_init__(self) -> None:
        for name in ("message", "where", "field"):
            object.__setattr__(self, name, mask_credentials(getattr(self, name)))

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.field, self.message) if part)


class EmulatorError(Exception):
    """What went wrong, which resource it concerns, why, and what to do next.

    `message` says what and why in one sentence, `target` names the resource (``model my_model:3``), `hint` says what
    to do next, `log_tail` holds the last lines of the log that shows the cause, `faults` every fault of a document.
    Credentials are masked in all of them, because errors are printed, logged, stored and sent.
    """

    code = "InternalServerError"

    def __init__(
        self,
        message: str,
        *,
        target: str = "",
        hint: str = "",
        log_tail: str = "",
        faults: Sequence[Fault] = (),
    ) -> None:
        self.message = mask_credentials(message)
        super().__init__(self.message)
        self.target = mask_credentials(target)
        self.hint = mask_credentials(hint)
        self.log_tail = mask_credentials(log_tail)
        self.faults = tuple(faults)

    def with_details(self: E, *, target: str | None = None, hint: str | None = None) -> E:
        """Return a copy with another target or hint: an error that was raised is not changed."""
        error = copy.copy(self)
        error.target = self.target if target is None else mask_credentials(target)
        error.hint = self.hint if hint is None else mask_credentials(hint)
        return error

    def to_dict(self) -> dict[str, Any]:
        """Return the error as the REST API prints it: code, message, details and our own additions."""
        return {
            "code": self.code,
            "message": self.message,
            "target": self.target,
            "details": [{"message": f.message, "where": f.where, "field": f.field} for f in self.faults],
            "hint": self.hint,
            "log_tail": self.log_tail,
        }


class BadArgument(EmulatorError):
    """A value that the caller gave is wrong."""

    code = "BadArgument"


class BadDocument(BadArgument):
    """A document (YAML, requirements, script) is wrong; `faults` lists every reason at once."""


class AuthenticationFailed(EmulatorError):
    """The caller presents no token, or an unknown one."""

    code = "AuthenticationFailed"


class AuthorizationFailed(EmulatorError):
    """The caller's token does not allow what it asks for."""

    code = "AuthorizationFailed"


class ResourceNotFound(EmulatorError):
    """The named resource does not exist."""

    code = "ResourceNotFound"


class OperationInProgress(EmulatorError):
    """Another operation on the same resource is still running."""

    code = "OperationInProgress"


class OperationCanceled(EmulatorError):
    """The caller interrupted the operation."""

    code = "OperationCanceled"


class EngineUnavailable(EmulatorError):
    """What runs or builds containers is missing: the engine, a plugin, a base image, an interpreter."""

    code = "EngineUnavailable"


class ImageBuildFailure(EmulatorError):
    """The environment's image could not be built; `log_tail` is the end of the build log."""

    code = "ImageBuildFailure"


class ResourceNotReady(EmulatorError):
    """The scoring container died, or its probe never passed; `log_tail` is the end of its log."""

    code = "ResourceNotReady"


class DeploymentCrashLoopBackOff(ResourceNotReady):
    """The container of a Kubernetes deployment dies again and again (row probes.crash_loop_code)."""

    code = "DeploymentCrashLoopBackOff"


class CrashLoopBackOff(ResourceNotReady):
    """The container of a v1 service dies again and again (row probes.crash_loop_code)."""

    code = "CrashLoopBackOff"


class UserScriptInitFailed(ResourceNotReady):
    """The init() of a Kubernetes deployment raised (row start.init_failed_code)."""

    code = "UserScriptInitFailed"


class UserScriptImportError(ResourceNotReady):
    """The scoring script of a Kubernetes deployment cannot be imported (row start.import_failed_code)."""

    code = "UserScriptImportError"


class UserScriptFunctionNotFound(ResourceNotReady):
    """The scoring script of a Kubernetes deployment has no init() or no run() (row start.function_missing_code)."""

    code = "UserScriptFunctionNotFound"


class DamagedDocument(EmulatorError):
    """A document of the home cannot be read; `file` is its path, `fault` the reason."""

    code = "ResourceDamaged"
    file = ""
    fault = ""


def damaged_document(file: str, fault: str) -> DamagedDocument:
    """Return the error for the document at `file`."""
    hint = "`amlemu doctor --fix` moves it aside and deletes nothing; or restore a copy"
    error = DamagedDocument(f"'{file}' is damaged: {fault}", hint=hint)
    error.file, error.fault = file, fault
    return error


class OutOfQuota(EmulatorError):
    """The machine has no room left: disk, ports, memory."""

    code = "OutOfQuota"


class PodOutOfMemory(OutOfQuota):
    """The container of a Kubernetes deployment needs more memory than its limit (row deployment.out_of_memory_code)."""

    code = "PodOutOfMemory"


class RequestFailed(EmulatorError):
    """A scored request was answered with an error status."""

    code = "RequestFailed"


class OperationTimedOut(EmulatorError):
    """Nothing answered in time."""

    code = "OperationTimedOut"


def all_error_classes() -> tuple[type[EmulatorError], ...]:
    """Return every class of the tree, the root first, for tables that must be complete."""
    found: list[type[EmulatorError]] = [EmulatorError]
    for cls in found:
        found.extend(cls.__subclasses__())
    return tuple(found)


def with_code(error: EmulatorError, code: str) -> EmulatorError:
    """Return the same error under another code, as an instance of that code's class."""
    return from_dict(error.to_dict() | {"code": code})


def from_dict(document: Mapping[str, Any]) -> EmulatorError:
    """Return the error that `to_dict` printed; an unknown code becomes the root class with that code."""
    code = str(document.get("code") or EmulatorError.code)
    details = [detail for detail in document.get("details") or () if isinstance(detail, Mapping)]
    faults = [Fault(*(str(detail.get(key) or "") for key in ("message", "where", "field"))) for detail in details]
    by_code = {cls.code: cls for cls in all_error_classes() if cls is not BadDocument}
    error = by_code.get(code, EmulatorError)(
        str(document.get("message") or ""),
        target=str(document.get("target") or ""),
        hint=str(document.get("hint") or ""),
        log_tail=str(document.get("log_tail") or ""),
        faults=faults,
    )
    error.code = code
    return error


class ErrorCollector:
    """Collects the errors of independent checks, so that one error reports all of them.

    >>> errors = ErrorCollector()
    >>> errors.check(lambda: int("1"))
    1
    >>> errors.raise_found()
    """

    def __init__(self) -> None:
        self._errors: list[EmulatorError] = []

    @property
    def has_errors(self) -> bool:
        """Whether a check has failed so far."""
        return bool(self._errors)

    def check(self, check: Callable[[], T]) -> T | None:
        """Return the result of `check`, or None after collecting the EmulatorError that it raises."""
        try:
            return check()
        except EmulatorError as error:
            self._errors.append(error)
            return None

    def raise_found(self, target: str = "") -> None:
        """Raise a single error unchanged, and several as one with the faults of all; do nothing without an error.

        Several errors concern `target` and have the code of the first.
        """
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise _combine(self._errors, target)


def _combine(errors: Sequence[EmulatorError], target: str) -> EmulatorError:
    faults = [fault for error in errors for fault in error.faults or (_fault_of(error),)]
    if all(isinstance(error, BadDocument) for error in errors):
        return BadDocument("; ".join(error.message for error in errors), target=target, faults=faults)
    return with_code(EmulatorError(fault_count(faults), target=target, faults=faults), errors[0].code)


def _fault_of(error: EmulatorError) -> Fault:
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return Fault(message, where=error.target)


def fault_count(faults: Sequence[Fault]) -> str:
    """Return 'one fault', or '3 faults'."""
    return "one fault" if len(faults) == 1 else f"{len(faults)} faults"


def did_you_mean(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return "did you mean 'X'?" for the nearest of the `known` names, '' when none is near.

    >>> did_you_mean("modle", ["model", "code"]), did_you_mean("x", ["model"])
    ("did you mean 'model'?", '')
    """
    import difflib  # needed for faults only

    near = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"did you mean '{near[0]}'?" if near else ""
