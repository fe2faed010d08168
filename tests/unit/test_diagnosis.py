"""What logs of real servers say, and what a script's text says before any server runs.

The logs were written by azureml-inference-server-http 0.4.14 and 1.5.1 themselves, with their folders renamed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.diagnosis import (
    MISSING_SERVER,
    Answered,
    Deployed,
    WorkerEnds,
    check_script,
    explain,
    explain_answer,
    explain_start,
    odd_answer,
    worker_ends,
)

LOGS = Path(__file__).parent / "logs"
ROOTS = ("/var/azureml-app", "/home/me/layouts/iris/blue/1")
MODEL_IDS = "Error while fetching model IDs"


def cause_of(log: str) -> str:
    return str(explain((LOGS / f"{log}.log").read_text(encoding="utf-8"), ROOTS))


@pytest.mark.parametrize("server", ["server_0.4", "server_1.5"])
@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (
            "init_raises",
            "FileNotFoundError: [Errno 2] No such file or directory: '/var/azureml-app/azureml-models/model.pkl'"
            " (code/score.py, line 5)",
        ),
        ("import_error", "ModuleNotFoundError: No module named 'no_such_package' (code/score.py, line 2)"),
        ("chained", "RuntimeError: no model in the folder (code/score.py, line 9)"),
        ("init_exits", "SystemExit: 3 (code/score.py, line 5)"),
        ("logged_before", "entry_module.init.<locals>.Bad: local (code/score.py, line 11)"),
    ],
)
def test_both_generations_of_the_server(server: str, log: str, cause: str) -> None:
    assert cause_of(f"{server}.{log}") == cause


def test_a_syntax_error_in_the_words_of_its_python() -> None:
    assert cause_of("server_0.4.syntax_error") == "SyntaxError: invalid syntax (code/score.py, line 6)"
    assert cause_of("server_1.5.syntax_error") == "SyntaxError: '(' was never closed (code/score.py, line 5)"


def test_a_missing_run() -> None:
    assert cause_of("server_0.4.no_run") == "the scoring script does not define run()"
    assert cause_of("server_1.5.no_run") == (
        "UserScriptError: User script at /var/azureml-app/code/score.py does not have a run() function defined."
    )


@pytest.mark.parametrize(
    ("log", "stage"),
    [
        ("server_0.4.init_raises", "init"),
        ("server_1.5.init_raises", "init"),
        ("server_0.4.init_exits", "init"),
        ("server_1.5.init_exits", "init"),
        ("server_0.4.chained", "init"),
        ("server_1.5.logged_before", "init"),
        ("server_0.4.import_error", "import"),
        ("server_1.5.import_error", "import"),
        ("server_0.4.syntax_error", "import"),
        ("server_1.5.syntax_error", "import"),
        ("server_0.4.no_run", "function"),
        ("server_1.5.no_run", "function"),
        ("no_server", "other"),
    ],
)
def test_the_stage_of_a_failed_start(log: str, stage: str) -> None:
    cause = explain((LOGS / f"{log}.log").read_text(encoding="utf-8"), ROOTS)
    assert cause and cause.stage == stage


def test_what_fails_once_init_is_done_is_not_the_import() -> None:
    log = "Users's init has completed successfully\n" + traceback(("/var/azureml-app/code/score.py", 9), end="KeyError")
    cause = explain(log, ROOTS)
    assert cause and (cause.stage, cause.line) == ("other", 9)


def test_a_missing_server() -> None:
    assert cause_of("no_server") == MISSING_SERVER


def test_the_servers_own_trouble_with_versions_is_never_the_cause() -> None:
    logs = [path for path in LOGS.glob("server_1.5.*.log") if MODEL_IDS in path.read_text(encoding="utf-8")]
    assert len(logs) >= 5
    for path in logs:
        assert "invalid literal for int()" not in cause_of(path.name.removesuffix(".log"))
    alone = (LOGS / "server_1.5.no_run.log").read_text(encoding="utf-8").partition("azmlinfsrv - Traceback")[0]
    assert MODEL_IDS in alone
    assert explain(alone, ROOTS) is None


def traceback(*frames: tuple[str, int], end: str) -> str:
    lines = [f'  File "{file}", line {line}, in init\n    code()\n' for file, line in frames]
    return "Traceback (most recent call last):\n" + "".join(lines) + end + "\n"


def test_the_last_frame_of_the_users_own_code_is_named() -> None:
    inner = "/azureml-envs/amlemu/lib/python3.11/site-packages/joblib/numpy_pickle.py"
    frames = ("/var/azureml-app/code/score.py", 5), ("/var/azureml-app/code/help/load.py", 9), (inner, 600)
    assert str(explain(traceback(*frames, end="KeyError: 0"), ROOTS)) == "KeyError: 0 (code/help/load.py, line 9)"


def test_packages_below_the_code_folder_are_not_the_users_code() -> None:
    vendored = "/var/azureml-app/code/lib/site-packages/x.py"
    frames = ("/var/azureml-app/code/score.py", 5), (vendored, 1)
    assert str(explain(traceback(*frames, end="ValueError"), ROOTS)) == "ValueError (code/score.py, line 5)"


def test_the_layout_of_the_process_engine_is_user_code_too() -> None:
    log = traceback(("/home/me/layouts/iris/blue/1/code/score.py", 3), end="OSError: gone")
    assert str(explain(log, ROOTS)) == "OSError: gone (code/score.py, line 3)"
    assert explain(log, ("/home/me/layouts/iris/blue",)) is not None
    assert explain(log, ("/home/me/layouts/iris/blu",)) is None, "a folder, not a beginning of letters"


@pytest.mark.parametrize("log", ["", "Killed\n", "Traceback (most recent call last):\n", "Traceback (most recent call"])
def test_a_log_without_a_cause(log: str) -> None:
    assert explain(log, ROOTS) is None


def test_a_traceback_that_was_cut_off_is_none() -> None:
    log = traceback(("/var/azureml-app/code/score.py", 5), end="").rstrip()
    assert explain(log, ROOTS) is None


DEPLOYED = Deployed(
    "taxi",
    "blue",
    "managed",
    ROOTS,
    files=("azureml-models/taxi/1/model/model.pkl", "code/score.py"),
    models=("taxi:1",),
    variables={
        "AML_APP_ROOT": "/var/azureml-app/code",
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models/taxi/1",
    },
    environment="conda.yml",
)


@pytest.mark.parametrize("server", ["server_0.4", "server_1.5"])
def test_the_next_step_for_both_generations_of_the_server(server: str) -> None:
    lines = (LOGS / f"{server}.init_raises.log").read_text(encoding="utf-8").splitlines()
    told = explain_start(lines, DEPLOYED)
    assert told and 'os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "model.pkl")' in told.hint
    assert "`amlemu tree taxi --deployment blue`" in told.hint


IRIS = Deployed(
    "iris",
    "blue",
    "managed",
    ROOTS,
    files=("code/score.py", "code/lib/load.py", "azureml-models/m/1/lib/lib.py", "azureml-models/m/1/data/lib.bin"),
    models=("m:1",),
    variables={
        "AML_APP_ROOT": "/var/azureml-app/code",
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models/m/1",
    },
)


def told_of(exception: str) -> str:
    """The cause and the hint for an exception of the script's import, in a container with IRIS's files."""
    log = traceback(("/var/azureml-app/code/score.py", 3), end=exception).replace("    code()\n", "")
    found = explain_start(log.splitlines(), IRIS)
    assert found is not None
    return f"{found} → {found.hint}"


def test_a_missing_submodule_of_the_users_package_is_named() -> None:
    told = told_of("ModuleNotFoundError: No module named 'lib.missing'")
    assert "/var/azureml-app/code/lib has no lib.missing" in told
    assert "an installed package named lib goes before" in told
    assert "sys.path" not in told


def test_a_path_is_compared_from_its_end() -> None:
    told = told_of("FileNotFoundError: [Errno 2] No such file or directory: 'data/lib.bin'")
    assert '"data", "lib.bin")' in told


def test_a_file_that_exists_is_not_looked_for() -> None:
    told = told_of("FileExistsError: [Errno 17] File exists: '/var/azureml-app/code/scores.py'")
    assert "nearest" not in told


@pytest.mark.parametrize(
    ("exception", "why"),
    [
        ("socket.gaierror: [Errno -2] Name or service not known", "that host's name is not known"),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", "that host's name is not known"),
        ("ConnectionError: host='hostname' port=80: Connection refused", "what the script calls does not answer"),
    ],
)
def test_a_host_without_a_name_is_told_from_one_that_does_not_answer(exception: str, why: str) -> None:
    assert why in told_of(exception)


@pytest.mark.parametrize(
    "exception",
    [
        "KeyError: 'IDENTITY_ENDPOINT'",
        "azure.core.exceptions.ClientAuthenticationError: DefaultAzureCredential failed to retrieve a token",
        "azure.identity._exceptions.CredentialUnavailableError: ManagedIdentityCredential authentication unavailable",
    ],
)
def test_a_managed_identity_that_is_not_there_is_named(exception: str) -> None:
    told = told_of(exception)
    assert "the container has no managed identity here" in told
    assert "--env AZURE_CLIENT_SECRET" in told


def test_a_name_whose_line_is_unknown_has_a_hint_all_the_same() -> None:
    assert "prints all that was said" in told_of("NameError: name 'pd' is not defined")


def test_a_model_of_another_scikit_learn() -> None:
    """scikit-learn only warns of it, as the model is loaded; what fails is something else, later."""
    log = (LOGS / "server_1.5.another_scikit_learn.log").read_text(encoding="utf-8").splitlines()
    answered = Answered(424, 500, "model_error", '{"message": "… Check the logs for more info."}')
    told = explain_answer(answered, DEPLOYED, log, WorkerEnds(0), None)
    assert str(told).startswith("AttributeError: 'LogisticRegression' object has no attribute")
    assert "the model was saved with scikit-learn 0.24.2, and the environment has 1.9.1" in str(told)
    assert "pin scikit-learn==0.24.2 in conda.yml" in told.hint


@pytest.mark.parametrize(
    ("lines", "count", "how"),
    [
        (["Booting worker with pid: 3"], 0, ""),
        # gunicorn 20, of the servers of 2021: it names signals by their number, and no codes at all
        (["Worker with pid 3 was terminated due to signal 11"], 1, "SIGSEGV"),
        ([f"Booting worker with pid: {pid}" for pid in range(3, 7)], 3, ""),
        (["E [2] gunicorn.error - Worker (pid:3) was sent SIGKILL! Perhaps out of memory?"] * 2, 2, "SIGKILL"),
        (["E [2] gunicorn.error - Worker (pid:3) exited with code 7."], 1, "code 7"),
        (["Worker (pid:3) was sent SIGTERM!"], 0, ""),
    ],
    ids=["none", "gunicorn 20 signal", "gunicorn 20 code", "killed", "code", "ended by amlemu"],
)
def test_workers_that_ended(lines: list[str], count: int, how: str) -> None:
    ends = worker_ends(lines, 1, ROOTS)
    assert (ends.count, ends.how) == (count, how)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'"{\\"a\\": 1}"', "quoted string"),
        (b'"[1, 2]"', "quoted string"),
        (b"NaN", "NaN"),
        (b'{"p": NaN}', "NaN"),
        (b'"hello"', None),
        (b'"1"', None),
        (b'{"a": "NaN"}', None),
        (b"[1]", None),
    ],
)
def test_answers_that_are_no_error_and_odd_all_the_same(body: bytes, told: str | None) -> None:
    found = odd_answer("application/json", body)
    assert (told in str(found)) if told else found is None
    assert odd_answer("text/plain", body) is None


GOOD = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"


@pytest.mark.parametrize(
    "source",
    [
        GOOD,
        "from model import init, run\n",
        "from model import prepare as init\nfrom model import score as run\n",
        "from model import *\n",
        "async def init():\n    pass\n\n\nasync def run(data):\n    return data\n",
        "class Scorer:\n    def init(self): ...\n    def run(self, data): ...\n\n\ns = Scorer()\n"
        "init, run = s.init, s.run\n",
        "init = run = print\n",
        "init: object = print\nrun: object = print\n",
        "try:\n    from fast import init\nexcept ImportError:\n    def init(): ...\nif True:\n    run = print\n",
        "with open('x') as run:\n    pass\nfor init in ():\n    pass\n",
        "globals().update(init=print, run=print)\n",
        "def bind():\n    global init, run\n    init = run = print\n\n\nbind()\n",
        "def bind():\n    globals()['init'] = globals()['run'] = print\n\n\nbind()\n",
        "exec(open('rest.py').read())\n",
        "class run:\n    pass\n\n\ndef init():\n    pass\n",
        "# -*- coding: utf-8 -*-\n" + GOOD,
    ],
)
def test_scripts_that_may_work(source: str) -> None:
    assert check_script(source, "score.py") is None


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("", "score.py does not define init() and run()"),
        ("def init():\n    pass\n", "score.py does not define run()"),
        ("def run(data):\n    pass\n", "score.py does not define init()"),
        ("import init.run\n", "score.py does not define run()"),
        ("class Scorer:\n    def init(self): ...\n    def run(self, data): ...\n",
         "score.py does not define init() and run()"),
        ("def outer():\n    def init(): ...\n    def run(data): ...\n", "score.py does not define init() and run()"),
        ("print(init, run)\n", "score.py does not define init() and run()"),
        ("def init(:\n", "SyntaxError: invalid syntax (score.py, line 1)"),
        ("def init():\npass\n", "(score.py, line 2)"),
    ],
)  # fmt: skip
@pytest.mark.row("script.syntax", "script.functions")
def test_scripts_that_cannot(source: str, told: str) -> None:
    assert told in str(check_script(source, "score.py"))


def test_a_zero_byte_is_told_without_an_invented_line() -> None:
    told = str(check_script("a = 1\0", "score.py"))
    assert "null byte" in told
    assert "None" not in told
