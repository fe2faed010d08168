"""What a hostile scoring script reaches on the process engine: run as it would be, with its own eyes and hands."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from emulator.containers.spec import ContainerSpec
from emulator.difference import texts
from emulator.engines.process.containers import stop
from emulator.engines.process.isolation import (
    Entry,
    Folders,
    Isolation,
    Most,
    differences,
    mounts,
    not_shown,
    supervisor_plan,
)
from emulator.engines.process.launch import bound_socket, launch, read_machine
from emulator.system.os_process import ProcessFacts, wait_until_gone
from emulator.system.removal import remove_tree

ROOT, USER = Isolation("root", pid_namespace=True), Isolation("user", pid_namespace=True)
MODES = [ROOT, USER] if os.geteuid() == 0 else [USER]
TOKEN = "amlemu_canary-that-no-script-must-see-0123456789"
ORDINARY = 12_345
# The system's, where it has one: that of the tests may lie in a home.
_OWN = Path(sys.base_prefix).resolve()
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else f"{_OWN}/bin/python3.{sys.version_info.minor}"
VISIBLE = () if PYTHON == "/usr/bin/python3" else not_shown([str(_OWN)])
SCRIPT = Path("/var/azureml-app/score.py")
LOOK = """
import ctypes, glob, json, os, signal, socket, stat, subprocess, sys

def attempt(what):
    try:
        return what()
    except BaseException as error:
        return f"refused: {type(error).__name__}"

def read(path):
    with open(path, "rb") as file:
        return file.read(1 << 20).decode("utf-8", "replace")
"""


@dataclass
class Script:
    """A script that was started, and where; `printed` is what it has said once it has ended."""

    own: Path
    facts: ProcessFacts

    def wait(self, seconds: float = 40.0) -> str:
        assert wait_until_gone(self.facts, seconds), "it goes on"
        return (self.own / "log").read_text(errors="replace")

    def answer(self) -> Any:
        said = self.wait()
        line = said.strip().splitlines()[-1] if said.strip() else ""
        assert line.startswith("{"), said
        return json.loads(line)


class Home:
    """An emulator's home with its token, in which scripts are started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scripts: list[Script] = []
        (folder / "token.json").write_text(json.dumps({"token": TOKEN}))
        (folder / "token.json").chmod(0o600)

    def start(self, isolation: Isolation, code: str, most_processes: int = 4096) -> Script:
        own = self.folder / f"process/containers/{secrets.token_hex(6)}"
        layout = own / "layout"
        for name in ("root", "home", "tmp", "var-tmp", "venv", "layout"):
            (own / name).mkdir(parents=True)
            (own / name).chmod(0o777)
        (own / "launch.py").touch()
        (layout / SCRIPT.name).write_text(LOOK + code)
        folders = Folders(str(own), str(own), str(layout), VISIBLE, hidden=(str(self.folder),))
        plan = supervisor_plan(
            isolation,
            folders,
            read_machine(),
            command=[PYTHON, "-S", str(SCRIPT)],
            environment={"PATH": "/usr/bin:/bin", "HOME": "/home/dockeruser"},
            working_dir="/var/azureml-app",
            log_bytes=1 << 20,
            most=Most(most_processes),
        )
        started: list[ProcessFacts] = []
        with bound_socket() as listener:
            launch(plan, listener, started.append)
        self.scripts.append(Script(own, started[0]))
        return self.scripts[-1]

    def end(self) -> None:
        for script in self.scripts:
            stop(script.facts, 0)
        remove_tree(self.folder)


@pytest.fixture(params=["/tmp", "/var/lib"] if os.geteuid() == 0 else ["/tmp"])
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    """Where it usually lies out of sight, and where a folder of the system holds it, which scripts see."""
    folder = Path(request.param, f"amlemu-hostile-{os.getpid()}")
    folder.mkdir(mode=0o755)
    home = Home(folder)
    os.environ["AMLEMU_TOKEN"] = TOKEN
    yield home
    del os.environ["AMLEMU_TOKEN"]
    home.end()


@pytest.mark.parametrize("isolation", MODES, ids=lambda isolation: isolation.mode)
def test_no_way_leads_to_the_token(home: Home, isolation: Isolation) -> None:
    """The test's own process is the emulator: it has the token in its environment, as one with AMLEMU_TOKEN has."""
    code = f"""
home, emulator, supervisor = {str(home.folder)!r}, {os.getpid()}, {os.getppid()}
found = {{}}
for path in [home + "/token.json", home, "/root", os.path.expanduser("~root"), home + "/process/containers"]:
    found[path] = attempt(lambda: read(path) if os.path.isfile(path) else os.listdir(path))
pids = [name for name in os.listdir("/proc") if name.isdigit()]
for pid in [*pids, str(emulator), str(supervisor)]:
    for part in ("environ", "cmdline", "maps", "root" + home + "/token.json", "cwd/token.json", "root/etc/shadow"):
        found[f"{{pid}}/{{part}}"] = attempt(lambda: read(f"/proc/{{pid}}/{{part}}"))
    for number in attempt(lambda: os.listdir(f"/proc/{{pid}}/fd")) if pid != str(os.getpid()) else ():
        if number.isdigit() and os.path.isfile(f"/proc/{{pid}}/fd/{{number}}"):
            found[f"{{pid}}/fd/{{number}}"] = attempt(lambda: read(f"/proc/{{pid}}/fd/{{number}}"))
    if pid not in ("1", str(os.getpid())):
        found[f"ptrace {{pid}}"] = ctypes.CDLL(None).ptrace(16, int(pid), 0, 0)
    found[f"kill {{pid}}"] = attempt(lambda: os.kill(int(pid), 0)) if pid in map(str, (emulator, supervisor)) else ""
own = sorted(int(n) for n in os.listdir("/proc/self/fd"))
found["inherited"] = [n for n in own if n > 3 and not str(attempt(lambda: os.fstat(n))).startswith("refused")]
found["variables"] = dict(os.environ)
found["shadow"] = attempt(lambda: read("/etc/shadow"))
found["temporary"] = [*os.listdir("/tmp"), *os.listdir("/var/tmp"), *os.listdir("/dev/shm")]
found["sockets"] = [p for p in (glob.glob("/run/**", recursive=True) + glob.glob("/var/run/**", recursive=True))
                    if os.path.exists(p) and stat.S_ISSOCK(os.stat(p).st_mode)]
found["pids"] = len(pids)
print(json.dumps(found))
"""
    found = home.start(isolation, code).answer()
    assert TOKEN not in json.dumps(found)
    assert not [name for name, value in found.items() if name.startswith("ptrace") and value == 0]
    assert found["inherited"] == []
    assert set(found["variables"]) <= {"PATH", "HOME", "LISTEN_FDS", "LISTEN_PID", "LC_CTYPE", "PWD"}
    assert found["temporary"] == []
    assert found["sockets"] == []
    assert found["pids"] <= 3, "its own processes alone"
    assert "root:" not in found["shadow"]


@pytest.mark.parametrize("isolation", MODES, ids=lambda isolation: isolation.mode)
def test_no_terminal_and_no_device_of_the_machine(home: Home, isolation: Isolation) -> None:
    master, terminal = os.openpty()
    name = os.ttyname(terminal)
    code = f"""
import fcntl
found = {{"devices": sorted(os.listdir("/dev")), "terminals": sorted(os.listdir("/dev/pts"))}}
found["theirs"] = attempt(lambda: open({name!r}, "w").write("hello from a script"))
found["own terminal"] = attempt(lambda: open("/dev/tty", "w").write("hello"))
found["console"] = attempt(lambda: open("/dev/console", "w").write("hello"))
found["stdin"] = os.readlink("/proc/self/fd/0")
found["injected"] = [attempt(lambda: fcntl.ioctl(n, 0x5412, b"x")) for n in (0, 1, 2)]
found["leads"] = os.getsid(0) == os.getpid()
with open("/dev/null", "w") as null: null.write("x")
found["random"] = len(open("/dev/urandom", "rb").read(8)) + len(open("/dev/zero", "rb").read(8))
found["full"] = attempt(lambda: os.write(os.open("/dev/full", os.O_WRONLY), b"x"))
found["shared"] = attempt(lambda: open("/dev/shm/mine", "w").write("mine"))
found["pty"] = attempt(lambda: len(os.openpty()))
print(json.dumps(found))
"""
    try:
        found = home.start(isolation, code).answer()
        os.set_blocking(master, False)
        with pytest.raises(BlockingIOError):
            os.read(master, 100)
    finally:
        os.close(master)
        os.close(terminal)
    gpus = {Path(entry.path).name for entry in read_machine() if entry.path.startswith("/dev/")}
    usual = {"null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout", "stderr", "ptmx", "shm", "pts"}
    assert set(found["devices"]) - gpus == usual
    assert set(found["terminals"]) <= {"ptmx"}
    assert all(str(found[name]).startswith("refused") for name in ("theirs", "own terminal", "console", "full"))
    assert all(str(answer).startswith("refused") for answer in found["injected"])
    assert found["stdin"] == "/dev/null"
    assert (found["leads"], found["random"], found["shared"]) == (True, 16, 4)
    assert found["pty"] == 2, "a terminal of its own is another matter"


BOMB = """
children = []
while len(children) < 300:
    try:
        pid = os.fork()
    except OSError:
        break
    if pid == 0:
        signal.pause()
    children.append(pid)
print(json.dumps({"children": len(children)}), flush=True)
os._exit(0)
"""


def as_ordinary_user(work: Callable[[], Any]) -> Any:
    """What it returns, done by a user who has nothing to say on this machine; by the tests' own where that is one."""
    if os.geteuid() != 0:
        return work()
    answer, told = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setgid(ORDINARY)
            os.setuid(ORDINARY)
            sys.executable = PYTHON  # which runs the supervisor
            os.write(told, json.dumps(work()).encode())
        os._exit(0)
    os.close(told)
    with os.fdopen(answer, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return json.loads(said or b"null")


def test_a_fork_bomb_ends_at_its_own_limit(home: Home) -> None:
    """As the user to whom all containers of an emulator that is root belong, and as an ordinary one."""

    def children(isolation: Isolation) -> list[int]:
        scripts = [home.start(isolation, BOMB, 60) for _ in range(2)]
        return [script.answer()["children"] for script in scripts]

    home.folder.chmod(0o777)
    (home.folder / "process/containers").mkdir(parents=True)
    for folder in ("process/containers", "process"):
        (home.folder / folder).chmod(0o777)
    found = [as_ordinary_user(lambda: children(USER)), *([children(ROOT)] if ROOT in MODES else [])]
    for counts in found:
        assert counts is not None
        assert all(20 <= count < 60 for count in counts), f"each has its own count: {found}"


def test_an_ordinary_users_secrets_are_out_of_reach(home: Home) -> None:
    """The token and the keys of whoever runs the emulator, whose rights the script has."""
    home.folder.chmod(0o777)
    for name in ("token.json", "id_ed25519"):
        (home.folder / name).write_text(TOKEN)
        if os.geteuid() == 0:
            os.chown(home.folder / name, ORDINARY, ORDINARY)
    code = f"""
names = ("token.json", "id_ed25519")
print(json.dumps({{name: attempt(lambda: read({str(home.folder)!r} + "/" + name)) for name in names}}))
"""
    found = as_ordinary_user(lambda: home.start(USER, code).answer())
    assert found == dict.fromkeys(("token.json", "id_ed25519"), "refused: FileNotFoundError")


@pytest.mark.parametrize("isolation", MODES, ids=lambda isolation: isolation.mode)
def test_what_it_leaves_behind_ends_with_it(home: Home, isolation: Isolation) -> None:
    """A daemon: forked twice, in a session of its own, without environment, deaf to what asks it to end."""
    code = """
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if os.fork() == 0:
            os.execve("/bin/sh", ["sh", "-c", "while :; do : > /tmp/alive; sleep 0.1; done"], {})
        os._exit(0)
import time
print(json.dumps({"ready": 1}), flush=True)
time.sleep(60)
"""
    script = home.start(isolation, code)
    alive = script.own / "tmp/alive"
    deadline = time.monotonic() + 20
    while not alive.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stop(script.facts, 0.5)
    alive.unlink()
    time.sleep(0.5)
    assert not alive.exists()


@pytest.mark.parametrize("isolation", MODES, ids=lambda isolation: isolation.mode)
def test_no_core_dump_and_no_rights(home: Home, isolation: Isolation) -> None:
    code = """
import resource
status = dict(line.split(":", 1) for line in read("/proc/self/status").splitlines() if ":" in line)
found = {"uid": os.getuid(), "gid": os.getgid(), "core": resource.getrlimit(resource.RLIMIT_CORE),
         "processes": resource.getrlimit(resource.RLIMIT_NPROC)[0], "capabilities": int(status["CapEff"], 16),
         "bounding": int(status["CapBnd"], 16), "new": int(status["NoNewPrivs"])}
found["mount"] = ctypes.CDLL(None).mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None)
found["root"] = attempt(lambda: os.setuid(0))
found["app"] = attempt(lambda: open("/var/azureml-app/new", "w"))
print(json.dumps(found))
"""
    found = home.start(isolation, code).answer()
    assert (found["uid"], found["gid"], found["core"], found["processes"]) == (1000, 1000, [0, 0], 4096)
    assert (found["capabilities"], found["bounding"], found["new"], found["mount"]) == (0, 0, 1, -1)
    assert found["root"].startswith("refused")
    assert found["app"].startswith("refused")


def test_it_reaches_the_network_and_is_nobody_there(home: Home) -> None:
    """To connect is allowed, as in the cloud; what is behind wants the token."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        found = home.start(MODES[0], f"""
with socket.create_connection(("127.0.0.1", {port})) as connection:
    print(json.dumps({{"connected": True}}))
""").answer()  # fmt: skip
    assert found == {"connected": True}


def test_home_and_secrets_are_hidden_wherever_the_system_shows_them() -> None:
    folders = Folders("/c", "/e", "/l", hidden=("/var/lib/owner/.amlemu", "/srv/owner", "/usr/local/owner"))
    steps = mounts(USER, folders, [Entry("/var/lib"), Entry("/dev/nvidia0"), Entry("/dev/sda")])
    hidden = [step["path"].removeprefix(f"{folders.own}/root") for step in steps if step["kind"] == "hide"]
    assert "/var/lib/owner/.amlemu" in hidden
    assert "/usr/local/owner" in hidden
    assert "/srv/owner" not in hidden, "it is not there in the first place"
    assert "/etc/shadow" in hidden
    assert not [step for step in steps if step.get("source") == "/dev"]


def test_what_cannot_be_hidden_or_bounded_is_a_difference() -> None:
    spec = ContainerSpec(name="c", image="0", layout="/l", working_dir=None, environment_variables={}, labels={})
    told = {mode: " ".join(texts(differences(isolation, spec, "me", 1))) for mode, isolation in {
        "user": USER, "visible": Isolation("user", pid_namespace=False), "none": Isolation("none", False, "macOS"),
    }.items()}  # fmt: skip
    assert "token" not in told["user"]
    assert "its token" in told["visible"]
    assert "the emulator's files and token" in told["none"]
    assert "not counted" in told["none"]
    assert all("disk" in text for text in told.values())
