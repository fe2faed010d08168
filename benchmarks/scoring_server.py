"""A real azureml-inference-server-http, bare: what the benchmarks and the differential tests hold amlemu against."""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import platformdirs

SERVER = "azureml-inference-server-http"
_START_SECONDS = 60.0


class NotStarted(Exception):
    """The scoring server ended, or did not answer in time; the text is the end of its log."""


def server_python(*requirements: str) -> Path:
    """An interpreter with these packages, made once with uv in the user's cache."""
    digest = hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:12]
    folder = Path(platformdirs.user_cache_dir("amlemu")) / "servers" / digest
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--clear", str(folder)], check=True)
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(python), *requirements], check=True)
        (folder / ".ready").touch()
    return python


@contextmanager
def scoring_server(
    python: Path, script: Path, log: Path, *, workers: int = 1, variables: Mapping[str, str] | None = None
) -> Iterator[int]:
    """A running azmlinfsrv with that entry script; its port.  NotStarted when it does not come up."""
    port = free_port()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*_command(python), "--entry_script", script.name, "--port", str(port)],
            cwd=script.parent,
            env={**os.environ, "WORKER_COUNT": str(workers), "AZUREML_LOG_LEVEL": "ERROR", **(variables or {})},
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_healthy(port, process, log)
            yield port
        finally:
            process.terminate()
            process.wait(30)


def _command(python: Path) -> Sequence[str]:
    script = python.parent / "azmlinfsrv"
    return [str(script)] if script.exists() else [str(python), "-m", "azureml_inference_server_http.amlserver"]


def _wait_until_healthy(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if _is_healthy(port):
            return
        time.sleep(0.05)
    raise NotStarted(f"the scoring server did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _is_healthy(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False


def free_port() -> int:
    """A port on which nothing listens, outside the range from which systems give ports to whoever connects."""
    for port in random.sample(range(20_000, 30_000), 200):
        try:
            with closing(socket.create_server(("127.0.0.1", port))):
                return port
        except OSError:
            continue
    raise OSError("no port is free")
