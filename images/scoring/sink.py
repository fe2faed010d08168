"""Takes what the packages in a scoring container send to services that the cloud has beside it.

Run by the launcher as `python -I -S sink.py FOLDER`, under the user's Python (3.6 and later), on 127.0.0.1 and a port
of its own choice, which it prints.  POST /modeldata/log is the data collector of azureml-ai-monitoring, POST /v2/track
and /v2.1/track Application Insights.

What comes is gathered for a moment and put into FOLDER, one file after another, each whole once it has its name
(`<number>.jsonl`); the emulator takes them away.  While nobody does, no more than a bound is kept, and what is dropped
is counted.
"""

import base64
import gzip
import json
import os
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

LONGEST = 64 * 1024 * 1024
MOST_WAITING = 64 * 1024 * 1024
MOST_FILES = 256
GATHER_SECONDS = 0.1
# More than any client waits with its connection open, so that only idle ones are closed.
IDLE_SECONDS = 600


class Outbox:
    """The records that wait to be written, and their one writer."""

    def __init__(self, folder):
        self._folder = folder
        self._records = []
        self._size = 0
        self._dropped = {}
        self._number = int(time.time() * 1e6)
        self._lock = threading.Lock()
        self._filled = threading.Event()

    def put(self, record, dropped_as):
        """Take one record; False when too much waits."""
        line = json.dumps(record)
        with self._lock:
            if self._size + len(line) > MOST_WAITING:
                self._drop(dropped_as)
                return False
            self._records.append((line, dropped_as))
            self._size += len(line)
        self._filled.set()
        return True

    def drop(self, dropped_as):
        """Count what was not taken."""
        with self._lock:
            self._drop(dropped_as)
        self._filled.set()

    def _drop(self, dropped_as):
        self._dropped[dropped_as] = self._dropped.get(dropped_as, 0) + 1

    def run(self):
        """Write until the process ends."""
        while True:
            self._filled.wait()
            time.sleep(GATHER_SECONDS)
            self._filled.clear()
            with self._lock:
                records, self._records, self._size = self._records, [], 0
                dropped, self._dropped = self._dropped, {}
            try:
                self._write(records, dropped)
            except OSError:  # a full disk must not end the writer
                with self._lock:
                    self._dropped.update(dropped)
                    for _, dropped_as in records:
                        self._drop(dropped_as)

    def _write(self, records, dropped):
        if len([name for name in os.listdir(self._folder) if name.endswith(".jsonl")]) >= MOST_FILES:
            raise OSError("nobody takes the files away")
        lines = [line for line, _ in records]
        lines += [json.dumps({"kind": "dropped", "what": what, "count": n}) for what, n in dropped.items()]
        self._number += 1
        path = os.path.join(self._folder, "%020d.jsonl" % self._number)
        with open(path + ".new", "w") as file:
            file.write("".join(line + "\n" for line in lines))
        os.rename(path + ".new", path)


class Handler(BaseHTTPRequestHandler):
    """One request: its body becomes a record."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS

    def do_POST(self):
        path = self.path.split("?")[0].replace("//", "/")
        body = self._body()
        if body is None:
            self._drop(path)
            self.close_connection = True
            self._answer(413, {"message": "too long"})
        elif path == "/modeldata/log":
            self._take_collected(body)
        elif path in ("/v2/track", "/v2.1/track"):
            self._take_telemetry(body)
        else:
            self._answer(404, {"message": "not found"})

    def _take_collected(self, body):
        headers = {name.lower(): value for name, value in self.headers.items()}
        kept = {name: value for name, value in headers.items() if name.startswith("ce-")}
        record = {
            "kind": "collected",
            "id": headers.get("trace-id", ""),
            "content_type": headers.get("content-type", ""),
            "attributes": kept,
            "host": os.environ.get("HOSTNAME", ""),
            "body": base64.b64encode(body).decode(),
        }
        taken = self.server.outbox.put(record, kept.get("ce-type", ""))
        self._answer(200 if taken else 503, {"message": "ok" if taken else "too much waits"})

    def _take_telemetry(self, body):
        try:
            if self.headers.get("Content-Encoding", "") == "gzip":
                body = gzip.decompress(body)
            items = _items(body.decode())
        except (ValueError, OSError, EOFError):
            self._answer(400, {"itemsReceived": 0, "itemsAccepted": 0, "errors": []})
            return
        record = {"kind": "telemetry", "host": os.environ.get("HOSTNAME", ""), "items": items}
        # What is not taken is not sent again: there is more of it than of anything else.
        self.server.outbox.put(record, "telemetry")
        self._answer(200, {"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []})

    def _drop(self, path):
        self.server.outbox.drop(self.headers.get("ce-type", "") if path == "/modeldata/log" else "telemetry")

    def _body(self):
        """The whole body, None when it is too long."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunks()
        length = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(length) if length <= LONGEST else None

    def _chunks(self):
        body = b""
        while True:
            size = int(self.rfile.readline(32).split(b";")[0] or b"0", 16)
            if len(body) + size > LONGEST:
                return None
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return body

    def _answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        """The container's log is the script's."""


def _items(text):
    """One envelope, a list of them, or one on each line."""
    try:
        found = json.loads(text)
    except ValueError:
        found = [json.loads(line) for line in text.splitlines() if line.strip()]
    return found if isinstance(found, list) else [found]


class Server(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True

    def server_bind(self):
        """Without the name that HTTPServer looks up, which takes seconds where no network answers."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


def main():
    server = Server(("127.0.0.1", 0), Handler)
    server.outbox = Outbox(sys.argv[1])
    threading.Thread(target=server.outbox.run, daemon=True).start()
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
