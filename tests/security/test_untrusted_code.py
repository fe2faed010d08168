"""Code of packages never runs as the emulator: not while requirements are resolved, nor while an environment is made.

On the process engine; `test_untrusted_code_docker.py` has what Docker's builds do.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from package_index import PackageIndex, serving_packages

from emulator.documents.yaml_document import parse_document
from emulator.engines.docker.cli import run_command
from emulator.engines.packaging.python_packages import HostPackaging, read_host_packaging, run_uv
from emulator.engines.packaging.refusing_python import refusing_python
from emulator.engines.packaging.resolution import lock_requirements
from emulator.engines.packaging.untrusted_files import read_untrusted, walk_untrusted
from emulator.engines.process.bytecode import move_in
from emulator.engines.process.engine import ProcessEngine
from emulator.engines.process.isolation import Isolation
from emulator.engines.process.launch import probe, read_machine
from emulator.engines.process.sandboxed_build import copy_shared_files
from emulator.entities import Environment
from emulator.environments import ImageSpec, environment_from_conda, image_spec, read_environment
from emulator.environments.files.requirements_file import plain_line
from emulator.errors import BadArgument, BadDocument, EmulatorError, ImageBuildFailure
from emulator.server.first_demo import FirstDemo
from emulator.store import Store
from emulator.system.child_environment import (
    CONDA,
    DOCKER,
    EMULATOR,
    INTERPRETER,
    SUPERVISOR,
    UV,
    Child,
    child_environment,
)

CANARY = "canary-of-the-admin-0123456789"
PACKAGE = Path(__file__).parents[2] / "emulator"
ROOT = Isolation("root", pid_namespace=True)
USER = Isolation("user", pid_namespace=True)
NONE = Isolation("none", pid_namespace=False, reason="not wanted")


# Every child process: what it may find in its environment


STARTS = re.compile(
    r"(subprocess\.(run|Popen|call|check_call|check_output)|os\.(posix_spawnp?|exec\w+|spawn\w+|system|popen))"
)
# Each start that has no environment of ours, and why.
OWN_WAY = {
    "supervisor.py": "it has no emulator to import, and executes with the variables of its plan alone",
}


def starts_without_ours(tree: ast.AST) -> list[int]:
    """The lines on which a child is started with an environment that `child_environment` has not made."""
    made = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and is_ours(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    starts = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and STARTS.fullmatch(ast.unparse(node.func))
    ]
    return [node.lineno for node in starts if not has_ours(node, made)]


def is_ours(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "child_environment"


def has_ours(call: ast.Call, made: set[str]) -> bool:
    named = next((keyword.value for keyword in call.keywords if keyword.arg == "env"), None)
    given = [named] if named is not None else call.args[2:3]
    return any(is_ours(node) or (isinstance(node, ast.Name) and node.id in made) for node in given)


def test_every_child_starts_with_the_variables_of_its_list() -> None:
    sources = [file for file in sorted(PACKAGE.rglob("*.py")) if "_shipped" not in file.parts]
    found = {
        f"{file.relative_to(PACKAGE)}:{line}"
        for file in sources
        if file.name not in OWN_WAY
        for line in starts_without_ours(ast.parse(file.read_text(encoding="utf-8")))
    }
    assert found == set()


def test_nothing_but_our_own_ways_starts_children() -> None:
    """No other module of the standard library, and no name under which `subprocess` or its functions hide."""
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.module not in ("subprocess", "multiprocessing", "pty", "asyncio.subprocess"), file
            elif isinstance(node, ast.Import):
                assert all(
                    n.name != "multiprocessing" and not (n.name == "subprocess" and n.asname) for n in node.names
                )
            elif isinstance(node, ast.Attribute):
                assert node.attr not in ("create_subprocess_exec", "create_subprocess_shell", "forkpty"), file


def test_nothing_that_is_read_can_run() -> None:
    """No document and no model is ever unpickled, evaluated or loaded as objects: MLflow's are read as plain YAML."""
    modules = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "mlflow", "runpy", "torch"}
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not {alias.name.split(".")[0] for alias in node.names} & modules, file
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in modules, file
            elif isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in ("eval", "exec", "compile", "yaml.unsafe_load", "yaml.full_load"), file
                loader = next((ast.unparse(k.value) for k in node.keywords if k.arg == "Loader"), "")
                assert name != "yaml.load" or loader, file
                assert "Unsafe" not in loader and loader not in ("yaml.Loader", "yaml.FullLoader"), file


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("subprocess.run(['x'])", [1]),
        ("subprocess.Popen(['x'], env=os.environ)", [1]),
        ("subprocess.Popen(['x'], env=os.environ | child_environment(UV, {}))", [1]),
        ("subprocess.run(['x'], env=variables)", [1]),
        ("os.posix_spawn('x', [], {})", [1]),
        ("os.system('x')", [1]),
        ("subprocess.run(['x'], env=child_environment(UV, os.environ))", []),
        ("variables = child_environment(UV, os.environ)\nsubprocess.run(['x'], env=variables)", []),
        ("os.posix_spawn('x', [], child_environment(SUPERVISOR, os.environ))", []),
    ],
)
def test_a_start_with_other_variables_is_found(text: str, lines: list[int]) -> None:
    assert starts_without_ours(ast.parse(text)) == lines


SECRETS = ("AMLEMU_TOKEN", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "DATABASE_URL", "AZURE_CLIENT_SECRET", "LD_PRELOAD")


@pytest.mark.parametrize("child", [UV, CONDA, DOCKER, INTERPRETER, SUPERVISOR])
@pytest.mark.parametrize("name", SECRETS)
def test_no_list_lets_a_secret_of_the_shell_through(child: Child, name: str) -> None:
    assert child_environment(child, {name: CANARY}) == {}


def test_the_emulator_itself_gets_its_settings_and_no_strange_variable() -> None:
    given = dict.fromkeys(SECRETS, CANARY) | {"AMLEMU_HOME": "/h", "PATH": "/bin"}
    assert child_environment(EMULATOR, given, AMLEMU_URL="") == {
        "AMLEMU_TOKEN": CANARY, "AMLEMU_HOME": "/h", "PATH": "/bin", "AMLEMU_URL": "",
    }  # fmt: skip


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The emulator's own variables: the admin's token and a secret of the owner's are among them."""
    for name in SECRETS[:-1]:
        monkeypatch.setenv(name, CANARY)
    return os.environ


def program(folder: Path, name: str, script: str) -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)
    return file


def test_docker_has_nothing_of_the_shell(shell: Mapping[str, str], tmp_path: Path) -> None:
    lines: list[str] = []
    tool = program(tmp_path, "docker", "env")
    assert run_command([str(tool)], {"DOCKER_CONTEXT": "other"}, lines.append, threading.Event()) == 0
    assert "DOCKER_CONTEXT=other" in lines
    assert CANARY not in "".join(lines)


def test_uv_has_nothing_of_the_shell(shell: Mapping[str, str], tmp_path: Path) -> None:
    packaging = read_host_packaging(shell, program(tmp_path, "uv", "env"))
    done = run_uv([], packaging, print, threading.Event(), variables={"UV_PYTHON_DOWNLOADS": "never"})
    assert "UV_PYTHON_DOWNLOADS=never" in done.stdout
    assert CANARY not in done.stdout
    assert CANARY not in json.dumps(dict(packaging.variables))


def test_uv_reads_no_configuration_of_a_folder_above(shell: Mapping[str, str], tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert read_host_packaging(home).variables["UV_NO_CONFIG"] == "1"
    file = tmp_path / ".config/uv/uv.toml"
    file.parent.mkdir(parents=True)
    file.touch()
    assert read_host_packaging(home).variables["UV_CONFIG_FILE"] == str(file)


def test_a_java_of_this_machine_has_nothing_of_the_shell(shell: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    java = program(tmp_path / "bin", "java", f"env > {tmp_path}/seen; echo 'openjdk version \"17\"' >&2")
    found = {"java": str(java)}
    engine = ProcessEngine(tmp_path / "process", "w", read_host_packaging(shell), find_command=found.get)
    try:
        build(engine, system_packages=("default-jre",))
    finally:
        engine.close()
    assert "PATH=" in (tmp_path / "seen").read_text()
    assert CANARY not in (tmp_path / "seen").read_text()


def test_the_demo_has_the_settings_alone(shell: Mapping[str, str], tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    script = f"import os; open({str(seen)!r}, 'w').write(repr(dict(os.environ)))"
    demo = FirstDemo(Store(tmp_path / "home"), (sys.executable, "-c", script), {**shell, "AMLEMU_HOME": "h"}, print)
    with demo:
        while demo.blocking_reason():
            threading.Event().wait(0.01)
    variables = ast.literal_eval(seen.read_text())
    assert variables["AMLEMU_HOME"] == "h"
    assert "DATABASE_URL" not in variables


def test_an_unreadable_folder_of_pyenv_is_no_failure(tmp_path: Path) -> None:
    file = tmp_path / "versions"
    file.touch()
    assert read_host_packaging({"PYENV_ROOT": str(tmp_path), "PATH": "/bin"}).variables["PATH"] == "/bin"


# Nothing of a document is expanded


EXPANDED = (
    "x @ https://host/${SECRET}/x-1-py3-none-any.whl",
    "x @ git+https://${SECRET}@host/x",
    "--index-url https://${UV_DEFAULT_INDEX}@host/simple",
    "--extra-index-url https://me:${SECRET}@host/simple",
    "--find-links https://host/${HOME}/",
    "-f https://host/?a=${PATH}",
    "--trusted-host ${HOSTNAME}",
    "numpy==${VERSION}",
    "numpy; python_version < '${V}'",
    "x @ https://host/\\${SECRET}/x-1-py3-none-any.whl",
)


@pytest.mark.parametrize("line", EXPANDED)
def test_a_variable_in_requirements_is_refused_by_its_line(line: str) -> None:
    with pytest.raises(BadDocument) as caught:
        read_environment(f"numpy\n{line}\n", "requirements.txt", no_file)
    (fault,) = caught.value.faults
    assert fault.where == "requirements.txt:2"
    assert "none is expanded" in fault.message


def no_file(name: str) -> str:
    raise BadArgument(f"there is no file '{name}'")


@pytest.mark.parametrize("line", EXPANDED)
def test_a_variable_in_a_pip_section_is_refused(line: str) -> None:
    document = json.dumps({"dependencies": ["python=3.11", "pip", {"pip": [line]}]})
    with pytest.raises(BadDocument, match="one fault") as caught:
        environment_from_conda(parse_document(document, "conda.yml"))
    assert "none is expanded" in caught.value.faults[0].message


@pytest.mark.parametrize(
    "conda",
    [
        {"channels": ["https://host/t/${TOKEN}/channel"], "dependencies": ["python=3.11"]},
        {"channels": ["https://${USER}:${PW}@host/channel"], "dependencies": ["python=3.11"]},
        {"dependencies": ["python=3.11", "https://host/${TOKEN}::numpy"]},
        {"dependencies": ["python=3.11", "numpy=${VERSION}"]},
    ],
)
def test_a_variable_in_a_conda_file_is_refused(conda: Mapping[str, Any]) -> None:
    with pytest.raises(BadDocument) as caught:
        environment_from_conda(parse_document(json.dumps(conda), "conda.yml"))
    assert "none is expanded" in caught.value.faults[0].message


@pytest.mark.parametrize(
    "fields",
    [
        {"requirements": ("x @ https://host/${UV_INDEX}/x-1-py3-none-any.whl",)},
        {"requirements": ("-r /etc/passwd",)},
        {"requirements": ("-e /srv",)},
        {"requirements": ("x @ file:///srv/x.tar.gz",)},
        {"requirements": ("x @ git+file:///srv/x",)},
        {"requirements": ("numpy\n-r /etc/passwd",)},
        {"requirements": ("--index-url file:///var/lib/amlemu",)},
        {"requirements": ("--index-url=/var/lib/amlemu",)},
        {"requirements": ("--extra-index-url ../packages",)},
        {"requirements": ("-i/var/lib/amlemu",)},
        {"requirements": ("-ffile:///srv",)},
        {"requirements": ("--index-url https://host/simple -r /etc/passwd",)},
        {"requirements": ("--pre --find-links=/srv",)},
        {"requirements": ("--prevent",)},
        {"channels": ("https://host/${SECRET}",), "conda_dependencies": ("python=3.11",)},
        {"conda_dependencies": ("numpy=${SECRET}",)},
    ],
)
def test_what_no_file_may_have_no_request_may_have_either(fields: Mapping[str, Any]) -> None:
    environment = Environment(name="e", python_version="3.11", **fields)
    with pytest.raises(BadDocument, match="what none may have"):
        image_spec(environment, "")


@pytest.mark.parametrize(
    "line",
    [
        "--index-url=https://host/simple",
        "-i https://host",
        "--find-links=https://host/l.html",
        "-fhttps://h/x",
        "--pre",
    ],
)
def test_options_that_name_an_index_are_taken(line: str) -> None:
    assert spec_of(line, "numpy").requirements == (line, "numpy")


def test_a_variable_of_the_container_is_taken_as_it_is_written() -> None:
    environment = Environment(name="e", python_version="3.11", variables={"A": "${SECRET} $HOME"})
    spec = image_spec(environment, "")
    assert spec.variables == {"A": "${SECRET} $HOME"}
    assert 'ENV A="\\${SECRET} \\$HOME"' in spec.dockerfile


# Resolving: metadata is read, nothing of a package is run


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageIndex]:
    with serving_packages(tmp_path_factory.mktemp("index")) as found:
        yield found


def packaging_of(index: PackageIndex, shell: Mapping[str, str], home: Path) -> HostPackaging:
    kept = {name: value for name, value in shell.items() if not re.match("(PIP|UV)_", name)}
    return read_host_packaging({**kept, "HOME": str(home), "UV_DEFAULT_INDEX": index.index})


def spec_of(*requirements: str, **fields: Any) -> ImageSpec:
    return image_spec(Environment(name="e", python_version="3.11", requirements=requirements, **fields), "")


class Apart:
    """What would be resolved where containers run."""

    def __init__(self, answer: str = "", said: str = "", returncode: int = 0) -> None:
        self.answer, self.said, self.returncode = answer, said, returncode
        self.asked: list[str] = []

    def resolve(self, words: Sequence[str], files: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        self.asked.append(files["requirements.in"])
        return subprocess.CompletedProcess(list(words), self.returncode, self.answer, self.said)


def lock(packaging: HostPackaging, apart: Apart, *requirements: str) -> str:
    return lock_requirements(spec_of(*requirements), packaging, print, threading.Event(), apart.resolve).text


def test_wheels_are_resolved_on_this_side(index: PackageIndex, shell: Mapping[str, str], tmp_path: Path) -> None:
    index.wheel("leaf", "1.0")
    index.wheel("tree", "2.0", ["leaf"])
    apart = Apart()
    assert lock(packaging_of(index, shell, tmp_path), apart, "tree") == "leaf==1.0\ntree==2.0\n"
    assert apart.asked == []


@pytest.mark.parametrize("requirements", [("newer",), ("newer==2.0",), ("wants-newer",)])
def test_a_source_is_not_passed_over_and_not_run(
    index: PackageIndex, shell: Mapping[str, str], tmp_path: Path, requirements: tuple[str, ...]
) -> None:
    """The newest version is a source: an older wheel must not be taken in silence, as the cloud takes the newest."""
    ran = tmp_path / "ran"
    index.wheel("newer", "1.0")
    index.source("newer", "2.0", metadata=f"open({str(ran)!r}, 'w').close()")
    index.wheel("wants_newer", "1.0", ["newer"])
    apart = Apart("newer==2.0\n")
    assert lock(packaging_of(index, shell, tmp_path), apart, *requirements) == "newer==2.0\n"
    assert apart.asked == ["".join(f"{line}\n" for line in requirements)]
    assert not ran.exists()


@pytest.mark.parametrize(
    "line",
    [
        "x @ git+{url}/x",
        "x @ {url}/simple/far/far-1.0-py3-none-any.whl",
        "far @ {url}/simple/far/far-1.0-py3-none-any.whl",
        "{url}/simple/far/far-1.0-py3-none-any.whl?sig=x",
        "{url}/archive/main.zip",
        "git+{url}/x",
        "-e git+{url}/x#egg=x",
    ],
)
def test_what_is_not_of_an_index_is_not_read_on_this_side(
    index: PackageIndex, shell: Mapping[str, str], tmp_path: Path, line: str
) -> None:
    """Such a wheel may want what lies in files of this machine, or in a repository, or name variables."""
    index.wheel("far", "1.0", ["y @ git+file:///etc", "z @ https://host/${UV_DEFAULT_INDEX}/z-1-py3-none-any.whl"])
    git = program(tmp_path, "git", f"touch {tmp_path}/ran; exit 1")
    packaging = packaging_of(index, {**shell, "PATH": f"{git.parent}:{shell['PATH']}"}, tmp_path)
    before = len(index.asked)
    apart = Apart("x==1.0\n")
    text = line.format(url=index.url)
    assert lock(packaging, apart, text) == "x==1.0\n"
    assert apart.asked == [f"{plain_line(text)}\n"]
    assert index.asked[before:] == []
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "answer",
    [
        "y @ file:///home/other/y.whl",
        "y @ https://host/${SECRET}/y-1-py3-none-any.whl",
        "/etc/passwd",
        "y==1\n./folder",
    ],
)
def test_what_a_package_makes_the_resolver_say_is_checked(
    index: PackageIndex, shell: Mapping[str, str], tmp_path: Path, answer: str
) -> None:
    with pytest.raises(ImageBuildFailure, match="wants what no build may have"):
        lock(packaging_of(index, shell, tmp_path), Apart(answer), "x @ https://host/x-1.tar.gz")


@pytest.mark.parametrize(
    "said",
    ["file:///etc/x-1.tar.gz", "x@git+file:///srv/x", "-rother.txt", "./x", "..", "x;y", "https://host/x", "${HOME}"],
)
def test_only_a_plain_package_name_is_looked_up_in_indexes(
    index: PackageIndex, shell: Mapping[str, str], tmp_path: Path, said: str
) -> None:
    """The resolver's output holds what packages print: none of it becomes a requirement on this side."""
    asked = tmp_path / "asked"
    uv = program(tmp_path, "uv", f"cat requirements.in >> {asked}; exit 1")
    packaging = read_host_packaging({**shell, "UV_DEFAULT_INDEX": index.index}, uv)
    failed = Apart(said=f"No solution found: Because {said} was not found in the package registry", returncode=1)
    with pytest.raises(ImageBuildFailure, match="cannot be installed together"):
        lock(packaging, failed, "x @ https://host/x-1.tar.gz")
    assert set(asked.read_text().splitlines()) == {"pip"}


def test_a_uv_that_asks_in_another_way_runs_nothing(shell: Mapping[str, str], tmp_path: Path) -> None:
    """What a later uv may do: ask the Python by a program of its own, which is refused, and all is done apart."""
    script = (
        'while [ "$1" != --python ]; do shift; done; "$2" -c "print(1)" && echo ran || '
        '{ echo "error: Querying Python at $2 failed" >&2; exit 2; }'
    )
    packaging = read_host_packaging(shell, program(tmp_path, "uv", script))
    apart = Apart("x==1\n")
    assert lock(packaging, apart, "x") == "x==1\n"
    assert apart.asked == ["x\n"]


# Making an environment on the process engine


def build(engine: ProcessEngine, *requirements: str, **fields: Any) -> tuple[Path, str]:
    """Where the environment lies, and all that was said."""
    lines: list[str] = []
    image = engine.build_image(spec_of(*requirements, **fields), lines.append, threading.Event())
    return Path(image.reference), "\n".join(lines)


Engines = Callable[[Isolation], ProcessEngine]


@pytest.fixture
def engines(index: PackageIndex, shell: Mapping[str, str], tmp_path: Path) -> Iterator[Engines]:
    """Engines whose home holds what nobody but the emulator may read."""
    made: list[ProcessEngine] = []
    home = tmp_path / "home"
    home.mkdir()
    (home / "token.json").write_text(CANARY)

    def make(isolation: Isolation) -> ProcessEngine:
        if isolation.mode != "none" and (refusal := probe(isolation, read_machine())):
            pytest.skip(f"this machine does not allow {isolation}: {refusal}")
        packaging = packaging_of(index, shell, tmp_path)
        made.append(ProcessEngine(home / "process", "w", packaging, isolations=(isolation,)))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def looked(text: str) -> list[dict[str, Any]]:
    """What the packages' code has seen wherever it ran."""
    return [json.loads(found) for found in re.findall(r"LOOKED (\{.*\})", text)]


@pytest.mark.parametrize("isolation", [ROOT, USER], ids=lambda isolation: isolation.mode)
def test_a_build_backend_finds_nothing_of_the_emulator(
    engines: Engines, index: PackageIndex, tmp_path: Path, isolation: Isolation
) -> None:
    home = tmp_path / "home"
    paths = [home, home / "token.json", tmp_path, Path("/var/run/docker.sock"), Path("/run/docker.sock"), Path("/home")]
    index.source(f"looks_{isolation.mode}", "1.0", paths, metadata="raise SystemExit(3)")
    with pytest.raises(ImageBuildFailure) as caught:
        build(engines(isolation), f"looks_{isolation.mode}")
    told = f"{caught.value} {caught.value.log_tail}"
    assert CANARY not in told
    (seen, *_) = looked(told)
    assert seen["uid"] == 1000
    assert "AMLEMU_TOKEN" not in seen["variables"]
    assert seen["variables"]["HOME"] == "/home/dockeruser"
    assert seen["paths"][str(home / "token.json")] is False
    assert "token.json" not in (seen["paths"][str(home)] or ())
    assert [seen["paths"][path] for path in ("/var/run/docker.sock", "/run/docker.sock")] == [False] * 2
    assert seen["paths"]["/home"] == ["dockeruser"]


@pytest.mark.parametrize("isolation", [ROOT, USER], ids=lambda isolation: isolation.mode)
def test_a_home_among_the_systems_folders_is_hidden(
    index: PackageIndex, shell: Mapping[str, str], tmp_path: Path, isolation: Isolation
) -> None:
    """/var is shown to programs, as it is to scoring servers: not so a home that lies there, though all may read it."""
    if not os.access("/var/lib", os.W_OK):
        pytest.skip("only root has a home in /var/lib")
    with tempfile.TemporaryDirectory(dir="/var/lib") as folder:
        home = Path(folder)
        home.chmod(0o755)
        (home / "token.json").write_text(CANARY)
        name = f"hidden{isolation.mode}"
        index.source(name, "1.0", [home, home / "token.json"], metadata="raise SystemExit(3)")
        engine = ProcessEngine(home / "process", "w", packaging_of(index, shell, tmp_path), isolations=(isolation,))
        with pytest.raises(ImageBuildFailure) as caught:
            build(engine, name)
        engine.close()
    told = f"{caught.value} {caught.value.log_tail}"
    assert CANARY not in told
    assert looked(told)[0]["paths"] == {str(home): ["process"], str(home / "token.json"): False}


@pytest.mark.parametrize("isolation", [ROOT, USER, NONE], ids=lambda isolation: isolation.mode)
def test_a_source_is_built_and_imported_apart(
    engines: Engines, index: PackageIndex, tmp_path: Path, isolation: Isolation
) -> None:
    """The same package, whose code runs when it is asked, built and imported: its environment is whole all the same."""
    name = f"whole{isolation.mode}"
    index.wheel("leaf", "1.0")
    index.source(name, "1.0", [tmp_path / "home/token.json"], requires=["leaf"])
    environment, said = build(engines(isolation), name)
    assert CANARY not in said
    assert (environment / "requirements.lock").read_text() == f"leaf==1.0\n{name}==1.0\n"
    (site,) = environment.glob("venv/lib/*/site-packages")
    assert (site / "leaf.py").exists()
    seen = (site / f"{name}.py").read_text()
    assert CANARY not in seen or isolation.mode == "none"
    assert "'AMLEMU_TOKEN'" not in seen
    owners = {path.lstat().st_uid for path in environment.rglob("*")}
    assert owners == {os.geteuid()}, "nothing of it belongs to the user that programs run as"
    assert sorted(path.name for path in (environment.parent.parent / "sandboxes").iterdir()) == []


MARKS_DOWNLOADS = (
    "mark = os.path.join(os.environ['UV_CACHE_DIR'], 'mark');"
    " print('MARKED', os.path.exists(mark), file=sys.stderr);"
    " open(mark, 'w').close(); raise SystemExit(3)"
)


@pytest.mark.parametrize("isolation", [ROOT, USER], ids=lambda isolation: isolation.mode)
def test_downloads_kept_for_one_environment_are_not_another_environments(
    engines: Engines, index: PackageIndex, isolation: Isolation
) -> None:
    """A package's build writes into uv's cache while it is resolved; the next environment of the package finds none."""
    name = f"marks_{isolation.mode}"
    index.source(name, "1.0", metadata=MARKS_DOWNLOADS)
    engine = engines(isolation)
    for run in ("1", "2"):
        with pytest.raises(ImageBuildFailure) as caught:
            build(engine, name, variables={"RUN": run})
        assert re.findall(r"MARKED (\w+)", f"{caught.value.log_tail}") == ["False"]


@pytest.mark.parametrize("isolation", [ROOT, USER], ids=lambda isolation: isolation.mode)
@pytest.mark.parametrize("is_pinned", [True, False], ids=["pinned", "unpinned"])
def test_a_source_changed_while_it_was_resolved_is_not_installed_under_a_pinned_hash(
    engines: Engines, index: PackageIndex, isolation: Isolation, is_pinned: bool
) -> None:
    """Without a hash the kept source is what is built, as it is nobody else's; with one it is fetched and checked."""
    name = f"rewrites_{isolation.mode}"
    rewrite = "open(looking.__file__, 'a').write('\\nREWRITTEN = True\\n')"
    url = index.source(name, "1.0", metadata=rewrite)
    pin = f" --hash=sha256:{hashlib.sha256(index.content(url)).hexdigest()}" if is_pinned else ""
    environment, _ = build(engines(isolation), f"{name}==1.0{pin}")
    (module,) = environment.glob(f"venv/lib/*/site-packages/{name}.py")
    assert ("REWRITTEN" in module.read_text()) is not is_pinned
    assert not (environment / "downloads").exists()


AT_START = "import os, json; open('/tmp/amlemu-pth', 'a').close(); {attack}\n"


@pytest.mark.parametrize("isolation", [ROOT, USER], ids=lambda isolation: isolation.mode)
def test_what_a_wheel_runs_when_python_starts_or_imports_it_is_kept_apart(
    engines: Engines, index: PackageIndex, tmp_path: Path, isolation: Isolation
) -> None:
    """A .pth file, a sitecustomize and the module itself try to write where only the emulator may."""
    name = f"starts_{isolation.mode}"
    marks = [tmp_path / "home" / kind for kind in ("pth", "site", "module")]
    write = "import os\ntry: open({!r}, 'w').close()\nexcept OSError: pass\n"
    files = {f"{name}__pth": f"import os; exec({write.format(str(marks[0]))!r})\n"}
    files |= {"sitecustomize__py": write.format(str(marks[1])), f"{name}__py": write.format(str(marks[2]))}
    index.wheel(name, "1.0", **files)
    engine = engines(isolation)
    environment, _ = build(engine, name)
    engine._environments.compile_rest(environment.name)
    wait_until((environment / "bytecode-complete").exists)
    assert [mark.exists() for mark in marks] == [False] * 3
    assert list(environment.glob("venv/lib/*/site-packages/__pycache__/sitecustomize.*.pyc"))


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    paused = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        paused.wait(0.05)
    raise AssertionError("not in time")


@pytest.mark.parametrize("isolation", [USER], ids=lambda isolation: isolation.mode)
def test_packages_cannot_change_what_other_environments_share(
    engines: Engines, index: PackageIndex, tmp_path: Path, isolation: Isolation
) -> None:
    """uv links wheels into environments: code that runs in one must not reach the cache, and so all the others."""
    index.wheel("shared", "1.0")
    attack = "import os, shared\ntry: open(shared.__file__, 'a').write('CHANGED = 1')\nexcept OSError: pass\n"
    index.wheel("attacks", "1.0", ["shared"], attacks__py=attack)
    index.wheel("bystander", "1.0", ["shared"])
    engine = engines(isolation)
    build(engine, "attacks")
    environment, _ = build(engine, "bystander")
    (module,) = environment.glob("venv/lib/*/site-packages/shared.py")
    assert "CHANGED" not in module.read_text()


def test_git_is_run_apart(engines: Engines, index: PackageIndex, tmp_path: Path) -> None:
    """A repository is what the requirement says it is: read where its code may run, with no file of the emulator."""
    repository = tmp_path / "home/repository"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    with pytest.raises(EmulatorError) as caught:
        build(engines(USER), f"x @ git+{index.url}/repository")
    assert CANARY not in str(caught.value)
    with pytest.raises((BadDocument, ImageBuildFailure)):
        build(engines(USER), f"x @ git+file://{repository}")


def test_packages_by_their_urls_are_built_apart(engines: Engines, index: PackageIndex) -> None:
    """Also where only what lies at the URL tells which package it is."""
    wheel, source = index.wheel("of_wheel", "1.0"), index.source("of_source", "1.0")
    repository = index.repository("of_git", "1.0")
    lines = (f"{wheel}?sv=1&sig=hunter2hunter2", f"{source}?sv=1&sig=hunter2hunter2", f"git+{repository}")
    environment, said = build(engines(USER), *lines)
    lock = (environment / "requirements.lock").read_text()
    assert re.findall(r"^(\S+) @ ", lock, re.MULTILINE) == ["of-git", "of-source", "of-wheel"]
    assert json.loads((environment / "imports.json").read_text())["pip"] == ["of-wheel", "of-git", "of-source"]
    assert all(list(environment.glob(f"venv/lib/*/site-packages/{name}.py")) for name in ("of_wheel", "of_git"))
    assert "hunter2" not in said


def test_a_build_that_is_interrupted_leaves_nothing(engines: Engines, index: PackageIndex, tmp_path: Path) -> None:
    index.source("sleeps", "1.0", metadata="import time; time.sleep(600)")
    engine, canceled = engines(USER), threading.Event()
    timer = threading.Timer(3, canceled.set)
    timer.start()
    with pytest.raises(EmulatorError, match="interrupted"):
        engine.build_image(spec_of("sleeps"), print, canceled)
    timer.join()
    assert list((tmp_path / "home/process/sandboxes").iterdir()) == []
    assert list((tmp_path / "home/process/environments").glob("[!.]*")) == []


BUILD_AND_DIE = """
import os, sys, threading
sys.path[:0] = {path!r}
from pathlib import Path
from test_untrusted_code import spec_of
from emulator.engines.packaging.python_packages import read_host_packaging
from emulator.engines.process.engine import ProcessEngine
ProcessEngine(Path({folder!r}), "w", read_host_packaging(os.environ)).build_image(
    spec_of("endless"), print, threading.Event())
"""


def test_a_build_ends_with_an_emulator_that_is_killed(
    engines: Engines, index: PackageIndex, shell: Mapping[str, str], tmp_path: Path
) -> None:
    index.source("endless", "1.0", metadata="open('/tmp/began', 'w').close(); import time; time.sleep(600)")
    folder = tmp_path / "home/process"
    text = BUILD_AND_DIE.format(path=[path for path in sys.path if path], folder=str(folder))
    variables = {**packaging_of(index, shell, tmp_path).variables, "PYTHONWARNINGS": "ignore"}
    with subprocess.Popen([sys.executable, "-c", text], env=variables) as emulator:
        wait_until(lambda: bool(list(folder.glob("sandboxes/*/tmp/began"))))
        assert processes_of(folder), "the package's code runs"
        emulator.kill()
    wait_until(lambda: not processes_of(folder))
    engine = engines(USER)
    engine.check()
    assert list((folder / "sandboxes").iterdir()) == []
    engine.prune(frozenset())
    assert list((folder / "environments").glob(".building-*")) == []


def processes_of(folder: Path) -> list[int]:
    """Those that run in a sandbox of that folder: each has its name as HOSTNAME."""
    names = {path.name for path in (folder / "sandboxes").iterdir()}
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get("HOSTNAME") in names and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


# Files that such code leaves


def test_a_link_a_pipe_and_a_flood_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(CANARY)
    (tmp_path / "link").symlink_to(secret)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "flood").write_bytes(b"x" * 101)
    (tmp_path / "plain").write_text("text")
    read = {name: read_untrusted(tmp_path / name, 100) for name in ("link", "pipe", "folder", "flood", "none", "plain")}
    assert read == dict.fromkeys(("link", "pipe", "folder", "flood", "none")) | {"plain": "text"}


def test_a_tree_of_any_depth_is_walked(tmp_path: Path) -> None:
    """os.walk would call itself for each of the levels, and give up."""
    deep = tmp_path
    for _ in range(1200):
        deep = deep / "d"
        deep.mkdir()
    assert sum(1 for _ in walk_untrusted(tmp_path)) == 1201
    for _ in range(1200):  # what cleans up after tests has the same trouble
        deep.rmdir()
        deep = deep.parent


def compiled(tmp_path: Path, package: str) -> tuple[Path, Path]:
    """Where a program has put its compiled files for `package`, with one among them, and the environment."""
    venv = tmp_path / "venv"
    out = Path(f"{tmp_path / 'out'}{venv / 'lib' / package}")
    out.mkdir(parents=True)
    (out / "module.cpython-311.pyc").write_bytes(b"compiled")
    (venv / "lib").mkdir(parents=True)
    return out, venv


def test_compiled_files_are_moved_beside_their_sources(tmp_path: Path) -> None:
    _, venv = compiled(tmp_path, "package")
    (venv / "lib/package").mkdir()
    move_in(tmp_path / "out", venv)
    assert (venv / "lib/package/__pycache__/module.cpython-311.pyc").read_bytes() == b"compiled"


@pytest.mark.parametrize("linked", ["package", "package/__pycache__"])
def test_compiled_files_are_not_moved_through_a_link(tmp_path: Path, linked: str) -> None:
    """It might lead to the emulator's own modules, which would begin with what the package's code has made."""
    _, venv = compiled(tmp_path, "package")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (venv / "lib" / linked).parent.mkdir(exist_ok=True)
    (venv / "lib" / linked).symlink_to(elsewhere)
    move_in(tmp_path / "out", venv)
    assert list(elsewhere.iterdir()) == []


def test_a_compiled_file_that_is_a_link_is_not_moved(tmp_path: Path) -> None:
    out, venv = compiled(tmp_path, "package")
    (venv / "lib/package").mkdir()
    (tmp_path / "secret").write_text(CANARY)
    (out / "link.pyc").symlink_to(tmp_path / "secret")
    os.link(tmp_path / "secret", out / "hard.pyc")
    move_in(tmp_path / "out", venv)
    assert [path.name for path in (venv / "lib/package/__pycache__").iterdir()] == ["module.cpython-311.pyc"]


def test_what_is_shared_with_a_cache_is_copied_before_code_may_write(tmp_path: Path) -> None:
    cached, tree = tmp_path / "cached.py", tmp_path / "tree"
    tree.mkdir()
    cached.write_text("shared")
    os.link(cached, tree / "module.py")
    (tree / "link.py").symlink_to(cached)
    copy_shared_files(tree)
    (tree / "module.py").write_text("changed")
    assert cached.read_text() == "shared"
    assert (tree / "link.py").is_symlink()
    assert sorted(path.name for path in tree.iterdir()) == ["link.py", "module.py"]


def test_the_python_that_builds_nothing_is_kept_as_it_was_made(tmp_path: Path) -> None:
    """uv remembers what it answered; one that was changed is made anew, and without a place there is a spare one."""
    kept = tmp_path / "kept"
    first = refusing_python(kept, tmp_path / "spare")
    made = first.stat().st_mtime_ns
    assert refusing_python(kept, tmp_path / "spare") == first
    assert first.stat().st_mtime_ns == made
    first.write_text('#!/bin/sh\nexec python "$@"\n')
    again = refusing_python(kept, tmp_path / "spare")
    ran = subprocess.run([again, "-c", "print(1)"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert sorted(path.name for path in kept.iterdir()) == [again.parents[1].name], "nothing half made is left"
    (tmp_path / "file").touch()
    assert refusing_python(tmp_path / "file", tmp_path / "spare") == tmp_path / "spare/bin/python"
