"""A team's sandbox as a team runs it: a clean copy of the repository, a file .env, docker compose."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amlemu_process import Environ, free_ports

ROOT = Path(__file__).resolve().parents[2]
_PROJECT = f"amlemu-test-{os.getpid()}"
_SECONDS = 280.0


@dataclass(frozen=True)
class Sandbox:
    """A clone at `folder`; `control` and `shared` are the ports of the control API and of endpoints with a path."""

    folder: Path
    project: str
    control: int
    shared: int

    def compose(self, *words: str, code: int = 0) -> str:
        """`docker compose …`, and what it prints; it must end with that exit code."""
        done = run("docker", "compose", *words, cwd=self.folder)
        assert done.returncode == code, f"docker compose {' '.join(words)}: {done.stdout}\n{done.stderr}\n{self.log()}"
        return done.stdout

    def up(self) -> None:
        self.compose("up", "--wait")

    def inside(self, *words: str, code: int = 0) -> str:
        """`amlemu …` in the emulator's container."""
        return self.compose("exec", "-T", "emulator", "amlemu", *words, code=code)

    def log(self) -> str:
        """The emulator's log."""
        return run("docker", "compose", "logs", "--no-log-prefix", cwd=self.folder).stdout

    def outside(self, token: str) -> Environ:
        """A shell on another machine: it knows the URL and the token, and has nothing of the emulator's."""
        mine = {name: value for name, value in clean_environ().items() if not name.startswith("AMLEMU_")}
        url = f"http://127.0.0.1:{self.control}"
        return {**mine, "XDG_DATA_HOME": str(self.folder), "AMLEMU_URL": url, "AMLEMU_TOKEN": token}

    def container(self) -> dict[str, Any]:
        """What Docker says of the emulator's container."""
        return inspect(self.compose("ps", "--all", "--quiet", "emulator").strip())

    def workspace_id(self) -> str:
        return str(json.loads(self.inside("status", "-o", "json"))["workspace_id"])

    def left(self, workspace_id: str = "") -> list[str]:
        """Containers, networks and volumes of this sandbox, and scoring containers of its workspace."""
        ours = f"label=com.docker.compose.project={self.project}"
        of_workspace = f"label=amlemu.workspace={workspace_id}"
        asked = [
            ("ps", "--all", "--format", "container {{.Names}}", "--filter", ours),
            ("network", "ls", "--format", "network {{.Name}}", "--filter", ours),
            ("volume", "ls", "--format", "volume {{.Name}}", "--filter", ours),
        ]
        if workspace_id:
            asked.append(("ps", "--all", "--format", "container {{.Names}}", "--filter", of_workspace))
        return [line for words in asked for line in run("docker", *words).stdout.splitlines()]


def clean_environ() -> Environ:
    """This shell without what it says about sandboxes; only .env is to count."""
    return {n: v for n, v in os.environ.items() if not n.startswith(("AMLEMU_", "COMPOSE_"))}


def run(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command to its end, whatever comes of it."""
    return subprocess.run(
        words, cwd=cwd, env=clean_environ(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS,
        check=False,
    )  # fmt: skip


def inspect(name: str) -> dict[str, Any]:
    """`docker inspect` of one thing."""
    done = run("docker", "inspect", name)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    return dict(found)


@contextmanager
def clone(folder: Path, **env: str) -> Iterator[Sandbox]:
    """A clean copy of what is in the repository, with a file .env; nothing of it is left at the end but its image."""
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT).stdout
    copy((name for name in files.split("\0") if name and (ROOT / name).is_file()), folder)
    ports = free_ports()
    settings = {
        "COMPOSE_PROJECT_NAME": _PROJECT,
        "AMLEMU_PORT": str(ports[0]),
        "AMLEMU_GATEWAY_PORT": str(ports[1]),
        "AMLEMU_ENDPOINT_PORTS": f"{ports[2]}-{ports[5]}",
        **env,
    }
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    sandbox = Sandbox(folder, _PROJECT, ports[0], ports[1])
    try:
        yield sandbox
    finally:
        run("docker", "compose", "kill", cwd=folder)
        run("docker", "compose", "run", "--rm", "emulator", "prune", cwd=folder)
        run("docker", "compose", "down", "--volumes", "--rmi", "local", cwd=folder)


def copy(names: Iterator[str], folder: Path) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)


def reaches(network: str, image: str, host: str, port: int) -> bool:
    """Whether a container on that network gets through to that address."""
    program = f"import socket; socket.create_connection(({host!r}, {port}), 3).close()"
    words: Sequence[str] = ("--network", network, "--entrypoint", "python", image, "-c", program)
    return run("docker", "run", "--rm", *words).returncode == 0
