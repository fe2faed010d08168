"""What every engine must do, whatever it runs containers with.

A test module makes a subclass of `EngineContract` and gives it a fixture `connect`: a function from a workspace id to
an engine.  One tiny environment is built once for each class; everything that a test starts is removed after it.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from emulator.containers.spec import APP_ROOT, ContainerSpec
from emulator.engines import Container, Engine
from emulator.entities import Environment
from emulator.environments import ImageSpec, image_spec
from emulator.errors import ImageBuildFailure, OperationCanceled, ResourceNotFound

SERVER = "azureml-inference-server-http==1.5.1"
LAUNCHER = (Path(__file__).parents[2] / "images/scoring/launch.py").read_text(encoding="utf-8")
START_SECONDS = 30.0

# Answers with what it sees of its container.
SCRIPT = """
import json, os, signal, sys, time

KEPT = []

def init():
    print("init says café")
    print("and this is stderr", file=sys.stderr)

def write(path):
    try:
        with open(path, "a") as file:
            file.write("x")
        return "written"
    except OSError as error:
        return error.strerror

def run(body):
    question = json.loads(body)
    if "exit_code" in question:
        os.kill(os.getppid(), signal.SIGKILL)
    if "work_seconds" in question:
        end = time.process_time() + question["work_seconds"]
        while time.process_time() < end:
            pass
    if "keep_bytes" in question:
        KEPT.append(b"x" * question["keep_bytes"])
    if "print" in question:
        print(question["print"])
    return {
        "cwd": os.getcwd(),
        "uid": os.getuid(),
        "variables": dict(os.environ),
        "writes": {path: write(path) for path in question.get("write", ())},
        "files": sorted(os.listdir(os.environ["AML_APP_ROOT"])),
        "python": list(sys.version_info[:2]),
    }
"""


def environment(*requirements: str, python: str = "3.11", **fields: Any) -> Environment:
    """An environment of these requirements."""
    return Environment(name="test", python_version=python, requirements=requirements, **fields)


def new_spec(*requirements: str, python: str = "3.11", **fields: Any) -> ImageSpec:
    """A spec that no engine has built before: its digest differs from every other's."""
    variables = dict(fields.pop("variables", {})) | {"TEST_RUN": uuid.uuid4().hex}
    return image_spec(environment(*requirements, python=python, variables=variables, **fields), LAUNCHER, SCRIPT)


def managed_layout(folder: Path, script: str = SCRIPT) -> Path:
    """A layout of target managed: code/score.py and one model."""
    (folder / "code").mkdir(parents=True)
    (folder / "code/score.py").write_text(script, encoding="utf-8")
    (folder / "azureml-models/m/1").mkdir(parents=True)
    (folder / "azureml-models/m/1/model.txt").write_text("model", encoding="utf-8")
    return folder


MANAGED_VARIABLES = {
    "AML_APP_ROOT": f"{APP_ROOT}/code",
    "AZUREML_ENTRY_SCRIPT": "score.py",
    "AZUREML_MODEL_DIR": f"{APP_ROOT}/azureml-models/m/1",
}


def container_spec(image: str, layout: Path, **changes: Any) -> ContainerSpec:
    """A container of that image, of target managed unless `changes` say otherwise."""
    spec = ContainerSpec(
        name=f"amlemu-test-{uuid.uuid4().hex[:8]}",
        image=image,
        layout=str(layout),
        working_dir=f"{APP_ROOT}/code",
        environment_variables=MANAGED_VARIABLES,
        labels={"amlemu.endpoint": "test"},
    )
    return replace(spec, **changes)


def no_code_spec(image: str, layout: Path) -> ContainerSpec:
    """A container whose script is the image's own, as of an MLflow model without one."""
    variables = {
        "AML_APP_ROOT": "/var/mlflow_resources",
        "AZUREML_ENTRY_SCRIPT": "mlflow_score_script.py",
        "AZUREML_MODEL_DIR": f"{APP_ROOT}/azureml-models/m/1",
    }
    return container_spec(image, layout, working_dir="/var/mlflow_resources", environment_variables=variables)


def ask(container: Container, question: Mapping[str, Any]) -> dict[str, Any]:
    """The script's answer."""
    url = f"http://{container.host}:{container.port}/score"
    request = urllib.request.Request(url, json.dumps(question).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def answers(container: Container) -> bool:
    """Whether the server's probe route answers 200 now."""
    try:
        with urllib.request.urlopen(f"http://{container.host}:{container.port}/", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def until(condition: Callable[[], bool], seconds: float = START_SECONDS) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def ready(engine: Engine, spec: ContainerSpec) -> Container:
    """A started container that answers."""
    container = engine.start(spec)
    assert until(lambda: answers(container)), "\n".join(engine.logs(container.id))
    return container


def ended(engine: Engine, container: Container) -> Container:
    """The container once it no longer runs."""
    assert until(lambda: not engine.inspect(container.id).running), "it still runs"
    return engine.inspect(container.id)


@dataclass
class Listener:
    """A log callable that remembers, and may cancel at a line; `canceled_at` is when, by the monotonic clock."""

    cancel_at: str = ""
    canceled: threading.Event = field(default_factory=threading.Event)
    canceled_at: float = 0.0
    lines: list[str] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        if self.cancel_at and self.cancel_at in line and not self.canceled.is_set():
            self.canceled_at = time.monotonic()
            self.canceled.set()


def build(engine: Engine, spec: ImageSpec) -> Listener:
    """Build, and return what the log said."""
    listener = Listener()
    engine.build_image(spec, listener, listener.canceled)
    return listener


@contextlib.contextmanager
def temporary_engine(connect: Callable[[str], Engine]) -> Iterator[Engine]:
    """An engine of a workspace of its own, and nothing left of it afterwards."""
    engine = connect(f"test-{uuid.uuid4().hex[:8]}")
    try:
        yield engine
    finally:
        for container in engine.list_containers():
            engine.remove(container.id, grace_seconds=0)
        engine.prune(frozenset())
        engine.close()


class EngineContract:
    """The tests; subclasses give the fixture `connect` (class scope or wider)."""

    @pytest.fixture(scope="class")
    @classmethod
    def builder(cls, connect: Callable[[str], Engine]) -> Iterator[Engine]:
        with temporary_engine(connect) as engine:
            yield engine

    @pytest.fixture(scope="class")
    @classmethod
    def image(cls, builder: Engine) -> str:
        """The digest of the tiny environment, built."""
        spec = new_spec(SERVER, variables={"OF_THE_IMAGE": 'a "quoted" $HOME \\ value'})
        build(builder, spec)
        return spec.digest

    @pytest.fixture
    def engine(self, connect: Callable[[str], Engine], image: str) -> Iterator[Engine]:
        with temporary_engine(connect) as engine:
            yield engine

    @pytest.fixture
    def layout(self, tmp_path: Path) -> Path:
        return managed_layout(tmp_path / "layout")

    def test_check_passes_on_a_working_engine(self, engine: Engine) -> None:
        engine.check()
        assert engine.name in ("docker", "process")

    def test_an_image_is_built_once(self, builder: Engine, image: str) -> None:
        spec = new_spec(SERVER)
        assert builder.find_image(spec.digest) is None
        first = build(builder, spec)
        found = builder.find_image(spec.digest)
        assert found is not None
        assert found.digest == spec.digest
        assert first.lines
        assert build(builder, spec).lines == []
        assert builder.find_image(spec.digest) == found

    def test_a_package_that_does_not_exist_is_named(self, builder: Engine) -> None:
        spec = new_spec("no-such-package-of-amlemu==1.0")
        with pytest.raises(ImageBuildFailure, match="no-such-package-of-amlemu"):
            build(builder, spec)
        assert builder.find_image(spec.digest) is None

    def test_a_build_is_canceled_soon(self, builder: Engine) -> None:
        spec = new_spec(SERVER, "scipy")
        listener = Listener()
        threading.Timer(1.0, listener.canceled.set).start()
        began = time.monotonic()
        with pytest.raises(OperationCanceled):
            builder.build_image(spec, listener, listener.canceled)
        assert time.monotonic() - began < 6
        assert builder.find_image(spec.digest) is None

    def test_a_container_sees_what_the_cloud_shows(self, engine: Engine, image: str, layout: Path) -> None:
        odd = {"ODD": "a b\nc 'd' \"e\" $HOME é", "EMPTY": "", "with.dot": "1"}
        container = ready(engine, container_spec(image, layout, environment_variables=MANAGED_VARIABLES | odd))
        seen = ask(container, {})
        assert seen["cwd"] == f"{APP_ROOT}/code"
        assert seen["files"] == ["score.py"]
        assert seen["python"] == [3, 11]
        variables = seen["variables"]
        assert {name: variables.get(name) for name in odd | MANAGED_VARIABLES} == odd | MANAGED_VARIABLES
        assert variables["OF_THE_IMAGE"] == 'a "quoted" $HOME \\ value'
        assert variables["AZUREML_CONDA_ENVIRONMENT_PATH"]
        assert [name for name in variables if name.startswith("AMLEMU_")] == []
        assert "PYTEST_CURRENT_TEST" not in variables, "a variable of the emulator's own process"

    @pytest.mark.row("container.read_only_mounts")
    @pytest.mark.row("mlflow.script")
    def test_the_images_own_script_is_where_the_cloud_has_it(self, engine: Engine, layout: Path) -> None:
        spec = new_spec(SERVER, no_code="mlflow")
        build(engine, spec)
        seen = ask(ready(engine, no_code_spec(spec.digest, layout)), {"write": ["/var/mlflow_resources/x"]})
        assert (seen["cwd"], seen["files"]) == ("/var/mlflow_resources", ["mlflow_score_script.py"])
        assert seen["writes"]["/var/mlflow_resources/x"] != "written"

    def test_code_and_models_are_read_only(self, engine: Engine, image: str, layout: Path) -> None:
        container = ready(engine, container_spec(image, layout))
        inside = [f"{APP_ROOT}/code/score.py", f"{APP_ROOT}/code/new", f"{APP_ROOT}/azureml-models/m/1/model.txt"]
        writes = ask(container, {"write": inside})["writes"]
        assert "written" not in writes.values(), writes
        assert (layout / "azureml-models/m/1/model.txt").read_text() == "model"

    @pytest.mark.row("container.read_only_mounts")
    def test_code_and_models_can_be_written_to_where_that_is_asked_for(
        self, engine: Engine, image: str, layout: Path
    ) -> None:
        for path in (layout, *layout.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)
        container = ready(engine, container_spec(image, layout, read_only=False))
        inside = [f"{APP_ROOT}/code/score.py", f"{APP_ROOT}/code/new", f"{APP_ROOT}/azureml-models/m/1/model.txt"]
        assert set(ask(container, {"write": inside})["writes"].values()) == {"written"}
        assert (layout / "azureml-models/m/1/model.txt").read_text() == "modelx"
        assert (layout / "code/new").read_text() == "x"

    def test_a_container_may_write_to_its_home_and_to_tmp(self, engine: Engine, image: str, layout: Path) -> None:
        container = ready(engine, container_spec(image, layout))
        home = ask(container, {})["variables"]["HOME"]
        paths = [f"{home}/x", "/tmp/amlemu-test-x"]
        assert ask(container, {"write": paths})["writes"] == dict.fromkeys(paths, "written")

    def test_inspect_and_list_agree_with_start(self, engine: Engine, image: str, layout: Path) -> None:
        spec = container_spec(image, layout)
        container = ready(engine, spec)
        assert (container.name, container.running, container.exit_code) == (spec.name, True, None)
        assert container.labels["amlemu.endpoint"] == "test"
        assert engine.inspect(container.id) == container
        assert engine.list_containers() == [container]

    def test_running_ids_are_those_that_run(
        self, engine: Engine, connect: Callable[[str], Engine], image: str, layout: Path, tmp_path: Path
    ) -> None:
        broken = managed_layout(tmp_path / "broken", "import no_such_module_of_amlemu\n")
        assert engine.running_ids() == frozenset()
        alive = ready(engine, container_spec(image, layout))
        ended(engine, engine.start(container_spec(image, broken, name="dead")))
        with temporary_engine(connect) as other:
            other.start(container_spec(image, layout))
            assert engine.running_ids() == {alive.id}
        engine.remove(alive.id, grace_seconds=0)
        assert engine.running_ids() == frozenset()

    def test_two_workspaces_do_not_see_each_other(
        self, engine: Engine, connect: Callable[[str], Engine], image: str, layout: Path
    ) -> None:
        with temporary_engine(connect) as other:
            mine, theirs = engine.start(container_spec(image, layout)), other.start(container_spec(image, layout))
            assert [c.id for c in engine.list_containers()] == [mine.id]
            assert [c.id for c in other.list_containers()] == [theirs.id]
            engine.prune(frozenset())
            assert other.inspect(theirs.id).running

    @pytest.mark.row("container.init_exit_code")
    @pytest.mark.parametrize("indent", ["", "    "], ids=["import", "init"])
    def test_a_dead_container_tells_its_exit_code(
        self, engine: Engine, image: str, tmp_path: Path, indent: str
    ) -> None:
        script = f"def run(data): ...\n\ndef init():\n    pass\n{indent}import no_such_module_of_amlemu\n"
        layout = managed_layout(tmp_path / "broken", script)
        container = ended(engine, engine.start(container_spec(image, layout)))
        assert container.exit_code == 3
        assert (container.host, container.port) == ("", 0)
        log = list(engine.logs(container.id))
        assert any("no_such_module_of_amlemu" in line for line in log)

    def test_logs_are_lines(self, engine: Engine, image: str, layout: Path) -> None:
        container = ready(engine, container_spec(image, layout))
        ask(container, {"print": "one\ntwo"})
        assert until(lambda: any("two" in line for line in engine.logs(container.id)), 5)
        log = list(engine.logs(container.id))
        assert any("init says café" in line for line in log)
        assert any("and this is stderr" in line for line in log)
        assert not any("\n" in line or "\r" in line for line in log)
        # The server writes lines of its own about the request after its answer.
        assert until(lambda: list(engine.logs(container.id, tail=2)) == list(engine.logs(container.id))[-2:], 5)
        assert list(engine.logs(container.id, tail=0)) == []

    def test_a_followed_log_ends_with_its_container(self, engine: Engine, image: str, layout: Path) -> None:
        container = ready(engine, container_spec(image, layout))
        heard: list[str] = []
        follower = threading.Thread(target=lambda: heard.extend(engine.logs(container.id, follow=True)))
        follower.start()
        ask(container, {"print": "while followed"})
        engine.remove(container.id, grace_seconds=5)
        follower.join(10)
        assert not follower.is_alive()
        assert any("while followed" in line for line in heard)

    def test_a_followed_log_may_be_closed(self, engine: Engine, image: str, layout: Path) -> None:
        container = ready(engine, container_spec(image, layout))
        log = engine.logs(container.id, follow=True)
        next(log)
        log.close()  # type: ignore[attr-defined]
        assert engine.inspect(container.id).running

    def test_the_machine_has_a_size(self, engine: Engine) -> None:
        machine = engine.machine()
        assert machine.cpus >= 1
        assert machine.memory_bytes > 2**28

    def test_what_a_container_uses(self, engine: Engine, image: str, layout: Path) -> None:
        container = ready(engine, container_spec(image, layout))
        before = engine.usage([container.id])[container.id]
        ask(container, {"work_seconds": 1.0, "keep_bytes": 2**26})
        after = engine.usage([container.id])[container.id]
        assert 0.9 < after.cpu_seconds - before.cpu_seconds < 3.0
        assert 2**26 * 0.9 < after.memory_bytes - before.memory_bytes < 2**26 * 1.5
        assert after.memory_bytes > 2**25
        assert after.memory_limit_bytes == engine.machine().container_bytes
        assert after.disk_percent is None or 0 < after.disk_percent < 100
        assert engine.oom_kills().get(container.id, 0) == 0

    def test_what_many_containers_use_is_found_fast(self, engine: Engine, image: str, layout: Path) -> None:
        ids = [ready(engine, container_spec(image, layout)).id for _ in range(3)]
        began = time.monotonic()
        assert set(engine.usage(ids * 7)) == set(ids)
        assert time.monotonic() - began < 1

    def test_what_does_not_run_uses_nothing(self, engine: Engine, image: str, tmp_path: Path) -> None:
        layout = managed_layout(tmp_path / "broken", "import no_such_module_of_amlemu\n")
        dead = ended(engine, engine.start(container_spec(image, layout)))
        assert engine.usage([dead.id, "0" * 12, "0" * 64, "../.."]) == {}
        assert engine.usage([]) == {}

    def test_remove_is_idempotent(self, engine: Engine, image: str, layout: Path) -> None:
        container = ready(engine, container_spec(image, layout))
        began = time.monotonic()
        engine.remove(container.id)
        assert time.monotonic() - began < 8, "the server ends on SIGTERM, before the grace is over"
        engine.remove(container.id)
        assert engine.list_containers() == []
        with pytest.raises(ResourceNotFound):
            engine.inspect(container.id)
        with pytest.raises(ResourceNotFound):
            list(engine.logs(container.id))

    def test_a_leftover_of_the_same_name_is_replaced(self, engine: Engine, image: str, layout: Path) -> None:
        spec = container_spec(image, layout)
        old, new = engine.start(spec), engine.start(spec)
        assert old.id != new.id
        assert [c.id for c in engine.list_containers()] == [new.id]

    def test_prune_keeps_what_is_needed(self, engine: Engine, image: str, tmp_path: Path) -> None:
        broken = managed_layout(tmp_path / "broken", "import no_such_module_of_amlemu\n")
        running = ready(engine, container_spec(image, managed_layout(tmp_path / "good")))
        ended(engine, engine.start(container_spec(image, broken)))
        kept, unused = new_spec(SERVER), new_spec(SERVER)
        build(engine, kept)
        build(engine, unused)
        said = engine.prune(frozenset({kept.digest}), dry_run=True)
        assert len(said) == 2
        assert engine.find_image(unused.digest) is not None
        assert engine.prune(frozenset({kept.digest})) == said
        assert [c.id for c in engine.list_containers()] == [running.id]
        assert engine.find_image(kept.digest) is not None
        assert engine.find_image(unused.digest) is None
        assert engine.find_image(image) is not None, "another workspace built it"
