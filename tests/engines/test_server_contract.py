"""The scoring server that the environment pins, as amlemu starts it: it answers as Microsoft's documents say.

One real server of version 1.5.1 on the process engine, asked directly: what a front door would make of it is not here.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from engine_contract import (
    MANAGED_VARIABLES,
    SERVER,
    build,
    container_spec,
    managed_layout,
    new_spec,
    ready,
    temporary_engine,
)

from emulator.engines import Container
from emulator.engines.packaging.python_packages import read_host_packaging
from emulator.engines.process.engine import ProcessEngine
from emulator.profiles import rows

FACTS = {row.id: row.facts["managed"].value for row in rows()}

# Does what the body says.
SCRIPT = """
import json, math, os, sys, time
import beside

def init():
    pass

def run(body):
    question = body if isinstance(body, str) else repr(type(body))
    if question == "raise":
        raise ValueError("secret detail")
    if question == "sleep":
        time.sleep(30)
    if question == "bytes":
        return b"no JSON"
    if question == "nan":
        return [math.nan]
    if question == "none":
        return None
    if question == "path":
        return [sys.path, beside.__file__, os.environ["AML_APP_ROOT"]]
    return question
"""


@dataclass(frozen=True)
class Answered:
    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def failed(self) -> str | None:
        return self.headers.get("x-ms-run-function-failed")


Ask = Callable[..., Answered]


def asking(container: Container) -> Ask:
    def ask(body: str | bytes | None = None, *, path: str = "/score", method: str = "", **headers: str) -> Answered:
        url = f"http://{container.host}:{container.port}{path}"
        data = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            named.setdefault("content-type", "text/plain")
        request = urllib.request.Request(url, data, named, method=method or ("GET" if data is None else "POST"))
        try:
            answer = urllib.request.urlopen(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            found = {name.lower(): value for name, value in answer.headers.items()}
            return Answered(answer.status, found, answer.read().decode())

    return ask


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessEngine]:
    folder = tmp_path_factory.mktemp("engine")
    with temporary_engine(lambda name: ProcessEngine(folder, name, read_host_packaging(os.environ))) as engine:
        assert isinstance(engine, ProcessEngine)
        yield engine


@pytest.fixture(scope="module")
def image(engine: ProcessEngine) -> str:
    spec = new_spec(SERVER)
    build(engine, spec)
    return spec.digest


def start(engine: ProcessEngine, image: str, folder: Path, **files: str) -> Ask:
    layout = managed_layout(folder, SCRIPT)
    for name, text in {"beside_py": "", **files}.items():
        (layout / "code" / name.replace("_", ".")).write_text(text, encoding="utf-8")
    variables = MANAGED_VARIABLES | {"SCORING_TIMEOUT_MS": "1500"}
    return asking(ready(engine, container_spec(image, layout, environment_variables=variables)))


@pytest.fixture(scope="module")
def ask(engine: ProcessEngine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """The server with the script above and nothing that it would read beside it."""
    return start(engine, image, tmp_path_factory.mktemp("plain") / "layout")


@pytest.fixture(scope="module")
def ask_with_files(engine: ProcessEngine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """The server with files in the code folder that it takes for its own."""
    return start(
        engine,
        image,
        tmp_path_factory.mktemp("files") / "layout",
        swagger2_json='{"swagger": "2.0", "info": {"title": "mine"}}',
        swagger3_json='{"openapi": "3.0.3", "info": {"title": "mine too"}}',
        config_json='{"SERVICE_NAME": "from the file"}',
    )


def message(row_id: str) -> str:
    """The message that the row's answer holds."""
    text: str = json.loads(FACTS[row_id].body)["message"]
    return text


def told(answered: Answered) -> Any:
    return json.loads(answered.body)["message"]


@pytest.mark.row("server.health")
def test_health(ask: Ask) -> None:
    answered = ask(path="/")
    assert (answered.status, answered.body) == (FACTS["server.health"].status, FACTS["server.health"].body)


@pytest.mark.row("server.swagger_versions")
def test_the_versions_of_the_swagger_document(ask: Ask) -> None:
    assert FACTS["server.swagger_versions"] == ("2", "3", "3.1")
    queries = ("", *(f"?version={version}" for version in FACTS["server.swagger_versions"]))
    declared = {query: json.loads(ask(path=f"/swagger.json{query}").body) for query in queries}
    assert declared[""] == declared["?version=2"]
    assert declared[""]["swagger"] == "2.0"
    assert declared["?version=3"]["openapi"].startswith("3.0")
    assert declared["?version=3.1"]["openapi"].startswith("3.1")
    assert ask(path="/swagger.json?version=4").status == 404


@pytest.mark.row("server.swagger_undecorated")
def test_the_swagger_document_of_a_script_without_decorators(ask: Ask) -> None:
    definitions = json.loads(ask(path="/swagger.json").body)["definitions"]
    assert definitions["ServiceInput"] == definitions["ServiceOutput"] == FACTS["server.swagger_undecorated"]


@pytest.mark.row("server.swagger_file")
def test_the_users_own_swagger_document(ask_with_files: Ask) -> None:
    assert json.loads(ask_with_files(path="/swagger.json").body)["info"]["title"] == "mine"
    assert json.loads(ask_with_files(path="/swagger.json?version=3").body)["info"]["title"] == "mine too"


@pytest.mark.row("server.config_file")
def test_a_config_file_is_the_servers(ask_with_files: Ask, ask: Ask) -> None:
    """What is not among the files is generated, under the name that the file gives."""
    title = json.loads(ask_with_files(path="/swagger.json?version=3.1").body)["info"]["title"]
    assert title == "from the file"
    assert json.loads(ask(path="/swagger.json?version=3.1").body)["info"]["title"] == "ML service"


@pytest.mark.row("server.body_as_text", "server.text_result")
@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/octet-stream", "x/y"])
def test_the_body_is_a_text_and_so_is_the_result(ask: Ask, content_type: str) -> None:
    answered = ask('{"a": "é"}', content_type=content_type)
    assert (answered.status, json.loads(answered.body)) == (200, '{"a": "é"}')
    assert answered.headers["content-type"] == "application/json"
    assert answered.failed == "False"


@pytest.mark.row("server.body_as_text")
def test_a_form_arrives_empty(ask: Ask) -> None:
    assert ask("a=1", content_type="application/x-www-form-urlencoded").body == '""'


@pytest.mark.row("server.body_not_text")
def test_a_body_that_is_no_text(ask: Ask) -> None:
    answered = ask(b"\xff")
    assert answered.status == FACTS["server.body_not_text"].status
    assert told(answered).startswith(message("server.body_not_text").rstrip("…"))


@pytest.mark.row("server.query_as_json")
def test_a_query_is_a_json_text(ask: Ask) -> None:
    answered = ask(path="/score?n=1&text=two&both=1&both=2")
    assert json.loads(json.loads(answered.body)) == {"n": 1, "text": "two", "both": [1, 2]}


@pytest.mark.row("server.options")
def test_options_does_not_run(ask: Ask) -> None:
    answered = ask(method="OPTIONS")
    assert (answered.status, answered.body) == (FACTS["server.options"].status, FACTS["server.options"].body)


@pytest.mark.row("server.other_methods")
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_do_not_run(ask: Ask, method: str) -> None:
    answered = ask("x", method=method)
    assert answered.status == FACTS["server.other_methods"]
    assert "x-request-id" not in answered.headers


@pytest.mark.row("server.unknown_path")
@pytest.mark.parametrize("path", ["/nowhere", "/score/"])
def test_other_paths(ask: Ask, path: str) -> None:
    assert ask("x", path=path).status == FACTS["server.unknown_path"]


@pytest.mark.row("server.no_result")
def test_no_result(ask: Ask) -> None:
    answered = ask("none")
    assert (answered.status, answered.body) == (200, FACTS["server.no_result"])


@pytest.mark.row("server.nan_result")
def test_a_result_that_is_no_number(ask: Ask) -> None:
    assert ask("nan").body == f"[{FACTS['server.nan_result']}]"


@pytest.mark.row("server.script_error")
def test_a_script_that_raises(ask: Ask) -> None:
    answered = ask("raise")
    assert (answered.status, told(answered)) == (500, message("server.script_error"))
    assert answered.failed == "True"
    assert "x-ms-run-fn-exec-ms" not in answered.headers


@pytest.mark.row("server.result_no_json")
def test_a_result_that_cannot_be_json(ask: Ask) -> None:
    answered = ask("bytes")
    assert (answered.status, told(answered)) == (500, message("server.result_no_json"))
    assert answered.failed == "False"


@pytest.mark.row("server.scoring_timeout")
def test_a_run_that_takes_too_long(ask: Ask) -> None:
    answered = ask("sleep")
    assert (answered.status, told(answered)) == (500, message("server.scoring_timeout").replace("<N>", "1500"))
    assert answered.failed == "True"


@pytest.mark.row("server.long_request_id")
def test_an_id_that_is_too_long(ask: Ask) -> None:
    answered = ask("x", x_request_id="i" * 101)
    assert (answered.status, told(answered)) == (431, message("server.long_request_id"))
    assert ask("x", x_request_id="i" * 100).status == 200


@pytest.mark.row("server.imports_from_app_root")
def test_the_app_root_is_the_last_place_for_imports(ask: Ask) -> None:
    path, beside, app_root = json.loads(ask("path").body)
    installed = [number for number, place in enumerate(path) if place.endswith("site-packages")]
    assert installed
    assert path.index(app_root) > max(installed)
    assert beside == f"{app_root}/beside.py"
