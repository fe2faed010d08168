"""What logs of real servers say, and what a script's text says before any server runs.

The logs were written by azureml-inference-server-http 0.4.14 and 1.5.1 themselves, with their folders renamed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.diagnosis import MISSING_SERVER, check_script, explain

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
        ("chained", "RuntimeError: no model (code/score.py, line 9)"),
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
def test_what_of_a_start_failed(log: str, stage: str) -> None:
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
