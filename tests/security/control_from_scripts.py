"""The control API, as a hostile scoring script asks it: every route, with whatever the script could find or guess."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
from amlemu_process import Environ, json_of
from projects import project

from emulator.control_api.access import OPEN_ROUTES

SCRIPT = """
import http.client, json, os, socket, struct

def init():
    pass

def gateway():
    with open("/proc/net/route") as file:
        for line in file.readlines()[1:]:
            fields = line.split()
            if fields[1] == "00000000":
                return socket.inet_ntoa(struct.pack("<L", int(fields[2], 16)))
    return ""

def ask(host, port, method, path, token):
    connection = http.client.HTTPConnection(host, port, timeout=3)
    try:
        headers = {"Authorization": "Bearer " + token} if token else {}
        body = "{}" if method == "POST" else None
        connection.request(method, path, body, {**headers, "Content-Type": "application/json"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        return type(error).__name__
    finally:
        connection.close()

def run(body):
    asked = json.loads(body)
    if "find" in asked:
        return {"gateway": gateway(), "found": sorted(set(os.environ.values()))}
    return [[method, path, ask(asked["host"], asked["port"], method, path, asked["token"])]
            for method in ("GET", "POST") for path in asked["paths"]]
"""


class HostileScript:
    """A deployed script that asks what it is told to; `environ` is its emulator's."""

    def __init__(self, environ: Environ, folder: Path) -> None:
        self._environ = environ
        entry = project(folder, SCRIPT)
        self._uri = str(json_of(environ, "deploy", "--name", "hostile", "--entry", entry)["scoring_uri"])
        self.key = str(json_of(environ, "keys", "hostile")["primaryKey"])
        found = self._score({"find": True})
        self.gateway = str(found["gateway"])
        workspace = str(json_of(environ, "status")["workspace_id"])
        # What it can see, what its callers show it, what somebody would try who has read amlemu's source.
        self.guesses = ["", "admin", "amlemu_", "null", "hostile", workspace, self.key, *_as_headers(found["found"])]

    def answers(self, host: str, paths: Sequence[str], guesses: Iterable[str]) -> Counter[Any]:
        """How often each answer came: a status, or the name of the error where nothing answers.

        Of what anybody may ask nothing is counted.
        """
        port = int(self._environ["AMLEMU_PORT"])
        closed = [path for path in paths if path not in OPEN_ROUTES]
        counted: Counter[Any] = Counter()
        for guess in guesses:
            for some in (closed[i : i + 20] for i in range(0, len(closed), 20)):
                told = self._score({"host": host, "port": port, "token": guess, "paths": some})
                counted.update(answer for _, _, answer in told)
        return counted

    def _score(self, body: Mapping[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        answer = requests.post(self._uri, data=json.dumps(body), headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()


def _as_headers(values: Iterable[str]) -> list[str]:
    return [value for value in values if value and value.isascii() and value.isprintable()]
