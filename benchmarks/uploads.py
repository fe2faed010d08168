"""How fast a model goes to an emulator on another machine, against `curl -T` of the same file to a bare file sink.

Both sides alternate, each with a file that nobody has seen before; both end with an fsync.  `again` is the same model
once more: nothing of it is sent.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

AMLEMU = (sys.executable, "-m", "emulator")
BOUND = 0.7
_BLOCK = 1 << 20
Environ = dict[str, str]


class Sink(BaseHTTPRequestHandler):
    """Writes what is put to a file, as plainly as can be; a new one each time, as a registry has to."""

    folder: Path

    def do_PUT(self) -> None:
        """Take the body."""
        left = int(self.headers["Content-Length"])
        with (self.folder / str(time.monotonic_ns())).open("wb", buffering=0) as file:
            while left and (block := self.rfile.read(min(_BLOCK, left))):
                file.write(block)
                left -= len(block)
            os.fsync(file.fileno())
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def seconds(command: tuple[str, ...], environ: Environ) -> float:
    """How long a command takes."""
    began = time.monotonic()
    subprocess.run(command, env=environ, check=True, capture_output=True)
    return time.monotonic() - began


def new_file(path: Path, megabytes: int, more: int) -> Path:
    """A file of random bytes and a size of its own, written out so that nobody waits for it later."""
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(10**6))
        file.write(bytes(more))
        file.flush()
        os.fsync(file.fileno())
    return path


def main() -> int:
    """Run the rounds and print medians; 1 when the bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=1500)
    parser.add_argument("--port", type=int, default=28080)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="amlemu-bench-") as name:
        folder = Path(name)
        mine = {n: v for n, v in os.environ.items() if not n.startswith("AMLEMU_")}
        ports = {"AMLEMU_PORT": str(options.port), "AMLEMU_GATEWAY_PORT": str(options.port + 1)}
        server = mine | ports | {"AMLEMU_HOME": str(folder / "home"), "AMLEMU_ENGINE": "process"}
        mine["AMLEMU_TOKEN"] = server["AMLEMU_TOKEN"] = "a-token-of-the-benchmark"
        subprocess.run([*AMLEMU, "up", "--detach"], env=server, check=True, capture_output=True)
        try:
            client = mine | {"AMLEMU_URL": f"http://127.0.0.1:{options.port}", "XDG_CONFIG_HOME": str(folder)}
            return rounds(options, folder, mine, client)
        finally:
            subprocess.run([*AMLEMU, "down"], env=server, check=False, capture_output=True)


def rounds(options: argparse.Namespace, folder: Path, mine: Environ, client: Environ) -> int:
    """Alternate between the two."""
    Sink.folder = folder
    sink = HTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    bare, ours, again = [], [], []
    for number in range(options.rounds):
        file = new_file(folder / "model.bin", options.megabytes, number)
        bare.append(seconds(("curl", "-sfT", str(file), f"http://127.0.0.1:{sink.server_port}/"), mine))
        register = (*AMLEMU, "model", "register", "--name", "big", "--path", str(file))
        ours.append(seconds(register, client))
        again.append(seconds((*register, "--tag", f"round={number}"), client))
    ratio, once_more = statistics.median(bare) / statistics.median(ours), statistics.median(again)
    print(f"curl -T to a file sink: {statistics.median(bare):.2f} s for {options.megabytes} MB")
    print(f"amlemu model register there: {statistics.median(ours):.2f} s; the same again: {once_more:.2f} s")
    print(f"speed of the upload: {ratio:.2f} of curl's (bound {BOUND}): {'kept' if ratio >= BOUND else 'MISSED'}")
    return 0 if ratio >= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
