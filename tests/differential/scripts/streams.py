"""rawhttp: answers that come in pieces, chosen by ?kind=."""

import time

from azureml_inference_server_http.api.aml_request import rawhttp
from flask import Response


def init():
    pass


def _events():
    for number in range(5):
        yield f"data: {number}\n\n"
        time.sleep(0.01)


def _large():
    for number in range(64):
        yield bytes([number]) * 32768


def _with_empty():
    yield b"first"
    yield b""
    yield b"last"


def _breaks():
    yield b"the beginning"
    raise RuntimeError("in the middle of the stream")


KINDS = {
    "events": lambda: Response(_events(), mimetype="text/event-stream"),
    "known_length": lambda: Response(_large(), headers={"Content-Length": str(64 * 32768)}),
    "large": lambda: Response(_large(), mimetype="application/octet-stream"),
    "with_empty": lambda: Response(_with_empty(), mimetype="text/plain"),
    "nothing": lambda: Response(iter(()), mimetype="text/plain"),
    "error": lambda: Response(_events(), status=500, mimetype="text/event-stream"),
    "breaks": lambda: Response(_breaks(), mimetype="text/plain"),
    "too_short": lambda: Response(iter([b"five!"]), headers={"Content-Length": "50"}),
    "too_long": lambda: Response(iter([b"five!", b"and more"]), headers={"Content-Length": "5"}),
}


@rawhttp
def run(request):
    return KINDS[request.args["kind"]]()
