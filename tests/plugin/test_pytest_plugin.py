"""The pytest plug-in, as a user's suite has it: a pytest of its own, an emulator of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from amlemu_process import amlemu, json_of, until
from users_suite import Suite

KEY = "the-key-of-this-test"

DAY_TO_DAY = """
import pathlib, pytest, requests
from emulator.errors import EmulatorError, ResourceNotReady

def test_scores(amlemu_endpoint):
    endpoint = ENDPOINT
    assert endpoint.invoke({"data": [[1, 2]]}).json() == [3]

def test_the_same_call_is_the_same_endpoint(amlemu_endpoint):
    endpoint = ENDPOINT
    assert endpoint is ENDPOINT
    assert len(endpoint.requests()) == 1 and any("init has read" in line for line in endpoint.logs())
    assert endpoint.swagger()["swagger"] == "2.0" and endpoint.swagger(version=3)["openapi"].startswith("3.")
    assert endpoint.requests()[-1]["Path"] == "/swagger.json"
    assert endpoint.differences and endpoint.auth_mode == "key" and endpoint.key not in repr(endpoint)
    assert requests.post(endpoint.scoring_uri, json={"data": []}, timeout=9).status_code == 401
    assert endpoint.invoke(b'{"data": []}', headers={"Authorization": None}).status_code == 401
    assert endpoint.invoke({"data": []}, method="put").status_code == 405

def test_another_file_or_fresh_is_another_endpoint(amlemu_endpoint):
    first = ENDPOINT
    model = pathlib.Path(__file__).with_name("model.json")
    model.write_text('{"bias": 10}')
    second = ENDPOINT
    assert second is not first and second.invoke('{"data": [[1]]}').json() == [11]
    assert second.document["deployments"][0]["models"] == ["my_model:2"]

def test_blue_and_green(amlemu_endpoint):
    with amlemu_endpoint(fresh=True, file="deployment.yml", environment="requirements.txt",
                         environment_variables={"A": 1}, set={"instance_count": 1}) as endpoint:
        assert endpoint.name.startswith("of-the-file-")
        endpoint.deploy(entry="src/score.py", deployment="blue", models={"m": {"path": "model.json"}},
                        environment="requirements.txt", request_settings={"request_timeout_ms": 1000})
        endpoint.update_traffic({"blue": 100})
        assert endpoint.invoke({"data": [[1]]}).headers["azureml-model-deployment"] == "blue"
        assert endpoint.invoke({"data": [[1]]}, deployment="green").headers["azureml-model-deployment"] == "green"
    with pytest.raises(EmulatorError):
        endpoint.refresh()

def test_a_failure_can_be_expected(amlemu_endpoint, tmp_path):
    (tmp_path / "score.py").write_text("import not_there\\ndef init(): pass\\ndef run(data): pass\\n")
    with pytest.raises(ResourceNotReady, match="not_there"):
        amlemu_endpoint(entry=tmp_path / "score.py", environment="requirements.txt")

def test_fails(amlemu_endpoint):
    endpoint = amlemu_endpoint(name="named", entry="src/score.py", source_dir="src", models={"my_model": "model.json"},
                               environment="requirements.txt", primary_key="-".join(["the-key", "of-this-test"]))
    assert endpoint.invoke({"data": [[1, 2]]}).json() == ["wrong"]

def test_does_not_start(amlemu_endpoint, tmp_path):
    (tmp_path / "score.py").write_text("def init():\\n    raise ValueError('no luck')\\ndef run(data): pass\\n")
    amlemu_endpoint(entry=tmp_path / "score.py", environment="requirements.txt")

def test_has_no_such_option(amlemu_endpoint):
    amlemu_endpoint(entry="src/score.py", enviroment="requirements.txt")

def test_has_no_such_script(amlemu_endpoint):
    amlemu_endpoint(entry="src/scores.py")
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that outlives runs, so that they find the environment again."""
    return tmp_path_factory.mktemp("kept") / "home"


def test_a_suite_of_a_user(tmp_path: Path) -> None:
    suite = Suite(tmp_path)
    suite.write("test_day.py", DAY_TO_DAY)
    ran = suite.run()
    fails = {"test_fails", "test_does_not_start", "test_has_no_such_option", "test_has_no_such_script"}
    assert {name: outcome == "failed" for name, outcome in ran.outcomes.items()} == {
        name: name in fails for name in ran.outcomes
    }, ran.output
    assert len(ran.outcomes) == 9
    _check_what_failures_say(ran.output)
    assert suite.processes() == [] and list(suite.temporary.glob("amlemu-*")) == []


def _check_what_failures_say(output: str) -> None:
    assert "amlemu: log of named/blue" in output and "run was asked" in output
    assert KEY not in output and "the script knows the key ***" in output
    assert '"ResponseCode": 200' in output.partition("amlemu: requests to named")[2]
    assert "ResourceNotReady: ValueError: no luck" in output
    assert "amlemu_endpoint has no option 'enviroment'; did you mean 'environment'?" in output
    assert "BadArgument: the scoring script 'src/scores.py'" not in output  # told with its whole path
    assert "src/scores.py' does not exist" in output
    for frame in ("def _make", "def deploy_plan", "raise from_dict"):
        assert frame not in output
    assert "ResourceWarning" not in output


SHARED = """
import os, pathlib, time, pytest

def note(file, text):
    with pathlib.Path(__file__).with_name(file).open("a") as f:
        f.write(f"{text}\\n")

@pytest.mark.parametrize("number", range(4))
def test_one_of_several(amlemu_endpoint, amlemu_emulator, worker_id, number):
    endpoint = ENDPOINT
    note("seen.txt", f"{worker_id} {amlemu_emulator.url} {endpoint.name}")
    assert endpoint.invoke({"data": [[number]]}).json() == [number]
    until_others_have_begun(worker_id)

def until_others_have_begun(worker_id):
    deadline = time.monotonic() + 60
    while len({line.split()[0] for line in pathlib.Path("seen.txt").read_text().splitlines()}) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
"""


def test_processes_of_xdist_share_one_emulator(tmp_path: Path, home: Path) -> None:
    suite = Suite(tmp_path)
    suite.write("test_shared.py", SHARED)
    ran = suite.run("-n", "4", "--maxprocesses", "2", "-o", f"amlemu_home={home}")
    assert set(ran.outcomes.values()) == {"passed"} and len(ran.outcomes) == 4, ran.output
    seen = [line.split() for line in suite.said("seen.txt")]
    workers, urls, names = (set(column) for column in zip(*seen, strict=True))
    assert (len(workers), len(urls), len(names)) == (2, 1, 2)
    assert suite.processes() == [] and list(suite.temporary.glob("amlemu-*")) == []


WAITS = """
import pathlib, time

def test_waits(amlemu_endpoint):
    endpoint = ENDPOINT
    pathlib.Path("deployed.txt").write_text(endpoint.name)
    time.sleep(100)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_is_left_of_a_run_that_is_ended(tmp_path: Path, home: Path, number: signal.Signals) -> None:
    suite = Suite(tmp_path)
    suite.write("test_waits.py", WAITS)
    with suite.running("-o", f"amlemu_home={home}") as process:
        until(lambda: suite.said("deployed.txt") or process.poll() is not None, "the endpoint is there", 60)
        assert process.poll() is None, suite.said("output.txt")
        assert len(suite.processes(home)) > 1
        os.killpg(process.pid, number)
        process.wait(30)
        suite.until_nothing_is_left(home)
    assert list((home / "endpoints").iterdir()) == []


def test_what_is_kept_serves_the_next_run(tmp_path: Path, home: Path) -> None:
    """With --amlemu-keep the emulator goes on; a run with its URL deletes its own endpoints and nothing else."""
    suite = Suite(tmp_path)
    suite.write("test_one.py", "def test_one(amlemu_endpoint):\n    assert ENDPOINT.invoke({'data': [[1]]}).ok\n")
    kept = suite.run("--amlemu-keep", "-o", f"amlemu_home={home}")
    assert kept.outcomes == {"test_one": "passed"}, kept.output
    assert f"export AMLEMU_HOME={home}" in kept.output
    shell = suite.environ | {"AMLEMU_HOME": str(home)}
    try:
        before = json_of(shell, "list")
        url = json_of(shell, "status")["url"]
        suite.environ |= {"AMLEMU_URL": url, "AMLEMU_TOKEN": amlemu(shell, "token").stdout.strip()}
        assert len(before) == 1 and suite.run().outcomes == {"test_one": "passed"}
        assert [e["name"] for e in json_of(shell, "list")] == [before[0]["name"]]
    finally:
        amlemu(shell, "down")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--amlemu-engine", "banana"), "'banana' is not one of: auto, docker, process"),
        (("--amlemu-url", "http://127.0.0.1:9"), "EngineUnavailable: no emulator answers at http://127.0.0.1:9"),
        (("-o", "amlemu_url=http://127.0.0.1:9"), "EngineUnavailable: no emulator answers at http://127.0.0.1:9"),
    ],
)
def test_an_emulator_that_cannot_be_had(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    suite = Suite(tmp_path)
    suite.write("test_one.py", "def test_one(amlemu_endpoint):\n    ENDPOINT\n")
    ran = suite.run(*words)
    assert ran.outcomes == {"test_one": "error"} and told in ran.output, ran.output
    assert "INTERNALERROR" not in ran.output and "Traceback" not in ran.output


def test_a_suite_without_the_fixtures_loads_nothing_of_amlemu(tmp_path: Path) -> None:
    suite = Suite(tmp_path)
    suite.write(
        "test_nothing.py",
        """
        import sys
        def test_nothing():
            ours = {name for name in sys.modules if name.split(".")[0] == "emulator"}
            assert ours == {"emulator", "emulator.pytest_plugin"}
        """,
    )
    ran = suite.run()
    assert ran.outcomes == {"test_nothing": "passed"}, ran.output
    assert list(suite.temporary.glob("amlemu-*")) == []


def test_loading_it_takes_next_to_no_time() -> None:
    """Beside pytest itself, which is there already."""
    code = "import time, pytest; b = time.perf_counter(); import emulator.pytest_plugin; print(time.perf_counter() - b)"
    times = [float(subprocess.check_output([sys.executable, "-c", code], text=True)) for _ in range(3)]
    assert min(times) < 0.05


@pytest.mark.docker
def test_on_docker(tmp_path: Path) -> None:
    suite = Suite(tmp_path)
    suite.write(
        "test_one.py",
        """
        import pathlib

        def test_one(amlemu_endpoint, amlemu_emulator):
            endpoint = ENDPOINT
            pathlib.Path("name.txt").write_text(endpoint.name)
            assert amlemu_emulator.engine == "docker"
            assert endpoint.invoke({"data": [[1]]}).json() == [1]
            assert 0
        """,
    )
    ran = suite.run("--amlemu-engine", "docker")
    assert ran.outcomes == {"test_one": "failed"}, ran.output
    assert "assert 0" in ran.output and "run was asked" in ran.output
    listed = subprocess.check_output(["docker", "ps", "-a", "--format", "{{.Names}}"], text=True)
    assert suite.said("name.txt")[0] not in listed
    assert suite.processes() == [] and list(suite.temporary.glob("amlemu-*")) == []
