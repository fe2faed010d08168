"""A Docker Engine of the test's own, which it may end and start again without disturbing anybody."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_SECONDS = 60.0


class PrivateDockerd:
    """`url` is what DOCKER_HOST must be; all of its files lie in `folder`, its bridge in the network namespace `space`.

    In this machine's own namespace it would take the bridge of the usual engine for its own, or remove it.
    """

    def __init__(self, folder: Path, space: str, bridge_address: str) -> None:
        self._folder, self._space, self._bridge_address = folder, space, bridge_address
        self._socket = folder / "docker.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    def start(self, *options: str) -> None:
        """Start it, and wait until it answers."""
        (self._folder / "none.json").write_text("{}")
        command: list[str | Path] = [
            "nsenter", f"--net=/run/netns/{self._space}", "dockerd", "--host", self.url,
            "--config-file", self._folder / "none.json",
            "--data-root", self._folder / "data", "--exec-root", self._folder / "exec",
            "--pidfile", self._folder / "pid", "--bip", self._bridge_address, "--iptables=false", "--ip6tables=false",
            "--ip-masq=false", *options,
        ]  # fmt: skip
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + _SECONDS
        while self.docker("version", check=False).returncode:
            alive = self._process.poll() is None and time.monotonic() < deadline
            assert alive, f"dockerd does not answer: {(self._folder / 'log').read_text()[-4000:]}"
            time.sleep(0.05)

    def end(self) -> None:
        """End it as a service manager does, and wait for its end."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(_SECONDS)

    def docker(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """The docker command on it."""
        environ = {**os.environ, "DOCKER_HOST": self.url}
        return subprocess.run(["docker", *words], env=environ, check=check, capture_output=True)

    def load(self, image: str) -> None:
        """Copy an image of the usual engine."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as save:
            subprocess.run(["docker", "--host", self.url, "load", "--quiet"], stdin=save.stdout, check=True)
        assert save.returncode == 0

    def remove_all(self) -> None:
        """End every container and the engine, and whatever of it was killed and left something running."""
        if self._process is None or self._process.poll() is not None:
            self.start()
        ids = self.docker("ps", "--all", "--quiet").stdout.decode().split()
        if ids:
            self.docker("rm", "--force", *ids)
        self.end()


@contextmanager
def private_dockerd(folder: Path) -> Iterator[PrivateDockerd]:
    """One that does not run yet; the test is skipped where none can."""
    if os.geteuid() != 0:
        pytest.skip("only root can run a Docker Engine of the test's own")
    if shutil.which("dockerd") is None or shutil.which("ip") is None or shutil.which("nsenter") is None:
        pytest.skip("there is no dockerd here to run a second one, or no ip and nsenter to keep it apart")
    number = os.getpid() % 250
    space, link = f"amltest{number}", f"amltest{number}"
    here, there = f"10.214.{number}.1", f"10.214.{number}.2"
    commands = (
        ("netns", "add", space),
        ("link", "add", link, "type", "veth", "peer", "name", "up0", "netns", space),
        ("address", "add", f"{here}/30", "dev", link),
        ("link", "set", link, "up"),
        ("-n", space, "link", "set", "lo", "up"),
        ("-n", space, "address", "add", f"{there}/30", "dev", "up0"),
        ("-n", space, "link", "set", "up0", "up"),
        ("-n", space, "route", "add", "default", "via", here),
        ("route", "add", f"10.213.{number}.0/24", "via", there),  # to its containers
    )
    try:
        for command in commands:
            made = subprocess.run(["ip", *command], capture_output=True, text=True, check=False)
            if made.returncode:
                pytest.skip(f"a network for a second Docker Engine cannot be made here: {made.stderr.strip()}")
        dockerd = PrivateDockerd(folder, space, f"10.213.{number}.1/24")
        try:
            yield dockerd
        finally:
            dockerd.remove_all()
    finally:
        with suppress(OSError):
            subprocess.run(["ip", "link", "delete", link], capture_output=True, check=False)
            subprocess.run(["ip", "netns", "delete", space], capture_output=True, check=False)
        for mounted in reversed(_mounted_below(folder)):  # with --live-restore it leaves them
            subprocess.run(["umount", mounted], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _mounted_below(folder: Path) -> list[str]:
    places = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return [place for place in places if place.startswith(f"{folder}/")]
