"""`amlemu_endpoint`: deploys, and hands out again what is deployed already."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from emulator.cli.deploy_plan import DeployPlan, deploy_plan
from emulator.client.client import Client
from emulator.errors import EmulatorError, ResourceNotFound
from emulator.names import legal_endpoint_name
from emulator.testing.endpoint import Endpoint
from emulator.testing.file_fingerprints import stamps_of
from emulator.testing.options import read_call

_log = logging.getLogger("amlemu")
_LONGEST_NAME = 32


class EndpointFactory:
    """Makes endpoints from the options of `amlemu deploy`.

    `used` holds the endpoints that the current test has touched, `failures` the errors that were raised in it.
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
        """The endpoint that these options of `amlemu deploy` make; relative paths begin in pytest's root folder.

        The same options and files again give the same endpoint within one process of the run, unless it has been
        changed or deleted meanwhile, or it is to be `fresh`.  Without `name` it has a name that no other run has.
        Raises whatever `amlemu deploy` would tell, as an EmulatorError.
        """
        __tracebackhide__ = True
        with _Telling(self.failures):
            plan = read_call(options, self._root)
            key = _key_of(plan, options.get("name"))
            made = None if fresh else self._made.get(key)
            if made is None:
                made = self._make(plan, options.get("name"))
                if not fresh:
                    self._made[key] = made
        self.touched(made)
        return made

    def touched(self, endpoint: Endpoint) -> None:
        """The current test has to do with that endpoint."""
        if endpoint not in self.used:
            self.used.append(endpoint)

    @property
    def secrets(self) -> frozenset[str]:
        """What must stand in no report: this run's own credentials, and the keys of endpoints that were looked at."""
        return self._secrets.union(*(endpoint.secrets for endpoint in self.used))

    def begin_test(self) -> None:
        """Nothing has been touched so far."""
        for endpoint in self.used:
            endpoint.begin_test()
        self.used.clear()
        self.failures.clear()

    def _changed(self, endpoint: Endpoint) -> None:
        """It is no longer what a call has asked for."""
        self._made = {key: made for key, made in self._made.items() if made.name != endpoint.name}

    def _make(self, plan: DeployPlan, name: str | None) -> Endpoint:
        __tracebackhide__ = True
        plan = replace(plan, endpoint_name=name or _unique(plan.endpoint_name))
        self._made = {key: made for key, made in self._made.items() if made.name != plan.endpoint_name}
        if not name or not self._is_there(name):  # what others have made is updated, and stays
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
        with _Telling(self.failures):
            return deploy_plan(self._client, read_call({**options, "name": name}, self._root), _log_event)


class _Telling:
    """Notes an error on its way: it is told in amlemu's own words, without a traceback."""

    def __init__(self, failures: list[EmulatorError]) -> None:
        self._failures = failures

    def __enter__(self) -> None:
        pass

    def __exit__(self, _class: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, EmulatorError):
            self._failures.append(error)


def _unique(name: str) -> str:
    """That name, with an ending that no other process draws."""
    ending = "-" + secrets.token_hex(4)
    return legal_endpoint_name(name)[: _LONGEST_NAME - len(ending)].rstrip("-") + ending


def _key_of(plan: DeployPlan, name: str | None) -> str:
    """What tells whether two calls ask for the same, the contents of files included."""
    asked = [name, plan.endpoint, plan.traffic, plan.mirror_traffic, plan.deployments]
    return json.dumps([asked, stamps_of(asked)], default=str, sort_keys=True)


def _log_event(kind: str, text: str) -> None:
    """The steps of a deploy, for pytest's live log and the log of a test that fails."""
    _log.log(logging.INFO if kind == "step" else logging.DEBUG, "%s", text)
