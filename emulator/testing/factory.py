"""`amlemu_endpoint`: deploys endpoints, and returns the same one for the same call."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from emulator.cli.deploy_plan import DeployPlan, deploy_plan
from emulator.cli.watch import Stamps, stamps
from emulator.client.client import Client
from emulator.errors import EmulatorError, ResourceNotFound
from emulator.names import legal_endpoint_name
from emulator.testing.endpoint import Endpoint
from emulator.testing.options import read_call

_log = logging.getLogger("amlemu")
_LONGEST_NAME = 32


class EndpointFactory:
    """Creates endpoints from the options of `amlemu deploy`.

    `used` holds the endpoints that the current test has used, `failures` the errors that were raised in it.
    """

    def __init__(
        self, client: Client, root: Path, remember: Callable[[str], None], secrets: frozenset[str] = frozenset()
    ) -> None:
        self._client = client
        self._root = root
        self._remember = remember
        self._secrets = secrets
        self._made: dict[str, Endpoint] = {}
        self.used: list[Endpoint] = []
        self.failures: list[EmulatorError] = []

    def __call__(self, *, fresh: bool = False, **options: Any) -> Endpoint:
        """Return the endpoint of these options of `amlemu deploy`; relative paths begin in pytest's root folder.

        The same options and files again give the same endpoint within one process of the run, unless it has been
        changed or deleted meanwhile, or it is to be `fresh`.  Without `name` it has a name that no other run has.
        Raises the errors of `amlemu deploy` as EmulatorError.
        """
        __tracebackhide__ = True
        with _ErrorRecorder(self.failures):
            plan = read_call(options, self._root)
            key = _cache_key(plan, options.get("name"))
            made = None if fresh else self._made.get(key)
            if made is None:
                made = self._make(plan, options.get("name"))
                if not fresh:
                    self._made[key] = made
        self.touched(made)
        return made

    def touched(self, endpoint: Endpoint) -> None:
        """Note that the current test uses that endpoint."""
        if endpoint not in self.used:
            self.used.append(endpoint)

    @property
    def secrets(self) -> frozenset[str]:
        """The secrets to mask in reports: the run's credentials, and the keys of endpoints that were read."""
        return self._secrets.union(*(endpoint.secrets for endpoint in self.used))

    def begin_test(self) -> None:
        """Forget the endpoints and errors of the last test."""
        for endpoint in self.used:
            endpoint.begin_test()
        self.used.clear()
        self.failures.clear()

    def _changed(self, endpoint: Endpoint) -> None:
        """Forget the endpoint: it was modified and cannot be reused."""
        self._made = {key: made for key, made in self._made.items() if made.name != endpoint.name}

    def _make(self, plan: DeployPlan, name: str | None) -> Endpoint:
        __tracebackhide__ = True
        plan = replace(plan, endpoint_name=name or _unique_name(plan.endpoint_name))
        self._made = {key: made for key, made in self._made.items() if made.name != plan.endpoint_name}
        if not name or not self._is_there(name):  # an endpoint of others is updated, and kept
            self._remember(plan.endpoint_name)
        try:
            document = deploy_plan(self._client, plan, _log_event)
        except EmulatorError:
            if not name:
                with suppress(EmulatorError):
                    self._client.delete_endpoint(plan.endpoint_name)
            raise
        return Endpoint(self._client, document, touched=self.touched, changed=self._changed, deploy=self._deploy_again)

    def _is_there(self, name: str) -> bool:
        try:
            self._client.get_endpoint(name)
        except ResourceNotFound:
            return False
        return True

    def _deploy_again(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        __tracebackhide__ = True
        with _ErrorRecorder(self.failures):
            return deploy_plan(self._client, read_call({**options, "name": name}, self._root), _log_event)


class _ErrorRecorder:
    """Records an error that passes, so that it is reported in amlemu's own words, without a traceback."""

    def __init__(self, failures: list[EmulatorError]) -> None:
        self._failures = failures

    def __enter__(self) -> None:
        pass

    def __exit__(self, _class: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, EmulatorError):
            self._failures.append(error)


def _unique_name(name: str) -> str:
    """Return the name with a random suffix."""
    ending = "-" + secrets.token_hex(4)
    return legal_endpoint_name(name)[: _LONGEST_NAME - len(ending)].rstrip("-") + ending


def _cache_key(plan: DeployPlan, name: str | None) -> str:
    """Return a key that is equal for calls with the same options and unchanged files."""
    asked = [name, plan.endpoint, plan.traffic, plan.mirror_traffic, plan.deployments]
    return json.dumps([asked, stamps_of(asked)], default=str, sort_keys=True)


def _log_event(kind: str, text: str) -> None:
    """Log the steps of a deploy, for pytest's live log and the log of a failed test."""
    _log.log(logging.INFO if kind == "step" else logging.DEBUG, "%s", text)


def stamps_of(value: Any) -> dict[str, Stamps]:
    """Return the stamps of all files whose absolute paths are in a document, by path."""
    return {path: _stamps(Path(path)) for path in sorted(set(_paths(value)))}


def _paths(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value.startswith("/") and "\n" not in value:
            yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _paths(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _paths(each)


def _stamps(path: Path) -> Stamps:
    try:
        if path.is_dir():
            return stamps(path)
        stat = path.stat()
    except (OSError, ValueError):
        return {}
    return {"": (stat.st_mtime_ns, stat.st_size)}
