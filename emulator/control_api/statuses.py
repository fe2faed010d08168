"""Which HTTP status each error of the tree has at this door."""

from __future__ import annotations

from emulator.errors import (
    AuthenticationFailed,
    AuthorizationFailed,
    BadArgument,
    BadDocument,
    CrashLoopBackOff,
    DeploymentCrashLoopBackOff,
    EmulatorError,
    EngineUnavailable,
    ImageBuildFailure,
    OperationCanceled,
    OperationInProgress,
    OperationTimedOut,
    OutOfQuota,
    PodOutOfMemory,
    RequestFailed,
    ResourceNotFound,
    ResourceNotReady,
    UserScriptFunctionNotFound,
    UserScriptImportError,
    UserScriptInitFailed,
)

STATUSES: dict[type[EmulatorError], int] = {
    EmulatorError: 500,
    BadArgument: 400,
    AuthenticationFailed: 401,
    AuthorizationFailed: 403,
    BadDocument: 400,
    ResourceNotFound: 404,
    OperationInProgress: 409,
    OperationCanceled: 409,
    EngineUnavailable: 503,
    ImageBuildFailure: 400,
    ResourceNotReady: 400,
    DeploymentCrashLoopBackOff: 400,
    CrashLoopBackOff: 400,
    UserScriptInitFailed: 400,
    UserScriptImportError: 400,
    UserScriptFunctionNotFound: 400,
    OutOfQuota: 507,
    PodOutOfMemory: 507,
    RequestFailed: 502,
    OperationTimedOut: 504,
}
