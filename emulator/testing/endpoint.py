"""An endpoint in a test: called as a client would call it, with its logs and explanations."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import requests

from emulator.client.client import Client
from emulator.errors import OperationTimedOut, RequestFailed, ResourceNotFound

_TIMEOUT_SECONDS = 320.0
_LINE_SECONDS = 2.0
_ID_HEADER, _ID_COLUMN = "x-ms-request-id", "XRequestId"

Json = dict[str, Any]


class Endpoint:
    """An online endpoint of the run's emulator; `with` deletes it at the end, else it is deleted with the run.

    `client` is a client of the control API, for all that has no method here.
    """

    def __init__(
        self,
        client: Client,
        document: Json,
        *,
        touched: Callable[[Endpoint], None],
        changed: Callable[[Endpoint], None],
        deploy: Callable[[str, Mapping[str, Any]], Json],
    ) -> None:
        self.client = client
        self.name: str = document["name"]
        self._known = document
        self._touched = touched
        self._changed = changed
        self._deploy = deploy
        self._credentials: dict[str, str] = {}
        self._secrets: set[str] = set()
        self._last_id = ""
        self._failed: requests.Response | None = None

    def __repr__(self) -> str:
        return f"<Endpoint {self.name} at {self._known['scoring_uri']}>"

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.delete()

    # Its state

    @property
    def document(self) -> Json:
        """What `amlemu show -o json` prints, as of the last deploy or `refresh`."""
        self._touched(self)
        return self._known

    @property
    def scoring_uri(self) -> str:
        """The URL of scoring requests."""
        return str(self.document["scoring_uri"])

    @property
    def openapi_uri(self) -> str:
        """The URL of swagger.json."""
        return str(self.document["openapi_uri"])

    @property
    def auth_mode(self) -> str:
        """`key`, `aml_token`, `aad_token` or `none`."""
        return str(self.document["auth_mode"])

    @property
    def differences(self) -> list[str]:
        """The differences of the endpoint and its deployments from the cloud's, each once."""
        document = self.document
        of_deployments = [text for deployment in document["deployments"] for text in deployment["differences"]]
        return list(dict.fromkeys([*document["differences"], *of_deployments]))

    @property
    def key(self) -> str:
        """The primary key, or a token for an endpoint with tokens; '' for one that needs neither."""
        if self.auth_mode == "none":
            return ""
        if not self._credentials:
            self._credentials = self.client.get_credentials(self.name)
            names = ("primaryKey", "secondaryKey", "accessToken")
            self._secrets |= {self._credentials[name] for name in names if self._credentials.get(name)}
        return self._credentials.get("accessToken") or self._credentials["primaryKey"]

    @property
    def headers(self) -> dict[str, str]:
        """The Authorization header that a caller sends, if the endpoint needs one."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    @property
    def secrets(self) -> frozenset[str]:
        """The keys and tokens that this object has seen."""
        return frozenset(self._secrets)

    def refresh(self) -> Endpoint:
        """Read the endpoint and its credentials again."""
        self._credentials = {}
        self._known = self.client.get_endpoint(self.name)
        return self

    # Requests

    def invoke(
        self,
        data: Any = None,
        *,
        method: str | None = None,
        headers: Mapping[str, str | None] | None = None,
        deployment: str | None = None,
        files: Any = None,
        path: str | None = None,
        timeout: float = _TIMEOUT_SECONDS,
    ) -> requests.Response:
        """Send one request as a client of the endpoint does, with its key, and return the response.

        Text and bytes are sent as they are, anything else as JSON; `files` are a form's, as `requests` takes them.
        `method` is POST, or GET without data; `path` replaces the scoring route, as in `/swagger.json?version=3`.
        `headers` override the endpoint's own, and None removes one.  Raises OperationTimedOut after `timeout`
        seconds, and RequestFailed when there is no response; one with an error status is returned.
        """
        __tracebackhide__ = True
        if why := self.document.get("out_of_service"):  # another program may have its port, and must not get a key
            raise RequestFailed(f"endpoint '{self.name}' is out of service: {why}")
        own: dict[str, str | None] = {**self.headers}
        if deployment:
            own["azureml-model-deployment"] = deployment
        body = data if data is None or isinstance(data, str | bytes) else json.dumps(data)
        if body is not None and files is None:
            own["Content-Type"] = "application/json"
        body = body.encode() if isinstance(body, str) else body
        url = self.scoring_uri if path is None else self.openapi_uri.removesuffix("/swagger.json") + path
        method = method or ("GET" if body is None and not files else "POST")
        answer = _send(method, url, own | dict(headers or {}), body, files, timeout)
        self._last_id = answer.headers.get(_ID_HEADER, "")
        self._failed = None if answer.ok else answer
        return answer

    def swagger(self, version: int | None = None) -> Json:
        """Read the document at `openapi_uri`, of OpenAPI `version` 2 or 3; RequestFailed when there is none."""
        __tracebackhide__ = True
        answer = self.invoke(path="/swagger.json" + (f"?version={version}" if version else ""))
        if not answer.ok:
            raise RequestFailed(f"/swagger.json was answered with {answer.status_code}: {answer.text[:200]}")
        document: Json = answer.json()
        return document

    # Logs and explanations

    def explain(self) -> tuple[str, str] | None:
        """Return the cause of the last `invoke`'s error status and what to do next; None without an error."""
        return self.client.explain(self.name, self._failed, self._failed.content) if self._failed is not None else None

    def begin_test(self) -> None:
        """Forget the response of an earlier test."""
        self._failed = None

    def logs(self, deployment: str | None = None, *, tail: int | None = None) -> list[str]:
        """Return the log lines of a deployment's container, of the only or first deployment when None."""
        self._touched(self)
        return list(self.client.get_logs(self.name, follow=False, tail=tail, deployment=deployment))

    def requests(self, *, tail: int | None = None) -> list[Json]:
        """Return the request log, one entry for each request, in the columns of AmlOnlineEndpointTrafficLog.

        Entries are written shortly after the response, so this waits for the one of the last `invoke`.
        """
        self._touched(self)
        deadline = time.monotonic() + _LINE_SECONDS
        while True:
            lines = [json.loads(text) for text in self._request_lines(tail)]
            if not self._last_id or time.monotonic() > deadline:
                return lines
            if any(line.get(_ID_COLUMN) == self._last_id for line in lines):
                return lines
            time.sleep(0.02)

    def _request_lines(self, tail: int | None) -> Sequence[str]:
        return list(self.client.get_logs(self.name, kind="requests", follow=False, tail=tail))

    # Changes

    def deploy(self, **options: Any) -> Endpoint:
        """Deploy to this endpoint, with the options of `amlemu_endpoint`: another `deployment`, or the same again."""
        __tracebackhide__ = True
        self._touched(self)
        self._changed(self)
        self._known = self._deploy(self.name, options)
        return self

    def update_traffic(self, traffic: Mapping[str, int], mirror_traffic: Mapping[str, int] | None = None) -> Endpoint:
        """Set the percentages by deployment, live and mirrored."""
        self._touched(self)
        self._changed(self)
        self._known = self.client.update_traffic(self.name, traffic, mirror_traffic)
        return self

    def delete(self) -> None:
        """Delete the endpoint with its containers, if it still exists."""
        self._changed(self)
        try:
            self.client.delete_endpoint(self.name)
        except ResourceNotFound:
            return


def _send(
    method: str, url: str, headers: Mapping[str, str | None], body: Any, files: Any, timeout: float
) -> requests.Response:
    """Send one request on a connection of its own, so that tests may call from several threads."""
    __tracebackhide__ = True
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.request(method, url, headers=dict(headers), data=body, files=files, timeout=timeout)
        except requests.Timeout:
            failure: Exception = OperationTimedOut(f"{url} did not answer within {timeout:g} s")
        except requests.RequestException as error:
            failure = RequestFailed(f"{method} {url}: {error}", hint="`amlemu show` says whether it serves")
    raise failure  # not from the library's error, whose frames hold the key
