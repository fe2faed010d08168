"""The process engine: the contract of every engine, and what only processes of this machine have."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from engine_contract import (
    LAUNCHER,
    MANAGED_VARIABLES,
    SERVER,
    EngineContract,
    Listener,
    answers,
    ask,
    build,
    container_spec,
    ended,
    managed_layout,
    new_spec,
    no_code_spec,
    ready,
    temporary_engine,
    until,
)

from emulator.containers.data_collection import SINK_FOLDER, SINK_PROGRAM, SINK_VARIABLE
from emulator.containers.spec import APP_ROOT
from emulator.difference import texts
from emulator.engines import Container
from emulator.engines.packaging.python_packages import HostPackaging, read_host_packaging
from emulator.engines.process.containers import ContainerRecord, Containers
from emulator.engines.process.engine import ProcessEngine
from emulator.engines.process.files import locked
from emulator.engines.process.isolation import (
    Entry,
    Folders,
    Isolation,
    candidates,
    differences,
    environment,
    mounts,
    not_shown,
    without_isolation,
    working_dir,
)
from emulator.engines.process.launch import probe, read_machine
from emulator.engines.process.log import LogLines
from emulator.entities import Environment
from emulator.environments import image_spec
from emulator.errors import BadArgument, EngineUnavailable, OperationCanceled, ResourceNotFound
from emulator.system.os_process import ProcessFacts, is_alive, is_same_process, read_facts, send_signal
from emulator.system.package_files import sink_text
from emulator.system.removal import remove_tree

ROOT = Isolation("root", pid_namespace=True)
USER = Isolation("user", pid_namespace=True)
USER_WITHOUT_PIDS = Isolation("user", pid_namespace=False)
NONE = Isolation("none", pid_namespace=False, reason="not wanted")
SUPERVISOR = Path(probe.__code__.co_filename).with_name("supervisor.py")


@pytest.fixture(scope="module")
def packaging() -> HostPackaging:
    return read_host_packaging(os.environ)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="module")
def connect(packaging: HostPackaging, folder: Path) -> Callable[[str], ProcessEngine]:
    return lambda workspace_id: ProcessEngine(folder, workspace_id, packaging)


class TestProcessesKeepTheContract(EngineContract):
    pass


@pytest.fixture(scope="module")
def image(connect: Callable[[str], ProcessEngine]) -> Iterator[str]:
    with temporary_engine(connect) as engine:
        spec = new_spec(SERVER)
        build(engine, spec)  # type: ignore[arg-type]
        yield spec.digest


Engines = Callable[..., ProcessEngine]


@pytest.fixture
def engines(folder: Path, packaging: HostPackaging) -> Iterator[Engines]:
    """Engines on the one folder, as they are asked for; nothing of them is left afterwards."""
    made: list[ProcessEngine] = []

    def make(*isolations: Isolation, workspace: str = "mine", **options: object) -> ProcessEngine:
        for isolation in isolations:
            if isolation.mode != "none" and (refusal := probe(isolation, read_machine())):
                pytest.skip(f"this machine does not allow {isolation}: {refusal}")
        made.append(ProcessEngine(folder, workspace, packaging, isolations=isolations or None, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for engine in made:
        for container in engine.list_containers():
            engine.remove(container.id, grace_seconds=0)
        engine.close()


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return managed_layout(tmp_path / "layout")


def processes_of(container: Container) -> list[int]:
    """The processes that were started in a container: each has its id as HOSTNAME."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOSTNAME") == container.id and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def supervisor_of(folder: Path, container: Container) -> ProcessFacts:
    return ProcessFacts(**json.loads((folder / "containers" / container.id / "process.json").read_text()))


# --- isolation -------------------------------------------------------------------------------------------------------

LOOK_AROUND = """
import getpass, json, os, subprocess

def init():
    pass

def run(body):
    return {
        "uid": os.getuid(),
        "name": getpass.getuser(),
        "capabilities": [line.split()[1] for line in open("/proc/self/status") if line.startswith("Cap")],
        "root": os.listdir("/"),
        "homes": os.listdir("/home"),
        "tmp": os.listdir("/tmp"),
        "first": open("/proc/1/cmdline").read(),
        "server": os.path.exists(f"/proc/{os.getppid()}/status"),
        "model": os.listdir(os.environ["AZUREML_MODEL_DIR"]),
        "folder": os.environ["AZUREML_CONDA_ENVIRONMENT_PATH"],
        "variables": dict(os.environ),
        "cwd": os.getcwd(),
        "tool": subprocess.run(["azmlinfsrv", "--help"], capture_output=True, text=True).stdout[:6],
        "changed": subprocess.run(["touch", "/etc/x", "/usr/x", "/var/lib/x", os.environ["HOME"]]).returncode,
    }
"""


@pytest.mark.parametrize("isolation", [ROOT, USER, USER_WITHOUT_PIDS], ids=str)
def test_a_container_is_apart_from_the_machine(
    engines: Engines, image: str, tmp_path: Path, isolation: Isolation
) -> None:
    had_app_root = Path(APP_ROOT).exists()
    layout = managed_layout(tmp_path / "layout", LOOK_AROUND)
    container = ready(engines(isolation), container_spec(image, layout))
    seen = ask(container, {})
    assert (seen["uid"], seen["name"]) == (1000, "dockeruser")
    assert set(seen["capabilities"]) == {"0" * 16}
    assert not set(seen["root"]) & {"mnt", "media", "srv", "boot"}
    assert seen["homes"] == ["dockeruser"]
    assert not [name for name in seen["tmp"] if not name.startswith("wgunicorn")]
    assert seen["server"]
    assert ("supervisor.py" in seen["first"]) == isolation.pid_namespace
    assert seen["model"] == ["model.txt"]
    assert seen["folder"] == "/azureml-envs/amlemu"
    assert seen["tool"] == "usage:"
    assert seen["changed"] != 0
    assert Path(APP_ROOT).exists() == had_app_root


def test_without_namespaces_paths_are_rewritten_and_it_is_said(engines: Engines, image: str, tmp_path: Path) -> None:
    script = LOOK_AROUND.replace('os.listdir("/home")', "[]").replace(
        '"touch", "/etc/x", "/usr/x", "/var/lib/x",', '"test", "-w",'
    )
    layout = managed_layout(tmp_path / "layout", script)
    variables = MANAGED_VARIABLES | {"PYTHONPATH": f"{APP_ROOT}/code:{APP_ROOT}", "OTHER": "/var/azureml-apple"}
    container = ready(engines(NONE), container_spec(image, layout, environment_variables=variables))
    seen = ask(container, {})
    assert seen["uid"] == os.getuid()
    assert seen["cwd"] == f"{layout}/code"
    assert seen["model"] == ["model.txt"]
    assert seen["variables"]["PYTHONPATH"] == f"{layout}/code:{layout}"
    assert seen["variables"]["OTHER"] == "/var/azureml-apple"
    assert Path(seen["variables"]["HOME"]).is_dir()
    assert Path(seen["variables"]["TMPDIR"]).is_dir()
    assert seen["changed"] == 0
    assert any(f"no private {APP_ROOT} (not wanted)" in difference for difference in texts(container.differences))


def test_without_namespaces_the_images_own_script_is_found(engines: Engines, folder: Path, layout: Path) -> None:
    engine, spec = engines(NONE), new_spec(SERVER, no_code="mlflow")
    build(engine, spec)  # type: ignore[arg-type]
    seen = ask(ready(engine, no_code_spec(spec.digest, layout)), {})
    assert "mlflow_score_script.py" in seen["files"]
    assert seen["cwd"] == seen["variables"]["AML_APP_ROOT"] == str(folder / "environments" / spec.digest)


def test_two_containers_see_their_own_files(engines: Engines, image: str, tmp_path: Path) -> None:
    engine = engines()
    specs = [container_spec(image, managed_layout(tmp_path / name)) for name in ("one", "two")]
    for spec in specs:
        Path(spec.layout, "code", f"of_{Path(spec.layout).name}").touch()
    containers = [ready(engine, spec) for spec in specs]
    assert [ask(container, {})["files"] for container in containers] == [["of_one", "score.py"], ["of_two", "score.py"]]
    assert containers[0].port != containers[1].port


def test_a_supervisor_that_has_written_its_exit_code_is_not_measured(tmp_path: Path) -> None:
    containers = Containers(tmp_path, "mine")
    id, folder = containers.create_folder(for_container_user=False)
    containers.write(ContainerRecord(id, "mine", "blue", "sha256:1", {}, 5001, pid_namespace=False, differences=()))
    facts = read_facts(os.getpid())
    assert facts is not None
    containers.write_process(id, facts)
    assert containers.supervisors([id]) == {id: os.getpid()}
    (folder / "exit.json").write_text('{"exit_code": 3}')
    assert containers.supervisors([id]) == {}


def test_variables_are_in_no_file_and_no_command_line(engines: Engines, image: str, layout: Path, folder: Path) -> None:
    secret = "a-secret-of-the-deployment"
    variables = MANAGED_VARIABLES | {"CONNECTION": secret}
    container = ready(engines(), container_spec(image, layout, environment_variables=variables))
    assert ask(container, {})["variables"]["CONNECTION"] == secret
    files = [path for path in (folder / "containers" / container.id).rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    assert not [p.pid for p in psutil.process_iter(["cmdline"]) if secret in " ".join(p.info["cmdline"] or ())]


def test_proxies_and_tokens_of_the_emulator_stay_outside() -> None:
    spec = container_spec("i", Path("/layout"), environment_variables={"A": "b"})
    variables = environment(ROOT, Folders("/own", "/env", "/layout"), {}, (), spec, 5099)
    assert set(variables) == {
        "PATH", "LANG", "TZ", "HOME", "HOSTNAME", "AZUREML_CONDA_ENVIRONMENT_PATH", "PYTHONUNBUFFERED", "A",
        "AMLEMU_HOST", "AMLEMU_PORT",
    }  # fmt: skip


def test_root_keeps_its_user_where_uid_1000_could_not_read() -> None:
    assert candidates("linux", 0, readable_by_all=True)[0] == ROOT
    assert {isolation.mode for isolation in candidates("linux", 0, readable_by_all=False)} == {"user"}
    assert {isolation.mode for isolation in candidates("linux", 1000, readable_by_all=True)} == {"user"}
    assert candidates("darwin", 0, readable_by_all=True)[0].mode == "none"


def test_what_the_machine_refuses_is_said_once() -> None:
    assert without_isolation(["unshare: no", "mount: no", "unshare: no"]) == replace(
        NONE, reason="unshare: no; mount: no"
    )


def test_only_folders_of_the_system_are_shown() -> None:
    machine = [
        Entry("/usr"),
        Entry("/bin", "usr/bin"),
        Entry("/home"),
        Entry("/data"),
        Entry("/var/lib"),
        Entry(APP_ROOT),
    ]
    steps = mounts(USER, Folders("/own", "/env", "/layout", ("/home/me/python",)), machine)
    shown = {step["path"].removeprefix("/own/root"): step.get("source") for step in steps}
    assert shown["/usr"] == "/usr"
    assert shown["/bin"] == "usr/bin"
    assert shown["/home/me/python"] == "/home/me/python"
    assert shown[APP_ROOT] == "/layout"
    assert not shown.keys() & {"/home", "/data"}
    assert not_shown(("/usr/lib/jvm", "/home/me/python", "/var/x", "/opt/conda", "/home/me/python")) == (
        "/home/me/python",
    )


def test_what_a_container_hands_over_has_a_folder_that_it_may_write_to() -> None:
    steps = mounts(USER, Folders("/own", "/env", "/layout", sink="/sinks/0"), [])
    order = [(step["kind"], step["path"]) for step in steps]
    place = f"/own/root{SINK_FOLDER}"
    assert {"kind": "bind", "source": "/sinks/0", "path": place} in steps
    assert order.index(("folder", place)) < order.index(("readonly", "/own/root")) < order.index(("bind", place))
    spec = container_spec(
        "i",
        Path("/layout"),
        sink="/sinks/0",
        environment_variables={"AMLEMU_SINK": SINK_FOLDER, "P": f"{SINK_FOLDER}/x"},
    )
    given = environment(NONE, Folders("/own", "/env", "/layout", sink="/sinks/0"), {}, (), spec, 5099)
    assert (given["AMLEMU_SINK"], given["P"]) == ("/sinks/0", "/sinks/0/x")


@pytest.mark.row("mlflow.script")
def test_the_script_of_mlflow_models_is_where_the_image_has_it() -> None:
    place = "/var/mlflow_resources/mlflow_score_script.py"
    folders = Folders("/own", "/env", "/layout", mlflow_script=True)
    shown = {step["path"].removeprefix("/own/root"): step.get("source") for step in mounts(USER, folders, [])}
    assert shown[place] == "/env/mlflow_score_script.py"
    assert place not in {step["path"].removeprefix("/own/root") for step in mounts(USER, Folders("/o", "/e", "/l"), [])}
    variables = {"AML_APP_ROOT": "/var/mlflow_resources", "AZUREML_MODEL_DIR": f"{APP_ROOT}/azureml-models/m/1"}
    spec = container_spec("i", Path("/layout"), environment_variables=variables)
    spec = replace(spec, working_dir="/var/mlflow_resources")
    assert working_dir(USER, folders, spec) == "/var/mlflow_resources"
    assert working_dir(NONE, folders, spec) == "/env"
    seen = environment(NONE, folders, {}, (), spec, 5001)
    assert (seen["AML_APP_ROOT"], seen["AZUREML_MODEL_DIR"]) == ("/env", "/layout/azureml-models/m/1")


def test_what_is_asked_and_not_enforced_is_a_difference() -> None:
    spec = container_spec("i", Path("/layout"), memory_bytes=512 * 2**20, cpus=1.5, pids_limit=100)
    said = texts(differences(ROOT, spec, "me", 5099))
    assert [part for part in ("512 MiB", "1.5 CPUs", "disk space") if not any(part in d for d in said)] == []
    assert not any("100 processes" in difference for difference in said), "it is enforced"
    assert any("100 processes" in difference for difference in texts(differences(NONE, spec, "me", 5099)))
    assert len(differences(ROOT, container_spec("i", Path("/layout")), "me", 5099)) == 2
    assert any("user me" in difference for difference in texts(differences(USER, spec, "me", 5099)))


# --- life and death --------------------------------------------------------------------------------------------------

DAEMON = """
import os, signal, sys, time

def init():
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.execvp("sleep", ["sleep", "600"])

def run(body):
    return 1
"""


@pytest.mark.parametrize("isolation", [ROOT, USER, USER_WITHOUT_PIDS, NONE], ids=str)
def test_a_daemon_ends_with_its_container(engines: Engines, image: str, tmp_path: Path, isolation: Isolation) -> None:
    engine = engines(isolation)
    container = ready(engine, container_spec(image, managed_layout(tmp_path / "layout", DAEMON)))
    assert until(lambda: len(processes_of(container)) >= 3)  # it may be between its fork and its exec
    engine.remove(container.id)
    assert processes_of(container) == []


@pytest.mark.parametrize("isolation", [ROOT, USER, USER_WITHOUT_PIDS, NONE], ids=str)
def test_nothing_outlives_a_killed_supervisor(
    engines: Engines, image: str, tmp_path: Path, folder: Path, isolation: Isolation
) -> None:
    engine = engines(isolation)
    container = ready(engine, container_spec(image, managed_layout(tmp_path / "layout", DAEMON)))
    os.kill(supervisor_of(folder, container).pid, signal.SIGKILL)
    assert ended(engine, container).exit_code == 137
    if isolation.pid_namespace:
        assert until(lambda: processes_of(container) == [], 5)
    assert f"container {container.name}" in engine.prune(frozenset({image}))
    assert processes_of(container) == []
    assert engine.list_containers() == []


SENDING = """
import json, os, urllib.request

def init():
    pass

def run(body):
    where = f"http://127.0.0.1:{os.environ['AZUREML_MDC_PORT']}/v2/track"
    with urllib.request.urlopen(urllib.request.Request(where, b'[{"mine": 1}]')) as answer:
        return json.load(answer)
"""


@pytest.mark.parametrize("isolation", [ROOT, USER, USER_WITHOUT_PIDS, NONE], ids=str)
def test_a_container_hands_over_what_it_sends(
    engines: Engines, image: str, tmp_path: Path, isolation: Isolation
) -> None:
    engine, sink = engines(isolation), tmp_path / "sinks"
    sink.mkdir()
    sink.chmod(0o777)
    (sink / SINK_PROGRAM).write_text(sink_text())
    variables = {**MANAGED_VARIABLES, SINK_VARIABLE: SINK_FOLDER}
    layout = managed_layout(tmp_path / "layout", SENDING)
    spec = container_spec(image, layout, sink=str(sink), environment_variables=variables)
    container = ready(engine, spec)
    assert ask(container, {})["itemsAccepted"] == 1
    assert until(lambda: any(sink.glob("*.jsonl")))
    assert [json.loads(file.read_text())["items"] for file in sink.glob("*.jsonl")] == [[{"mine": 1}]]
    engine.remove(container.id)
    assert processes_of(container) == []


def test_a_server_that_will_not_end_is_killed_after_the_grace(engines: Engines, image: str, tmp_path: Path) -> None:
    script = "import time\ndef init(): pass\ndef run(body): time.sleep(60)\n"
    engine = engines()
    container = ready(engine, container_spec(image, managed_layout(tmp_path / "layout", script)))
    with socket.create_connection((container.host, container.port)) as busy:
        busy.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.3)
        began = time.monotonic()
        engine.remove(container.id, grace_seconds=1)
    assert 0.9 < time.monotonic() - began < 5
    assert processes_of(container) == []


def test_a_container_goes_on_under_another_engine(
    engines: Engines, image: str, layout: Path, packaging: HostPackaging, folder: Path
) -> None:
    first = engines()
    container = ready(first, container_spec(image, layout))
    first.close()
    second = engines()
    assert second.list_containers() == [container]
    assert until(lambda: any("init says" in line for line in second.logs(container.id)))
    second.remove(container.id)
    assert processes_of(container) == []
    with pytest.raises(ResourceNotFound):
        first.inspect(container.id)


def test_a_container_outlives_its_emulator(engines: Engines, image: str, layout: Path, folder: Path) -> None:
    spec = container_spec(image, layout)
    program = f"""
import os
from pathlib import Path
from emulator.engines.packaging.python_packages import read_host_packaging
from emulator.engines.process.engine import ProcessEngine
from emulator.engines.process.containers import ContainerRecord, Containers
from emulator.containers.spec import ContainerSpec
engine = ProcessEngine(Path({str(folder)!r}), "mine", read_host_packaging(os.environ))
print(engine.start({spec!r}).id, flush=True)
os.kill(os.getpid(), 9)
"""
    program = program.replace("labels=", f"environment_variables={MANAGED_VARIABLES!r}, labels=")
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == -9, ran.stderr
    engine = engines()
    container = engine.inspect(ran.stdout.strip())
    assert until(lambda: answers(container))
    assert ask(container, {})["cwd"] == f"{APP_ROOT}/code"


def test_a_reused_process_id_is_not_taken_for_ours() -> None:
    ours = ProcessFacts(pid=4711, started=100, boot="a")
    assert is_same_process(ours, ours)
    assert not is_same_process(ours, None)
    assert not is_same_process(ours, replace(ours, started=101))
    assert not is_same_process(ours, replace(ours, boot="b"))


def test_a_process_that_took_over_an_id_is_not_signalled() -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        facts = read_facts(other.pid)
        assert facts is not None
        assert is_alive(facts)
        assert not send_signal(replace(facts, started=facts.started - 1), signal.SIGKILL)
        assert other.poll() is None
        assert send_signal(facts, signal.SIGKILL)
        assert other.wait(5) == -signal.SIGKILL
    assert read_facts(other.pid) is None


def test_a_supervisor_whose_emulator_died_starts_nothing() -> None:
    ran = subprocess.run(
        [sys.executable, "-I", "-S", SUPERVISOR], stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    assert (ran.stdout, ran.stderr) == (b"", b"")


def test_what_cannot_be_started_leaves_nothing(engines: Engines, image: str, layout: Path, folder: Path) -> None:
    engine = engines()
    spec = container_spec(image, layout)
    with pytest.raises(EngineUnavailable, match="/no/such: No such file"):
        engine.start(replace(spec, working_dir="/no/such"))
    with pytest.raises(ResourceNotFound, match="working directory"):
        engine.start(replace(spec, working_dir=f"{APP_ROOT}/other"))
    with pytest.raises(ResourceNotFound, match="not built"):
        engine.start(replace(spec, image="0" * 64))
    assert engine.list_containers() == []
    assert list((folder / "containers").iterdir()) == []


def test_a_taken_debug_port_is_refused(engines: Engines, image: str, layout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadArgument, match=str(port)):
            engines().start(container_spec(image, layout, debug_port=port))


# --- environments ----------------------------------------------------------------------------------------------------


def test_the_server_of_2021_serves(engines: Engines, layout: Path, tmp_path: Path) -> None:
    engine = engines()
    spec = image_spec(
        Environment(name="old", python_version="3.8", requirements=("azureml-defaults==1.36.0",)), LAUNCHER
    )
    listener = Listener()
    built = engine.build_image(spec, listener, listener.canceled)
    assert "this machine's Python 3.8." in texts(built.differences)[0]
    container = ready(engine, container_spec(spec.digest, layout))
    assert ask(container, {})["python"] == [3, 8]


def test_a_python_that_nobody_has_is_named(engines: Engines) -> None:
    listener = Listener()
    with pytest.raises(EngineUnavailable, match=r"needs Python 3\.99") as caught:
        engines().build_image(new_spec(SERVER, python="3.99"), listener, listener.canceled)
    assert "uv python install 3.99" in caught.value.hint
    assert "--engine docker" in caught.value.hint


def test_an_environment_with_java_needs_java(engines: Engines) -> None:
    listener = Listener()
    engine = engines(find_command=lambda _name: None)
    with pytest.raises(EngineUnavailable, match="Java runtime") as caught:
        engine.build_image(new_spec(system_packages=("openjdk-17-jre-headless",)), listener, listener.canceled)
    assert "apt install openjdk-17-jre-headless" in caught.value.hint


def test_the_java_of_this_machine_is_a_difference(engines: Engines, tmp_path: Path, layout: Path) -> None:
    java = tmp_path / "jdk/bin/java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho 'openjdk version \"17.0.9\" 2023-10-17' >&2\n")
    java.chmod(0o755)
    engine = engines(find_command=lambda name: str(java) if name == "java" else None)
    listener = Listener()
    spec = new_spec(SERVER, system_packages=("default-jre-headless", "libgomp1"))
    said = texts(engine.build_image(spec, listener, listener.canceled).differences)
    assert "java of this machine (version 17.0.9) instead of system package default-jre-headless" in said
    assert any("libgomp1" in difference for difference in said)
    script = "import subprocess\ndef init(): pass\ndef run(body): return subprocess.getoutput('java')\n"
    (layout / "code/score.py").write_text(script)
    container = ready(engine, container_spec(spec.digest, layout))
    assert "17.0.9" in str(ask(container, {}))
    engine.remove(container.id)
    engine.prune(frozenset({}))


def test_unfinished_builds_and_starts_are_pruned(engines: Engines, image: str, folder: Path) -> None:
    engine = engines()
    build_left, start_left = folder / f"environments/.building-{'a' * 64}", folder / "containers/abcdefabcdef"
    (build_left / "venv").mkdir(parents=True)
    start_left.mkdir(parents=True)
    os.utime(start_left, (0, 0))
    assert engine.prune(frozenset({image}), dry_run=True) == engine.prune(frozenset({image}))
    assert not build_left.exists()
    assert not start_left.exists()
    with locked(folder / f"environments/.{'a' * 64}.lock"):
        build_left.mkdir()
        assert engine.prune(frozenset({image})) == [], "a build that goes on"
    remove_tree(build_left)


def test_one_of_two_builds_waits(tmp_path: Path) -> None:
    canceled = threading.Event()
    with locked(tmp_path / "lock", threading.Event()) as held, locked(tmp_path / "lock") as second:
        assert (held, second) == (True, False)
        threading.Timer(0.2, canceled.set).start()
        with pytest.raises(OperationCanceled), locked(tmp_path / "lock", canceled):
            pytest.fail("two hold one lock")


def test_a_tree_that_forbids_writing_is_removed(tmp_path: Path) -> None:
    inner = tmp_path / "doomed/inner"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    (tmp_path / "kept").touch()
    (inner / "link").symlink_to(tmp_path / "kept")
    inner.chmod(0o500)
    remove_tree(tmp_path / "doomed")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


# --- logs ------------------------------------------------------------------------------------------------------------


def test_a_long_log_is_bounded(engines: Engines, image: str, tmp_path: Path, folder: Path) -> None:
    script = "def init(): pass\ndef run(body):\n    for n in range(3000): print('line', n, '.' * 80)\n    return 1\n"
    engine = engines(log_bytes=100_000)
    container = ready(engine, container_spec(image, managed_layout(tmp_path / "layout", script)))
    heard: list[str] = []
    follower = threading.Thread(target=lambda: heard.extend(engine.logs(container.id, follow=True)))
    follower.start()
    ask_for_number(container)
    assert until(lambda: any("line 2999 " in line for line in engine.logs(container.id, tail=20)))
    files = sorted((folder / "containers" / container.id).glob("log*"))
    assert [file.name for file in files] == ["log", "log.1"]
    assert sum(file.stat().st_size for file in files) < 350_000
    assert until(lambda: any("line 2999 " in line for line in heard)), "who follows hears all of it"
    engine.remove(container.id)
    follower.join(10)
    assert not follower.is_alive()


def ask_for_number(container: Container) -> None:
    with urllib.request.urlopen(f"http://{container.host}:{container.port}/score", b"{}", timeout=20) as answer:
        assert answer.read() == b"1"


def numbered(first: int, last: int) -> str:
    return "".join(f"line {number}\n" for number in range(first, last))


def test_lines_are_counted_across_both_files(tmp_path: Path) -> None:
    log = tmp_path / "log"
    (tmp_path / "log.1").write_text(numbered(0, 20_000))
    log.write_text(numbered(20_000, 20_010) + "no end")
    everything = [f"line {number}" for number in range(20_010)] + ["no end"]
    assert list(LogLines(log, None)) == everything
    for tail in (0, 1, 2, 10, 11, 12, 15_000, 20_011, 30_000):
        assert list(LogLines(log, tail)) == everything[len(everything) - min(tail, len(everything)) :]
    log.write_text(numbered(0, 3))
    assert list(LogLines(log, 2)) == ["line 1", "line 2"]
    assert list(LogLines(tmp_path / "none", None)) == []


def test_a_followed_log_goes_on_in_the_next_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("first\n")
    running = threading.Event()
    running.set()
    lines = LogLines(log, None, running.is_set)
    assert next(lines) == "first"
    with log.open("a") as file:
        file.write("second\n")
    log.rename(tmp_path / "log.1")
    log.write_text("third\n")
    running.clear()
    assert list(lines) == ["second", "third"]


def test_a_followed_log_is_closed_from_another_thread(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    lines = LogLines(log, None, lambda: True)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.extend(lines))
    reader.start()
    time.sleep(0.2)
    lines.close()
    reader.join(5)
    assert not reader.is_alive()
