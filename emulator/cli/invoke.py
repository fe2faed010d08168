"""`invoke`: one scoring request, with credentials and headers as a client would send them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from emulator.cli.completion import deployment_names, endpoint_names
from emulator.cli.output import say
from emulator.names import in_small_letters

if TYPE_CHECKING:
    import requests

    from emulator.errors import EmulatorError

_TIMEOUT_SECONDS = 320.0
# Of a response body, what is kept to explain it.
_MOST_BYTES = 1 << 20


@click.command("invoke")
@click.argument("endpoint", shell_complete=endpoint_names)
@click.option("-d", "--data", metavar="TEXT|FILE|@FILE", help="The body, or a file with it; @- reads standard input.")
@click.option(
    "--file",
    "files",
    multiple=True,
    metavar="FIELD=@PATH",
    help="A file of a multipart form, as in requests.post(files=…); repeat.",
)
@click.option("--method", default=None, help="The method; by default POST, or GET without a body.")
@click.option("--path", help="The path and query; by default the scoring route.")
@click.option("--content-type", default="application/json", show_default=True)
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME: VALUE", help="An additional header; repeat.")
@click.option("--deployment", help="Send it to this deployment, whatever the traffic.", shell_complete=deployment_names)
@click.option("-i", "--include", is_flag=True, help="Print status and headers too, to stderr.")
@click.option("-o", "--output", type=click.Choice(["body", "json"]), default="body",
              help="Print the body as it comes, or status, headers and body as JSON.")  # fmt: skip
def invoke_command(  # noqa: PLR0913 - the command's options
    endpoint: str,
    data: str | None,
    files: Sequence[str],
    method: str | None,
    path: str | None,
    content_type: str,
    headers: Sequence[str],
    deployment: str | None,
    include: bool,
    output: str,
) -> None:
    """Send one request to an endpoint and print the response's body.

    An error status is explained and exits with code 6.
    """
    from emulator.cli.connection import connect

    with connect() as client:
        document = client.get_endpoint(endpoint)
        _refuse_out_of_service(document)
        found = client.get_credentials(endpoint) if document["auth_mode"] != "none" else {}
    sent = _headers(headers, found.get("accessToken") or found.get("primaryKey"), deployment)
    if data is not None:
        sent.setdefault("Content-Type", content_type)
    body = _body(data)
    method = method or ("GET" if body is None and not files else "POST")
    url = document["scoring_uri"] if path is None else document["openapi_uri"].removesuffix("/swagger.json") + path
    answer, beginning = _send(method.upper(), url, sent, body, _form(files), include=include, as_json=output == "json")
    if answer.status_code >= 400:
        raise _explain_error(endpoint, answer, beginning)
    _warn_of_odd_response(answer, beginning)


def _explain_error(endpoint: str, answer: requests.Response, beginning: bytes) -> EmulatorError:
    """Return the error that explains a response's status."""
    from emulator.cli.connection import running_client
    from emulator.errors import EmulatorError, RequestFailed

    target = f"{answer.request.method} {answer.request.url}: {answer.status_code}"
    message = f"the request was answered with {answer.status_code}"
    client = running_client()
    if client is None:  # it has stopped meanwhile
        return RequestFailed(message, target=target)
    try:
        with client:
            cause, hint = client.explain(endpoint, answer, beginning)
    except EmulatorError as error:  # the response is printed all the same
        return RequestFailed(message, target=target, hint=error.message)
    return RequestFailed(cause, target=target, hint=hint)


def _warn_of_odd_response(answer: requests.Response, body: bytes) -> None:
    from emulator.diagnosis import odd_answer

    odd = odd_answer(answer.headers.get("Content-Type", ""), body) if len(body) < _MOST_BYTES else None
    if odd:
        say(f"note: {odd}")
        say(f"  → {odd.hint}")


def _refuse_out_of_service(endpoint: Mapping[str, Any]) -> None:
    """Raise if the endpoint is out of service: another program may have its port, and must not get a key."""
    if why := endpoint.get("out_of_service"):
        from emulator.errors import ResourceNotReady

        message = f"endpoint '{endpoint['name']}' is out of service: {why}"
        raise ResourceNotReady(
            message, target=f"endpoint {endpoint['name']}", hint="it comes back when its port is free"
        )


def _headers(texts: Sequence[str], key: str | None, deployment: str | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon:
            raise click.UsageError(f"-H takes 'NAME: VALUE', not '{text}'")
        found[name.strip()] = value.strip()
    if key:
        found.setdefault("Authorization", f"Bearer {key}")
    if deployment:
        found["azureml-model-deployment"] = in_small_letters(deployment)
    return found


def _body(data: str | None) -> bytes | None:
    if data is None:
        return None
    if not data.startswith("@"):
        return _existing(data).read_bytes() if _names_a_file(data) else data.encode()
    if data == "@-":
        return sys.stdin.buffer.read()
    return _existing(data[1:]).read_bytes()


def _names_a_file(data: str) -> bool:
    """Return whether a text without '@' means a file: it is the path of one, and not JSON."""
    import json

    try:
        json.loads(data)
    except ValueError:
        pass
    else:
        return False
    try:
        is_file = Path(data).is_file()
    except (OSError, ValueError):  # too long for a path, or with a null
        return False
    if is_file:
        say(f"--data: the file {data} is sent, as @{data} says", dim=True)
    return is_file


def _existing(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise click.UsageError(f"the file '{text}' does not exist")
    return path


def _form(files: Sequence[str]) -> dict[str, tuple[str, IO[bytes]]]:
    form: dict[str, tuple[str, IO[bytes]]] = {}
    for text in files:
        field, equals, path = text.partition("=@")
        if not equals:
            raise click.UsageError(f"--file takes FIELD=@PATH, not '{text}'")
        form[field] = (Path(path).name, _existing(path).open("rb"))
    return form


def _send(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    form: Mapping[str, Any],
    *,
    include: bool,
    as_json: bool = False,
) -> tuple[requests.Response, bytes]:
    """Send the request and print the response as it comes; return it with the beginning of its body."""
    import requests

    from emulator.errors import OperationTimedOut, RequestFailed

    session = requests.Session()
    session.trust_env = False
    beginning = b""
    try:
        with session.request(
            method, url, headers=dict(headers), data=body, files=form or None, stream=True, timeout=_TIMEOUT_SECONDS
        ) as answer:
            if as_json:
                click.echo(answer_as_json(answer.status_code, answer.headers, answer.content))
                return answer, answer.content[:_MOST_BYTES]
            if include:
                _print_head(answer)
            for chunk in answer.iter_content(chunk_size=None):
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
                beginning = (beginning + chunk)[:_MOST_BYTES]
            if sys.stdout.isatty() or not answer.ok:
                click.echo(err=not answer.ok)
            return answer, beginning
    except requests.Timeout as error:
        raise OperationTimedOut(f"{url} did not answer within {_TIMEOUT_SECONDS:.0f} s") from error
    except requests.RequestException as error:
        raise RequestFailed(f"{method} {url}: {error}", hint="`amlemu show` says whether it serves") from error
    finally:
        session.close()
        for _, file in form.values():
            file.close()


def answer_as_json(status: int, headers: Mapping[str, str], content: bytes) -> str:
    """Return a response as one JSON document: its body as JSON or text, else in base64."""
    import base64
    import json

    document: dict[str, Any] = {"status": status, "headers": dict(headers)}
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return json.dumps(document | {"body_base64": base64.b64encode(content).decode()}, indent=2)
    try:
        document["body"] = json.loads(text)
    except ValueError:
        document["body"] = text
    return json.dumps(document, indent=2, ensure_ascii=False)


def _print_head(answer: Any) -> None:
    say(f"HTTP {answer.status_code} {answer.reason}")
    for name, value in answer.headers.items():
        say(f"{name}: {value}", dim=True)
