"""Client of the control API: one method for each operation, with errors of emulator.errors."""

from __future__ import annotations

import http.client
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import requests
import urllib3

from emulator.azure_paths import OWN_PATH, WORKSPACE_PATH, deployment_path, endpoint_path
from emulator.errors import (
    BadArgument,
    EmulatorError,
    EngineUnavailable,
    OperationTimedOut,
    ResourceNotFound,
    from_dict,
)

_BEGINNING = 2000
_CONNECT_SECONDS = 5.0

Json = dict[str, Any]
OnBytes = Callable[[str, int, int], None]
OnEvent = Callable[[str, str], None]
"""Takes an event's kind (`step` or `log`) and text."""


class Client:
    """A client of one emulator; as a context manager it closes its connections.

    Requests name files of this machine.  They are uploaded if the emulator is on another machine (`sends_files`) or
    accepts no paths; `on_bytes` is called with the progress.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        session: requests.Session | None = None,
        *,
        sends_files: bool = False,
        on_bytes: OnBytes = lambda _what, _sent, _total: None,
    ) -> None:
        self.url = url.rstrip("/")
        self._sends_files = sends_files
        self._reads_paths: bool | None = None
        self._on_bytes = on_bytes
        self._session = session or requests.Session()
        self._session.trust_env = False  # the emulator is not behind the internet's proxy
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._session.close()

    # the server

    def describe(self, timeout_seconds: float = _CONNECT_SECONDS) -> Json:
        """Return who the server is: version, workspace_id, engine, pid, home."""
        description = self._call("GET", f"{OWN_PATH}/info", timeout=timeout_seconds)
        self._reads_paths = not self._sends_files and bool(description.get("takes_paths"))
        return description

    def shutdown(self, *, keep_containers: bool = False) -> None:
        """Stop the emulator, and its containers unless they are to be kept."""
        body = {"keep_containers": keep_containers}
        with self._open("POST", f"{OWN_PATH}/shutdown", body=body) as answer, suppress(requests.RequestException):
            _ = answer.content  # which the end of the server may cut off

    def prune(self, *, dry_run: bool) -> list[str]:
        """Remove what nothing uses; return a line for each thing removed."""
        return list(self._call("POST", f"{OWN_PATH}/prune", body={"dry_run": dry_run})["removed"])

    def list_damage(self) -> list[Json]:
        """Return the documents of the emulator's home that cannot be read: resource, file, fault."""
        return list(self._call("GET", f"{OWN_PATH}/damage")["value"])

    def list_kept(self) -> list[str]:
        """Return what `prune` keeps because documents of the home cannot be read, a line for each thing."""
        return list(self._call("GET", f"{OWN_PATH}/damage")["kept"])

    # tokens

    def create_token(self, name: str, role: str) -> Json:
        """Create a token; return name, role, created_at and the token itself."""
        return self._call("POST", f"{OWN_PATH}/tokens", body={"name": name, "role": role})

    def list_tokens(self) -> list[Json]:
        """Return the tokens that were created: name, role, created_at."""
        return list(self._call("GET", f"{OWN_PATH}/tokens")["value"])

    def delete_token(self, name: str) -> None:
        """Delete a token."""
        self._call("DELETE", f"{OWN_PATH}/tokens/{quote(name, safe='')}")

    # uploads

    def find_uploads(self, offer: Mapping[str, Any]) -> Json:
        """Return which of the offered files this caller has not sent: `files`, and `known_sizes`."""
        return self._call("POST", f"{OWN_PATH}/uploads/find", body=offer)

    def append_upload(self, key: str, offset: int, data: bytes, *, restart: bool = False) -> None:
        """Send a piece of a file; `restart` discards what was sent before."""
        query = {"offset": str(offset)} | ({"restart": "true"} if restart else {})
        self._call("PATCH", f"{OWN_PATH}/uploads/files/{key}", query=query, data=data)

    def finish_upload(self, key: str, whole: Mapping[str, Any]) -> Json:
        """Complete a file of this `size` and `sha256`; return what the emulator computed."""
        return self._call("POST", f"{OWN_PATH}/uploads/files/{key}/finish", body=whole)

    def create_upload(self, upload: Mapping[str, Any]) -> str:
        """Create a file or folder of uploaded files; return what requests name in place of a path."""
        return str(self._call("POST", f"{OWN_PATH}/uploads", body=upload)["path"])

    def _takes_paths(self) -> bool:
        """Return whether the emulator reads this machine's files itself."""
        if self._reads_paths is None:
            self.describe()
        return bool(self._reads_paths)

    # models

    def register_model(self, name: str, request: Mapping[str, Any]) -> Json:
        """Register the file or folder at request['path']."""
        if not self._takes_paths():
            from emulator.client.uploading import upload_model

            request = upload_model(self, request, self._on_bytes)
        return _flat(self._call("POST", f"{WORKSPACE_PATH}/models/{quote(name, safe='')}/versions", body=request))

    def list_models(self, name: str | None = None, *, include_archived: bool = False) -> list[Json]:
        """Return the versions of one model, or of all."""
        path = f"/models/{quote(name, safe='')}/versions" if name else "/models"
        query = {"includeArchived": "true"} if include_archived else {}
        return _flats(self._call("GET", WORKSPACE_PATH + path, query=query))

    def get_model(self, name: str, version: str | None) -> Json:
        """Return one version, the latest when None."""
        return _flat(self._call("GET", _model(name, version)))

    def archive_model(self, name: str, version: str, *, archived: bool) -> Json:
        """Hide a version from lists and from `latest`, or show it again."""
        return _flat(self._call("PATCH", _model(name, version), body={"isArchived": archived}))

    def download_model(self, name: str, version: str | None, folder: Path) -> list[Path]:
        """Write the version's files below `folder`; return their paths."""
        return self._download(_model(name, version) + "/content", folder)

    # exports

    def get_export(self, endpoint: str, *, include_values: bool) -> Json:
        """Return the definition of the endpoint and its deployments; secret values only on request."""
        return self._call("GET", _endpoint(endpoint) + "/export", query=_include_values(include_values))

    def download_code(self, endpoint: str, deployment: str, folder: Path) -> list[Path]:
        """Write the files of a deployment's code below `folder`; return their paths."""
        return self._download(_deployment(endpoint, deployment) + "/code", folder)

    def download_context(self, endpoint: str, deployment: str, folder: Path) -> list[Path]:
        """Write the build context of a deployment's environment below `folder`; return the paths of its files."""
        return self._download(_deployment(endpoint, deployment) + "/context", folder)

    def download_layout(self, endpoint: str, deployment: str, folder: Path) -> list[Path]:
        """Write a deployment's /var/azureml-app below `folder`; return the paths of its files."""
        return self._download(_deployment(endpoint, deployment) + "/layout", folder)

    def _download(self, path: str, folder: Path) -> list[Path]:
        with self._open("GET", path) as answer, _streaming(answer):
            answer.raw.decode_content = True
            with tarfile.open(fileobj=answer.raw, mode="r|") as tar:
                return [_write_member(tar, member, folder) for member in tar]

    # environments

    def register_environment(self, file: str) -> Json:
        """Register an environment file."""
        return _flat(self._call("POST", f"{WORKSPACE_PATH}/environments", body=self._named({"file": file})))

    def list_environments(self, *, curated: bool = False, include_values: bool = False) -> list[Json]:
        """Return every registered environment, or every curated one; secret values only on request."""
        query = ({"curated": "true"} if curated else {}) | _include_values(include_values)
        return _flats(self._call("GET", f"{WORKSPACE_PATH}/environments", query=query))

    def resolve_environment(self, named: Mapping[str, str], *, include_values: bool = False) -> Json:
        """Return the environment of a `file` or `name`, with its Dockerfile; secret values only on request."""
        path = f"{WORKSPACE_PATH}/environments/resolve"
        return _flat(self._call("POST", path, body=self._named(named), query=_include_values(include_values)))

    def build_environment(self, named: Mapping[str, str], on_event: OnEvent) -> None:
        """Build the environment's image."""
        answer = self._call("POST", f"{WORKSPACE_PATH}/environments/build", body=self._named(named))
        self._follow(answer["operation"], on_event)

    def _named(self, named: Mapping[str, str]) -> Json:
        """Replace an environment file's path by its content where the emulator cannot read the path."""
        if "file" not in named or self._takes_paths():
            return dict(named)
        from emulator.client.uploading import upload_environment

        rest = {key: value for key, value in named.items() if key != "file"}
        return {**rest, "environment": upload_environment(self, named["file"], self._on_bytes)}

    # endpoints

    def list_endpoints(self) -> list[Json]:
        """Return every endpoint."""
        return _flats(self._call("GET", f"{WORKSPACE_PATH}/onlineEndpoints"))

    def get_endpoint(self, name: str) -> Json:
        """Return one endpoint with its deployments."""
        return _flat(self._call("GET", _endpoint(name)))

    def put_endpoint(self, name: str, request: Mapping[str, Any]) -> Json:
        """Create or update an endpoint; its deployments and traffic are kept."""
        return _flat(self._call("PUT", _endpoint(name), body=request))

    def delete_endpoint(self, name: str) -> None:
        """Remove an endpoint and all its deployments."""
        self._call("DELETE", _endpoint(name))

    def update_traffic(
        self, name: str, traffic: Mapping[str, int] | None, mirror_traffic: Mapping[str, int] | None = None
    ) -> Json:
        """Set the percentages by deployment, live and mirrored; None keeps the present ones."""
        given = {"traffic": traffic, "mirrorTraffic": mirror_traffic}
        body = {key: dict(percents) for key, percents in given.items() if percents is not None}
        return _flat(self._call("PATCH", _endpoint(name), body=body))

    def get_keys(self, name: str) -> Json:
        """Return primaryKey and secondaryKey."""
        return self._call("POST", _endpoint(name) + "/listKeys", body={})

    def get_token(self, name: str) -> Json:
        """Return a new token: accessToken, expiryTimeUtc, refreshAfterTimeUtc, tokenType."""
        return self._call("POST", _endpoint(name) + "/token", body={})

    def get_credentials(self, name: str) -> Json:
        """Return the keys of an endpoint with keys, or a new token of one with tokens."""
        tokens = self.get_endpoint(name)["auth_mode"] in ("aml_token", "aad_token")
        return self.get_token(name) if tokens else self.get_keys(name)

    def regenerate_keys(self, name: str, which: str) -> Json:
        """Replace the primary or the secondary key."""
        return self._call("POST", _endpoint(name) + "/regenerateKeys", body={"keyType": which.capitalize()})

    def explain(self, name: str, answer: requests.Response, beginning: bytes) -> tuple[str, str]:
        """Return the cause of an error response and what to do next; `beginning` is that of its body."""
        from emulator.diagnosis import input_data_hint

        explanation = self._call("POST", _endpoint(name) + "/explain", body=_response_summary(answer, beginning))
        # The request body is not sent to the emulator, but the suggested one may contain all of it.
        sent: Any = answer.request.body  # an iterator where it was streamed
        sent = sent.encode() if isinstance(sent, str) else sent
        instead = input_data_hint(sent if isinstance(sent, bytes) else b"", beginning)
        return str(explanation["cause"]), instead or str(explanation["hint"])

    def get_tree(self, name: str, deployment: str | None) -> Json:
        """Return what is below /var/azureml-app: `files`, and the platform's `variables`."""
        return self._call("GET", _endpoint(name) + "/tree", query=_query(deployment=deployment))

    def get_logs(self, name: str, *, kind: str = "logs", follow: bool, **query: str | int | None) -> Iterator[str]:
        """Yield the lines of a log; with `follow`, new lines as they come.

        The kinds: `logs` (of the container), `requests` (of the front door), `events`, `collected`, `insights`.
        """
        path = f"{_endpoint(name)}/{kind}"
        selection = _query(**query) | ({"follow": "true"} if follow else {})
        with self._open("GET", path, query=selection) as answer, _streaming(answer):
            for line in answer.iter_lines(chunk_size=None):
                if line:
                    yield json.loads(line)

    # deployments

    def deploy(self, endpoint: str, deployment: str, request: Mapping[str, Any], on_event: OnEvent) -> Json:
        """Create or update a deployment as `put_deployment` does; return the endpoint."""
        self.put_deployment(endpoint, deployment, request, on_event)
        return self.get_endpoint(endpoint)

    def put_deployment(self, endpoint: str, deployment: str, request: Mapping[str, Any], on_event: OnEvent) -> None:
        """Create or update a deployment and wait until it serves; an interrupt cancels it."""
        if not self._takes_paths():
            request = self._sent(endpoint, request, on_event)
        answer = self._call("PUT", _deployment(endpoint, deployment), body=request)
        self._follow(answer["operation"], on_event)

    def _sent(self, endpoint: str, request: Mapping[str, Any], on_event: OnEvent) -> Json:
        from emulator.client.uploading import upload_deployment

        on_event("step", f"sending to {self.url} the files that it does not have")
        return upload_deployment(self, request, request.get("target") or self._target_of(endpoint), self._on_bytes)

    def _target_of(self, endpoint: str) -> Any:
        try:
            return self.get_endpoint(endpoint)["target"]
        except ResourceNotFound:
            return "managed"

    def delete_deployment(self, endpoint: str, deployment: str) -> None:
        """Remove one deployment."""
        self._call("DELETE", _deployment(endpoint, deployment))

    # how

    def _follow(self, operation: str, on_event: OnEvent) -> None:
        path = f"{WORKSPACE_PATH}/mfeOperationsStatus/{operation}"
        try:
            end = self._events(path + "/events", on_event)
        except KeyboardInterrupt:
            self._call("DELETE", path)
            self._events(path + "/events", lambda _kind, _text: None)
            raise
        if end.get("status") != "Succeeded":
            raise from_dict(end.get("error") or {"message": "the operation ended without a result"})

    def _events(self, path: str, on_event: OnEvent) -> Json:
        with self._open("GET", path) as answer, _streaming(answer):
            for line in answer.iter_lines(chunk_size=None):
                field, _, value = line.partition(b":")
                if field != b"data":
                    continue  # the event's name and number, which its data has too, or a sign of life
                event: Json = json.loads(value)
                if event["kind"] == "end":
                    return event
                on_event(event["kind"], event["text"])
        raise _ended_early()

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        timeout: float | None = None,
        data: bytes | None = None,
    ) -> Json:
        with self._open(method, path, body=body, query=query, timeout=timeout, data=data) as answer:
            try:
                result = answer.json()
            except ValueError as error:
                raise _not_an_emulator(answer) from error
            except requests.RequestException as error:
                raise _ended_early() from error
            if not isinstance(result, dict):
                raise _not_an_emulator(answer)
            return result

    def _open(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        timeout: float | None = None,
        data: bytes | None = None,
    ) -> requests.Response:
        try:
            answer = self._session.request(
                method,
                self.url + path,
                json=body,
                data=data,
                params=query,
                stream=True,
                timeout=(_CONNECT_SECONDS, timeout),
                allow_redirects=False,
            )
        except requests.ConnectionError as error:
            message = f"no emulator answers at {self.url}"
            hint = "look at AMLEMU_URL, and whether it runs there" if self._sends_files else "amlemu up --detach"
            raise EngineUnavailable(message, hint=hint) from error
        except requests.Timeout as error:
            raise OperationTimedOut(f"the emulator at {self.url} does not answer", hint="`amlemu status`") from error
        except (requests.RequestException, UnicodeError) as error:
            message = f"'{self.url}' is not the address of an emulator: {error}"
            raise BadArgument(message, hint="as in AMLEMU_URL=http://127.0.0.1:18080") from error
        if 200 <= answer.status_code < 300:
            return answer
        with answer:
            raise _error_of(answer)


def _response_summary(answer: requests.Response, beginning: bytes) -> Json:
    """Return what the control API needs to explain the response to a scoring request."""
    status = answer.headers.get("ms-azureml-model-error-statuscode", "")
    asked = answer.request.headers
    return {
        "deployment": answer.headers.get("azureml-model-deployment"),
        "status": answer.status_code,
        "modelStatus": int(status) if status.isdecimal() else 0,
        "reason": answer.headers.get("ms-azureml-model-error-reason", "")[:200],
        "message": beginning[:_BEGINNING].decode("utf-8", "replace"),
        "asked": str(asked.get("azureml-model-deployment", ""))[:200],
        "contentType": str(asked.get("Content-Type", ""))[:200],
        "method": str(answer.request.method),
    }


def _error_of(answer: requests.Response) -> EmulatorError:
    try:
        return from_dict(answer.json()["error"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return _not_an_emulator(answer)
    except requests.RequestException:
        return _ended_early()


def _not_an_emulator(answer: requests.Response) -> EmulatorError:
    return EmulatorError(f"{answer.url} answered {answer.status_code}; is that an amlemu?")


def _ended_early() -> EmulatorError:
    return EngineUnavailable(
        "the emulator stopped before its response was complete", hint="`amlemu status`, then try again"
    )


@contextmanager
def _streaming(answer: requests.Response) -> Iterator[None]:
    """Translate errors in the middle of a response."""
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, tarfile.TarError) as e:
        raise _ended_early() from e
    except json.JSONDecodeError as error:
        raise _not_an_emulator(answer) from error


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> Path:
    path = folder / member.name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise EmulatorError(f"the server sent a path outside the folder: {member.name}")
    if not member.isfile():  # a link would write to wherever it points
        raise EmulatorError(f"the server sent something that is not a file: {member.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(member)
    with path.open("wb") as target:
        while source and (chunk := source.read(1 << 20)):
            target.write(chunk)
    if member.mode & 0o100:
        path.chmod(0o755)
    return path


def _flat(resource: Json) -> Json:
    flat: Json = resource["amlemu"]
    return flat


def _flats(collection: Json) -> list[Json]:
    return [_flat(resource) for resource in collection["value"]]


def _model(name: str, version: str | None) -> str:
    return f"{WORKSPACE_PATH}/models/{quote(name, safe='')}/versions/{quote(version or 'latest', safe='')}"


def _endpoint(name: str) -> str:
    return endpoint_path(quote(name, safe=""))


def _deployment(endpoint: str, name: str) -> str:
    return deployment_path(quote(endpoint, safe=""), quote(name, safe=""))


def _include_values(include: bool) -> dict[str, str]:
    return {"includeValues": "true"} if include else {}


def _query(**query: str | int | None) -> dict[str, str]:
    return {name: str(value) for name, value in query.items() if value is not None}
