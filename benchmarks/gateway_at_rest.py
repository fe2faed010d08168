"""What a gateway with many endpoints needs while nothing happens, and while 100 MB stream through it.

    .venv/bin/python benchmarks/gateway_at_rest.py [--endpoints N] [--seconds S] [--megabytes N]

The gateway runs in a process of its own, without the control API.  Printed are its resident memory with all endpoints
open and each asked once, its processor time while idle, how much its memory grows while an answer of that size streams
through it, and how much later than directly the first byte of it arrives.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psutil
from scoring_server import free_port

from emulator.gateway import Gateway
from emulator.profiles import profile_of
from emulator.routing.routes import DeploymentRoute, EndpointRoute, Instance

KEY = "benchmark-key"
RESIDENT_AT_MOST_MB = 90
IDLE_AT_MOST_PERCENT = 1.0
GROWTH_AT_MOST_MB = 16
MEGABYTE = 1024 * 1024
ASKED = b"GET /score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n" % KEY.encode()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoints", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to watch it idle")
    parser.add_argument("--megabytes", type=int, default=100, help="the length of the streamed answer")
    parser.add_argument("--serve", nargs=2, type=int, metavar=("UPSTREAM", "ENDPOINTS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(*options.serve)
        return
    with container(options.megabytes) as upstream, gateway(upstream, options.endpoints) as (process, ports):
        for port in ports:
            first_byte_ms(port)
        resident = process.memory_info().rss / MEGABYTE
        idle = idle_percent(process, options.seconds)
        growth = streamed_growth_mb(process, ports[0])
        later = first_byte_ms(ports[0], 21) - first_byte_ms(upstream, 21)
    count = options.endpoints
    print(f"resident with {count} endpoints          {resident:8.1f} MB   (at most {RESIDENT_AT_MOST_MB})")
    print(f"processor while idle                 {idle:8.2f} %    (below {IDLE_AT_MOST_PERCENT:g})")
    print(f"growth while {options.megabytes} MB stream          {growth:8.1f} MB   (at most {GROWTH_AT_MOST_MB})")
    print(f"first byte of a stream, later        {later:8.2f} ms")


def serve(upstream: int, count: int) -> None:
    """Be the gateway until standard input ends."""
    running = Gateway("127.0.0.1", 0, lambda _endpoint, _line: None)
    running.start()
    ports = []
    for number in range(count):
        blue = DeploymentRoute("blue", 100, (Instance(f"one-{number}", "127.0.0.1", upstream),), max_concurrent=4)
        route = EndpointRoute(f"endpoint-{number}", free_port(), profile_of("managed"), (KEY,), (blue,))
        running.put(route)
        ports.append(route.port)
    print(json.dumps(ports), flush=True)
    sys.stdin.read()
    running.stop(1.0)


@contextmanager
def gateway(upstream: int, count: int) -> Iterator[tuple[psutil.Process, list[int]]]:
    """A gateway in a process of its own, and the ports of its endpoints."""
    command = [sys.executable, __file__, "--serve", str(upstream), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield psutil.Process(process.pid), json.loads(process.stdout.readline())
        process.communicate()


@contextmanager
def container(megabytes: int) -> Iterator[int]:
    """A server whose every answer is that long, in chunks; its port."""
    piece = b"x" * MEGABYTE
    coded = b"%x\r\n%s\r\n" % (len(piece), piece)

    def answer(sock: socket.socket) -> None:
        with closing(sock):
            try:
                sock.recv(65536)
                sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for _ in range(megabytes):
                    sock.sendall(coded)
                sock.sendall(b"0\r\n\r\n")
            except OSError:
                return  # whoever wanted the first byte only has gone

    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as listening:

        def accept() -> None:
            while True:
                try:
                    sock, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(sock,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]


def idle_percent(process: psutil.Process, seconds: float) -> float:
    """Processor time of one core while nobody asks anything."""
    time.sleep(1.0)
    before = sum(process.cpu_times()[:2])
    time.sleep(seconds)
    return (sum(process.cpu_times()[:2]) - before) / seconds * 100


def streamed_growth_mb(process: psutil.Process, port: int) -> float:
    """How far the memory rises while one answer streams through at the pace of its reader."""
    before = highest = process.memory_info().rss
    with closing(socket.create_connection(("127.0.0.1", port))) as sock:
        sock.sendall(ASKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        while sock.recv(256 * 1024):
            highest = max(highest, process.memory_info().rss)
    return (highest - before) / MEGABYTE


def first_byte_ms(port: int, times: int = 1) -> float:
    """How long the first byte of a body takes, the median of so many tries."""
    taken = []
    for _ in range(times):
        with closing(socket.create_connection(("127.0.0.1", port))) as sock:
            began = time.perf_counter()
            sock.sendall(ASKED)
            data = b""
            while data.partition(b"\r\n\r\n")[2] == b"":
                data += sock.recv(4096)
            taken.append((time.perf_counter() - began) * 1000)
        time.sleep(0.02)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
