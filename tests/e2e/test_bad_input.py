"""What a user gets wrong: the right exit code, a message that helps, and nothing that served stops serving."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from amlemu_process import Environ, amlemu, json_of, temporary_environ
from projects import SERVER, project, script

# Each: the script, the environment, exit code, what the message must say beside its code.
RUN = "\ndef run(data):\n    return data\n"
INIT = "def init():\n    pass\n"
CONFLICT = """
name: c
dependencies:
  - python=3.8
  - pip:
      - inference-schema==1.1.0
      - azureml-defaults==1.36.0
"""
BAD_SCRIPTS: dict[str, tuple[str, dict[str, str], int, list[str]]] = {
    "no run": (INIT, {}, 5, ["ResourceNotReady", "score.py does not define run()", "defines init() and run(data)"]),
    "no init": (RUN, {}, 5, ["ResourceNotReady", "score.py does not define init()"]),
    "syntax error": (f"{INIT}def run(data)\n", {}, 5, ["ResourceNotReady", "SyntaxError", "(score.py, line 3)"]),
    "run with *args": (
        INIT + "def run(*args):\n    pass\n",
        {},
        5,
        ["ResourceNotReady", "run() cannot accept positional-only arguments, *args, or **kwargs."],
    ),
    "init raises": (
        "def init():\n    columns()\n\ndef columns():\n    raise ValueError('no such column')\n" + RUN,
        {},
        5,
        ["ResourceNotReady", "ValueError: no such column (code/score.py, line 5)"],
    ),
    "missing module": (
        "import pandas\n" + INIT + RUN,
        {},
        5,
        [
            "ResourceNotReady",
            "ModuleNotFoundError: No module named 'pandas' (code/score.py, line 1)",
            "if pandas is a package, add it to requirements.txt",
        ],
    ),
    "no server in the environment": (
        INIT + RUN,
        {"requirements__txt": "flask==3.1.3\n"},
        5,
        [
            "ResourceNotReady",
            "A required package azureml-inference-server-http is missing.",
            "add azureml-inference-server-http",
        ],
    ),
    "the file is elsewhere": (
        "import os\ndef init():\n    open(os.path.join(os.environ['AZUREML_MODEL_DIR'], 'a.pkl'))\n" + RUN,
        {},
        5,
        ["ResourceNotReady", "No such file or directory", "(code/score.py, line 3)", "amlemu tree"],
    ),
    "corrupt pickle": (
        "import os, pickle\n\ndef init():\n"
        "    with open(os.path.join(os.environ['AZUREML_MODEL_DIR'], 'model.pkl'), 'rb') as file:\n"
        "        pickle.load(file)\n" + RUN,
        {},
        5,
        ["ResourceNotReady", "UnpicklingError", "(code/score.py, line 5)"],
    ),
    "invalid YAML": (
        INIT + RUN,
        {"conda__yml": "name: x\ndependencies: [\n  - python=3.11\n"},
        2,
        ["BadArgument: conda.yml is not valid YAML", "conda.yml:3"],
    ),
    "two unknown keys": (
        INIT + RUN,
        {"conda__yml": "name: x\ndependancies: []\nchanels: []\n"},
        2,
        ["BadArgument", "conda.yml:2", "did you mean 'dependencies'?", "conda.yml:3", "did you mean 'channels'?"],
    ),
    "bad requirement": (
        INIT + RUN,
        {"requirements__txt": f"{SERVER}numpy=1.0\n"},
        2,
        ["BadArgument", "requirements.txt:2", "pip writes 'numpy==1.0'"],
    ),
    "unknown package": (
        INIT + RUN,
        {"requirements__txt": "amlemu-has-no-such-package\n"},
        4,
        ["ImageBuildFailure", "no package 'amlemu-has-no-such-package'", "check the spelling"],
    ),
    "conflicting packages": (
        INIT + RUN,
        {"conda__yml": CONFLICT},
        4,
        [
            "ImageBuildFailure: these packages cannot be installed together",
            "azureml-defaults==1.36.0 depends on inference-schema>=1.3.0",
            "inference-schema==1.1.0",
            "loosen or remove",
        ],
    ),
}


@pytest.fixture(scope="module")
def corrupt_model(environ: Environ, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("model") / "model.pkl"
    file.write_bytes(b"this is no pickle")
    model = json_of(environ, "model", "register", "--name", "corrupt", "--path", file)
    return f"corrupt:{model['version']}"


def answer_of(environ: Environ, endpoint: str) -> Any:
    return json.loads(amlemu(environ, "invoke", endpoint, "--data", "{}").stdout)


@pytest.fixture(scope="module")
def battered(environ: Environ, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An endpoint that serves, and that is updated with everything that is wrong."""
    amlemu(environ, "deploy", "--name", "battered", "--entry", project(tmp_path_factory.mktemp("good") / "code"))
    yield "battered"
    amlemu(environ, "delete", "battered", "--yes")


@pytest.fixture
def undisturbed(environ: Environ, battered: str) -> Iterator[str]:
    """An endpoint that answers after the test as before, from the same process."""
    before = answer_of(environ, battered)
    yield battered
    assert answer_of(environ, battered) == before


def built_environments(environ: Environ) -> set[str]:
    return {path.name for path in Path(environ["AMLEMU_HOME"]).glob("process/environments/[!.]*")}


@pytest.mark.parametrize("fault", BAD_SCRIPTS)
def test_a_deployment_with_a_fault_says_what_and_why(
    environ: Environ, undisturbed: str, corrupt_model: str, folder: Path, fault: str
) -> None:
    """The deployment is an update of one that serves, which goes on."""
    text, files, code, told = BAD_SCRIPTS[fault]
    path = project(folder, text, **files)
    words = ("deploy", "--name", undisturbed, "--model", corrupt_model, "--entry", path)
    before = built_environments(environ)
    failed = amlemu(environ, *words, code=code)
    for part in told:
        assert part in failed.stderr, f"{part!r} is not in {failed.stderr}"
    assert failed.stdout == ""
    if code != 5:
        assert built_environments(environ) == before
    (deployment,) = json_of(environ, "show", undisturbed)["deployments"]
    assert deployment["provisioning_state"] in ("Failed", "Succeeded")


@pytest.mark.parametrize("fault", ["init raises", "no server in the environment", "conflicting packages"])
def test_the_failed_deployment_is_named_and_its_reason_kept(environ: Environ, folder: Path, fault: str) -> None:
    """What failed while it was being made stays, as Failed with its reason; its name is in the message."""
    text, files, code, told = BAD_SCRIPTS[fault]
    failed = amlemu(environ, "deploy", "--name", "never-was", "--entry", project(folder, text, **files), code=code)
    (deployment,) = json_of(environ, "show", "never-was")["deployments"]
    assert deployment["provisioning_state"] == "Failed"
    assert deployment["error"]["code"] == told[0].partition(":")[0]
    assert deployment["error"]["message"] in failed.stderr
    assert "404" in amlemu(environ, "invoke", "never-was", "--data", "{}", code=6).stderr
    amlemu(environ, "delete", "never-was", "--yes")
    assert "never-was" in failed.stderr, failed.stderr.splitlines()[-2:]


@pytest.mark.row("start.init_failed_code", "start.import_failed_code", "start.function_missing_code")
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("init raises", "UserScriptInitFailed"),
        ("missing module", "UserScriptImportError"),
        ("no run", "UserScriptFunctionNotFound"),
        ("no server in the environment", "DeploymentCrashLoopBackOff"),
    ],
)
def test_kubernetes_has_codes_of_its_own_for_a_failed_start(
    environ: Environ, folder: Path, fault: str, code: str
) -> None:
    text, files, exit_code, (_, *told) = BAD_SCRIPTS[fault]
    words = ("deploy", "--name", "on-k8s", "--target", "kubernetes", "--entry", project(folder, text, **files))
    failed = amlemu(environ, *words, code=exit_code)
    for part in (f"{code}: ", *told):
        assert part in failed.stderr, f"{part!r} is not in {failed.stderr}"
    if fault == "no run":
        return  # refused before anything was made
    (deployment,) = json_of(environ, "show", "on-k8s")["deployments"]
    assert (deployment["provisioning_state"], deployment["error"]["code"]) == ("Failed", code)
    amlemu(environ, "delete", "on-k8s", "--yes")


BAD_WORDS: dict[str, tuple[list[str], int, list[str]]] = {
    "unregistered model": (["--model", "nobody:1"], 8, ["ResourceNotFound", "nobody", "amlemu model register"]),
    "a name nearly right": (["--model", "corupt:1"], 8, ["ResourceNotFound", "did you mean 'corrupt'?"]),
    "no such version": (["--model", "corrupt:99"], 8, ["ResourceNotFound", "has no version '99'", "it has: 1"]),
    "the model twice": (
        ["--model", "corrupt:1", "--model", "corrupt:1"],
        2,
        ["BadArgument", "the same model is named twice"],
    ),
    "no such environment": (["--environment", "nowhere:3"], 8, ["ResourceNotFound", "no environment named 'nowhere'"]),
    "no such environment file": (
        ["--environment", "nowhere.yml"],
        2,
        ["environment file 'nowhere.yml' does not exist"],
    ),
    "no such target": (["--target", "moon"], 2, ["moon", "managed"]),
    "a bad name": (["--name", "1-bad_name"], 2, ["BadArgument", "must start with an upper- or lowercase letter"]),
    "a short name": (["--name", "ab"], 2, ["BadArgument", "at least 3 and at most 32 characters"]),
    "no instances": (["--instance-count", "0"], 2, ["BadArgument", "instance_count"]),
    "another target than before": (["--target", "aci"], 2, ["BadArgument", "has target managed and keeps it for life"]),
    "an unknown option": (["--modle", "a:1"], 2, ["No such option", "--model"]),
}


@pytest.mark.parametrize("fault", BAD_WORDS)
def test_a_wrong_word_is_told_before_anything_is_done(
    environ: Environ, undisturbed: str, corrupt_model: str, folder: Path, fault: str
) -> None:
    words, code, told = BAD_WORDS[fault]
    name = [] if "--name" in words else ["--name", undisturbed]
    before = json_of(environ, "show", undisturbed)
    failed = amlemu(environ, "deploy", *name, "--entry", project(folder), *words, code=code)
    for part in told:
        assert part in failed.stderr, f"{part!r} is not in {failed.stderr}"
    assert json_of(environ, "show", undisturbed) == before


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["deploy", "--entry", "nowhere.py"], 2, ["BadArgument", "'nowhere.py' does not exist", "--entry names"]),
        (["model", "register", "--name", "m", "--path", "nowhere"], 2, ["BadArgument", "nowhere", "model m"]),
        (["model", "register", "--name", "a b", "--path", "."], 2, ["BadArgument", "a b", "cannot name a model"]),
        (["model", "show", "nobody"], 8, ["ResourceNotFound", "nobody"]),
        (["show", "nobody"], 8, ["ResourceNotFound", "no endpoint named 'nobody'"]),
        (["logs", "nobody"], 8, ["ResourceNotFound", "nobody"]),
        (["keys", "nobody"], 8, ["ResourceNotFound", "nobody"]),
        (["traffic", "nobody", "blue=100"], 8, ["ResourceNotFound", "nobody"]),
        (["invoke", "nobody"], 8, ["ResourceNotFound", "nobody"]),
        (["delete", "nobody", "--yes"], 8, ["ResourceNotFound", "nobody"]),
        (["delete"], 2, ["name endpoints, or --all"]),
        (["deply"], 2, ["No such command 'deply'", "Did you mean 'deploy'?"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and "Bad" not in value[0] else None,
)
def test_every_verb_says_what_it_lacks(
    environ: Environ, steady: str, tmp_path: Path, words: list[str], code: int, told: list[str]
) -> None:
    failed = amlemu(environ, *words, cwd=tmp_path, code=code)
    for part in told:
        assert part in failed.stderr, f"{part!r} is not in {failed.stderr}"
    assert failed.stdout == ""


def test_bad_settings_are_told_with_their_place(environ: Environ, tmp_path: Path) -> None:
    assert "AMLEMU_PORT: 'eighty'" in amlemu({**environ, "AMLEMU_PORT": "eighty"}, "list", code=2).stderr
    assert "AMLEMU_ENGINE: 'steam'" in amlemu({**environ, "AMLEMU_ENGINE": "steam"}, "list", code=2).stderr
    (tmp_path / "amlemu.toml").write_text("prot = 1\n")
    told = amlemu(environ, "list", cwd=tmp_path, code=2).stderr
    assert "amlemu.toml" in told
    assert "prot" in told


# --- ports that others have ------------------------------------------------------------------------------------------


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which a program listens that speaks no HTTP."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


def test_a_taken_endpoint_port_is_told(environ: Environ, undisturbed: str, folder: Path, taken: int) -> None:
    words = ("deploy", "--name", "no-port", "--entry", project(folder), "--port", str(taken))
    told = amlemu(environ, *words, code=2).stderr
    assert "BadArgument" in told
    assert str(taken) in told
    amlemu(environ, "show", "no-port", code=8)
    other = json_of(environ, "show", undisturbed)["port"]
    words = ("deploy", "--name", "no-port", "--entry", project(folder), "--port", str(other))
    assert f"port {other} belongs to endpoint '{undisturbed}'" in amlemu(environ, *words, code=2).stderr


@pytest.mark.parametrize("variable", ["AMLEMU_PORT", "AMLEMU_GATEWAY_PORT"])
def test_a_taken_port_of_the_emulator_is_told(taken: int, variable: str) -> None:
    """In the foreground, and by a command that would start it in the background."""
    with temporary_environ(**{variable: str(taken)}) as environ:
        Path(environ["AMLEMU_HOME"]).mkdir()
        told = amlemu(environ, "up", code=2).stderr
        assert "BadArgument" in told
        assert str(taken) in told
        assert "in use" in told
        told = amlemu(environ, "list", code={"AMLEMU_PORT": 2, "AMLEMU_GATEWAY_PORT": 3}[variable]).stderr
        assert str(taken) in told
        assert "→" in told


def test_doctor_names_a_port_of_another_program(taken: int) -> None:
    with temporary_environ(AMLEMU_GATEWAY_PORT=str(taken)) as environ:
        findings = {finding["name"]: finding for finding in json_of(environ, "doctor")}
        assert findings["emulator"]["ok"] is False
        assert f"used by another program: port {taken}" in findings["emulator"]["found"]


@pytest.mark.parametrize(("status", "body"), [(200, b"hello"), (200, b'{"a": 1}'), (404, b"no such page")])
def test_a_stranger_on_the_control_port_is_no_emulator(status: int, body: bytes) -> None:
    with stranger(status, body) as port, temporary_environ(AMLEMU_PORT=str(port)) as environ:
        Path(environ["AMLEMU_HOME"]).mkdir()
        told = amlemu(environ, "list", code=2).stderr
        assert f"BadArgument: the program that listens at http://127.0.0.1:{port} is not an emulator" in told
        assert "AMLEMU_PORT" in told


@contextmanager
def stranger(status: int, body: bytes) -> Iterator[int]:
    """A web server that is no emulator; its port."""

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the test's output is not for this."""

    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_without_docker_the_docker_engine_is_refused() -> None:
    with temporary_environ("docker", DOCKER_HOST="unix:///nowhere/docker.sock") as environ:
        Path(environ["AMLEMU_HOME"]).mkdir()
        for words in (("up",), ("list",)):
            told = amlemu(environ, *words, code=3).stderr
            assert "EngineUnavailable" in told
            assert "Docker" in told
            assert "→" in told
        assert "no emulator runs" in amlemu(environ, "down").stderr
        findings = {f["name"]: f for f in json_of(environ, "doctor")}
    assert not findings["engine docker"]["ok"]
    assert findings["engine docker"]["hint"]


def test_without_docker_auto_takes_processes_and_says_so() -> None:
    with temporary_environ("auto", DOCKER_HOST="unix:///nowhere/docker.sock") as environ:
        Path(environ["AMLEMU_HOME"]).mkdir()
        told = amlemu(environ, "up", "--detach").stderr
        assert "engine process (no Docker: " in told
        assert json_of(environ, "status")["engine"] == "process"


def test_a_script_that_answers_with_an_error_is_no_bug_of_amlemu(environ: Environ, folder: Path) -> None:
    """A run() that raises is the script's own 500, which the client is told as the cloud tells it."""
    text = INIT + "def run(data):\n    return {}['missing']\n"
    amlemu(environ, "deploy", "--name", "raises", "--entry", project(folder, text))
    told = amlemu(environ, "invoke", "raises", "--data", "{}", code=6).stderr
    first, second = told.splitlines()[-2:]
    assert first.startswith("RequestFailed: KeyError: 'missing' (code/score.py, line 4)  [POST http://")
    assert second == (
        "  → the line is `return {}['missing']`; `amlemu logs raises --deployment blue` prints all that was said"
    )
    assert "x-ms-request-id" not in told, "headers are shown to who asks for them, with -i"
    assert "KeyError: 'missing'" in amlemu(environ, "logs", "raises").stdout
    project(folder, script())
    amlemu(environ, "deploy", "--name", "raises", "--entry", folder / "score.py")
    assert answer_of(environ, "raises")["answer"] == "first"
    amlemu(environ, "delete", "raises", "--yes")
