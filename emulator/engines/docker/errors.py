"""Translate errors of the Docker SDK into amlemu's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import NoReturn

import docker.errors
import requests
import urllib3.exceptions

from emulator.errors import EmulatorError, EngineUnavailable, OutOfQuota, ResourceNotFound

_ENGINE_HINT = "start Docker, or use --engine process"
_CONNECTION_ERRORS = (
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    HTTPException,
    OSError,
)


@contextmanager
def docker_errors(target: str = "") -> Iterator[None]:
    """Translate SDK errors of the block; `target` names the resource concerned.

    Raises ResourceNotFound for what the engine does not have, OutOfQuota when its disk is full, and EngineUnavailable
    when it does not answer or refuses.
    """
    try:
        yield
    except docker.errors.NotFound as error:
        raise ResourceNotFound(explanation(error), target=target) from error
    except docker.errors.APIError as error:
        raise refused(error, target) from error
    except docker.errors.DockerException as error:
        message = f"the Docker Engine does not answer: {innermost(error)}"
        raise EngineUnavailable(message, target=target, hint=_ENGINE_HINT) from error
    except _CONNECTION_ERRORS as error:
        message = f"the Docker Engine does not answer: {innermost(error)}"
        raise EngineUnavailable(message, target=target, hint=_ENGINE_HINT) from error


def raise_for_answer(response: requests.Response, target: str = "") -> NoReturn:
    """Raise the error that `docker_errors` makes of a failed response."""
    with docker_errors(target):
        docker.errors.create_api_error_from_http_exception(requests.HTTPError(response.text, response=response))
    raise EngineUnavailable(f"the Docker Engine answered {response.status_code}", target=target)


def refused(error: docker.errors.APIError, target: str = "") -> EmulatorError:
    """Return the error for a failed response of the engine."""
    text = explanation(error)
    if is_disk_full(text):
        return disk_full(text, target)
    return EngineUnavailable(f"the Docker Engine refused: {text}", target=target)


def disk_full(text: str, target: str = "") -> OutOfQuota:
    """Return the error for a full disk of the engine ("Troubleshoot online endpoints", disk quota)."""
    hint = "free some space: amlemu prune, docker system df"
    return OutOfQuota(f"the Docker Engine has no disk space left: {text}", target=target, hint=hint)


def is_disk_full(text: str) -> bool:
    """Return whether a program's message says that the disk is full."""
    return any(words in text.lower() for words in ("no space left on device", "disk quota exceeded", "os error 28"))


def explanation(error: docker.errors.APIError) -> str:
    """Return the engine's own words, without the SDK's around them."""
    return str(error.explanation or error).strip()


def innermost(error: BaseException) -> str:
    """Return the last reason of a chain, in one line: the SDK wraps a missing socket four times."""
    seen: BaseException = error
    while True:
        inner = seen.__cause__ or seen.__context__
        if inner is None:
            break
        seen = inner
    if isinstance(seen, OSError) and seen.strerror:
        return seen.strerror + (f": {Path(seen.filename)}" if isinstance(seen.filename, str) else "")
    return " ".join(str(seen).split()) or type(seen).__name__
