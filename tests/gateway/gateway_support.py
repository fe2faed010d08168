"""Real servers and raw clients for the gateway's tests: what goes over the wire is written out in bytes."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Any

from scoring_server import free_port

from emulator.entities import Target
from emulator.gateway import Gateway
from emulator.profiles import profile_of
from emulator.routing.routes import DeploymentRoute, EndpointRoute, Instance
from emulator.routing.tokens import TokenCheck

# No test meets the bounds of admission but those that are about them.
PLENTY = 10_000
KEYS = ("primary-key", "secondary-key")
AUTHORIZED = b"Authorization: Bearer primary-key\r\n"


@dataclass
class Received:
    """A request as a container got it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    head: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


def read_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The pieces of a chunked body."""
    while size := int(file.readline(), 16):
        data = file.read(size)
        assert file.readline() == b"\r\n"
        yield data
    assert file.readline() == b"\r\n"


class Conversation:
    """The container's side of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def read_head(self) -> Received | None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.file.readline()
            if not line:
                return None
            head += line
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        return Received(method, target, headers, b"", head)

    def read_body(self, received: Received) -> bytes:
        if received.all("Transfer-Encoding"):
            received.body = b"".join(self.chunks())
        elif received.all("Content-Length"):
            received.body = self.file.read(int(received.all("Content-Length")[0]))
        return received.body

    def chunks(self) -> Iterator[bytes]:
        return read_chunks(self.file)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)


Script = Callable[[Conversation, Received], bool]
"""Answers one request whose head was read; True when the connection may carry another."""


class Container:
    """A server that answers by a script, one thread for each connection; `received` is what reached it."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.received: list[Received] = []
        self.connections = 0
        self.open_connections = 0
        self._sock = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port: int = self._sock.getsockname()[1]
        self._conversations: set[Conversation] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._converse, args=(sock,))
            with self._lock:
                self.connections += 1
                self._threads.append(thread)
            thread.start()

    def _converse(self, sock: socket.socket) -> None:
        conversation = Conversation(sock)
        with self._lock:
            self._conversations.add(conversation)
            self.open_connections += 1
        try:
            while (received := conversation.read_head()) is not None:
                self.received.append(received)
                if not self.script(conversation, received):
                    break
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._conversations.discard(conversation)
                conversation.close()
                self.open_connections -= 1

    def close(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._acceptor.join()
        with self._lock:
            for conversation in self._conversations:
                with suppress(OSError):  # its other side has reset it
                    conversation.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


def echo(conversation: Conversation, received: Received) -> bool:
    """Answers with what it was asked, as JSON; keeps the connection."""
    conversation.read_body(received)
    asked = {
        "method": received.method,
        "target": received.target,
        "headers": received.headers,
        "body": received.body.decode("latin-1"),
    }
    body = json.dumps(asked).encode()
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    return True


def answering(raw: bytes, *, keep: bool = False) -> Script:
    """A script that reads the request and answers with these bytes."""

    def script(conversation: Conversation, received: Received) -> bool:
        conversation.read_body(received)
        conversation.send(raw)
        return keep

    return script


@contextmanager
def container(script: Script = echo) -> Iterator[Container]:
    running = Container(script)
    try:
        yield running
    finally:
        running.close()


@dataclass
class Answer:
    """An answer as the caller got it; `headers` in their order."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """The caller's side of one connection."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.sock.makefile("rb")

    def send(self, raw: bytes) -> None:
        self.sock.sendall(raw)

    def answer(self, method: str = "POST") -> Answer:
        first, *lines = self.read_until(b"\r\n\r\n")[:-4].decode("latin-1").split("\r\n")
        _, status, reason = first.split(" ", 2)
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        answer = Answer(int(status), reason, headers, b"")
        if method != "HEAD" and answer.status not in (204, 304):
            answer.body = self._body(answer)
        return answer

    def _body(self, answer: Answer) -> bytes:
        if answer.all("Transfer-Encoding"):
            return b"".join(read_chunks(self.file))
        if answer.all("Content-Length"):
            return self.file.read(int(answer.all("Content-Length")[0]))
        return self.file.read()

    def read_until(self, mark: bytes) -> bytes:
        data = b""
        while not data.endswith(mark):
            piece = self.file.read(1)
            if not piece:
                raise AssertionError(f"the connection ended after {data!r}")
            data += piece
        return data

    def is_closed(self) -> bool:
        return self.file.read(1) == b""

    def close(self) -> None:
        self.file.close()
        self.sock.close()


@contextmanager
def caller(port: int) -> Iterator[Caller]:
    with closing(Caller(port)) as one:
        yield one


def ask(port: int, raw: bytes) -> Answer:
    """Send these bytes on a new connection and read one answer."""
    with caller(port) as one:
        one.send(raw)
        return one.answer(raw.split(b" ", 1)[0].decode())


def post(body: bytes = b"{}", *, target: bytes = b"/score", headers: bytes = b"") -> bytes:
    """A request with a valid key."""
    return b"POST %s HTTP/1.1\r\nHost: amlemu\r\n%s%sContent-Length: %d\r\n\r\n%s" % (
        target,
        AUTHORIZED,
        headers,
        len(body),
        body,
    )


def get(target: bytes = b"/score", headers: bytes = AUTHORIZED, method: bytes = b"GET") -> bytes:
    return b"%s %s HTTP/1.1\r\nHost: amlemu\r\n%s\r\n" % (method, target, headers)


@dataclass
class Door:
    """A running gateway and what it logged."""

    gateway: Gateway
    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def serve(
        self,
        *ports: int,
        name: str = "iris",
        target: Target = "managed",
        keys: tuple[str, ...] = KEYS,
        port: int | None = None,
        tokens: TokenCheck | None = None,
    ) -> EndpointRoute:
        """Put one deployment `blue` with an instance at each port behind an endpoint."""
        instances = tuple(Instance(f"{name}-blue-{upstream}", "127.0.0.1", upstream) for upstream in ports)
        blue = DeploymentRoute("blue", 100, instances, max_concurrent=PLENTY)
        return self.put(blue, name=name, target=target, keys=keys, port=port, tokens=tokens)

    def put(
        self,
        *deployments: DeploymentRoute,
        name: str = "iris",
        target: Target = "managed",
        keys: tuple[str, ...] = KEYS,
        port: int | None = None,
        tokens: TokenCheck | None = None,
    ) -> EndpointRoute:
        route = EndpointRoute(name, port or free_port(), profile_of(target), keys, deployments, tokens=tokens)
        self.gateway.put(route)
        return route

    def base(self, route: EndpointRoute) -> tuple[int, bytes]:
        """The port that the endpoint answers on, and what its paths begin with."""
        prefix = route.path_prefix
        return (self.gateway.shared_port if prefix else route.port), prefix.encode()

    def line(self, count: int = 1) -> dict[str, Any]:
        """The last line, once there are `count`."""
        eventually(lambda: len(self.lines) >= count)
        return self.lines[-1][1]


@contextmanager
def running_door() -> Iterator[Door]:
    """A gateway of its own that ends with the context."""
    lines: list[tuple[str, dict[str, Any]]] = []
    gateway = Gateway("127.0.0.1", 0, lambda endpoint, line: lines.append((endpoint, line)))
    gateway.start()
    try:
        yield Door(gateway, lines)
    finally:
        gateway.stop(2.0)


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)
