"""`deploy --watch` and `deploy --debug`: an edit is served at once, an editor can attach."""

from __future__ import annotations

import json
import signal
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from amlemu_process import Environ, amlemu, json_of, running, until, until_said
from projects import project, script


def answer_of(environ: Environ, endpoint: str) -> str:
    return str(json.loads(amlemu(environ, "invoke", endpoint, "--data", "{}").stdout)["answer"])


BROKEN = {
    "a syntax error": ("def init(:\n", "SyntaxError"),
    "a failing init": (
        "def init():\n    raise KeyError('no such column')\n\ndef run(data):\n    pass\n",
        "no such column",
    ),
}


def test_an_edit_is_served_and_a_broken_one_is_not(environ: Environ, folder: Path) -> None:
    path = project(folder)
    with running(environ, "deploy", "--name", "watched", "--entry", path, "--watch") as (process, said):
        until_said(said, "watching")
        assert answer_of(environ, "watched") == "first"
        path.write_text(script("second"))
        until_said(said, "score.py changed: serving after")
        assert answer_of(environ, "watched") == "second"
        for number, (broken, named) in enumerate(BROKEN.values(), start=1):
            path.write_text(broken)
            until(lambda number=number: _count(said, "the change is not deployed") == number, "the error is told")
            assert named in said.read_text()
            assert answer_of(environ, "watched") == "second"
        (folder / "helper.py").write_text("ANSWER = 'third'\n")
        path.write_text("from helper import ANSWER\n" + script().replace('"first"', "ANSWER"))
        until(lambda: _count(said, "changed: serving after") == 2, "the mended script is served")
        assert answer_of(environ, "watched") == "third"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert not any(line.startswith("Traceback") for line in said.read_text().splitlines())
    assert answer_of(environ, "watched") == "third"
    amlemu(environ, "delete", "watched", "--yes")


def _count(said: Path, text: str) -> int:
    return said.read_text().count(text)


# --- the debugger, spoken to as an editor does: the Debug Adapter Protocol ------------------------------------------


class Editor:
    """One session of the Debug Adapter Protocol; messages that nobody asked for are passed over."""

    def __init__(self, stack: ExitStack, port: int) -> None:
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
        self._stream = stack.enter_context(connection.makefile("rwb"))
        self._seq = 0

    def send(self, command: str, **arguments: Any) -> None:
        self._seq += 1
        message = {"seq": self._seq, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(message).encode()
        self._stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._stream.flush()

    def receive(self, name: str) -> Any:
        """The body of the next answer to the request, or of the next event, of that name."""
        while True:
            message = self._read()
            if name in (message.get("command"), message.get("event")):
                assert message.get("success", True), message
                return message.get("body")

    def _read(self) -> Any:
        length = 0
        while line := self._stream.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        assert length, "the debugger closed the connection"
        return json.loads(self._stream.read(length))

    def attach(self, breakpoints: dict[str, list[int]], **more: Any) -> None:
        """Begin the session as an editor does, with breakpoints by file."""
        self.send("initialize", adapterID="editor", pathFormat="path", linesStartAt1=True)
        self.receive("initialize")
        self.send("attach", justMyCode=True, subProcess=True, **more)
        self.receive("initialized")
        for file, lines in breakpoints.items():
            self.send("setBreakpoints", source={"path": file}, breakpoints=[{"line": line} for line in lines])
            self.receive("setBreakpoints")
        self.send("configurationDone")
        self.receive("attach")


@pytest.fixture
def debug_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_breakpoint_in_run_stops_the_worker(environ: Environ, folder: Path, debug_port: int) -> None:
    path = project(folder)
    deployed = amlemu(environ, "deploy", "--name", "debugged", "--entry", path, "--debug", str(debug_port))
    assert f'"port": {debug_port}' in deployed.stderr
    assert "debugpy is in the environment" in deployed.stderr
    assert json_of(environ, "show", "debugged")["deployments"][0]["debug_port"] == debug_port
    line = next(n for n, text in enumerate(path.read_text().splitlines(), start=1) if "return" in text)
    breakpoints = {"/var/azureml-app/code/score.py": [line]}
    with ExitStack() as stack:
        server = Editor(stack, debug_port)
        server.attach(breakpoints)
        worker = Editor(stack, debug_port)  # the server runs the script in a process of its own
        worker.attach(breakpoints, subProcessId=server.receive("debugpyAttach")["subProcessId"])
        process, said = stack.enter_context(running(environ, "invoke", "debugged", "--data", '"seen"'))
        thread = worker.receive("stopped")["threadId"]
        worker.send("stackTrace", threadId=thread)
        frame = worker.receive("stackTrace")["stackFrames"][0]
        assert (frame["name"], frame["line"]) == ("run", line)
        worker.send("evaluate", expression="data", frameId=frame["id"])
        assert "seen" in worker.receive("evaluate")["result"]
        worker.send("continue", threadId=thread)
        assert process.wait(20) == 0, said.read_text()
    assert answer_of(environ, "debugged") == "first"
    amlemu(environ, "delete", "debugged", "--yes")
