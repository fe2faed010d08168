"""Packages whose code looks for a build's caches wherever it runs: when it is built, imported, or merely installed."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import textwrap
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CACHE = "/run/amlemu/cache"
# Writes down what it sees of caches and credentials, and spoils what it can.
_LOOK = f"""
def look(where):
    import os, sys
    told = []
    for above, folders, names in os.walk({CACHE!r}):
        for name in names:
            told.append(os.path.join(above, name))
            if "six" in os.path.join(above, name):  # another package's
                with open(os.path.join(above, name), "ab") as file:
                    file.write(b"#spoiled")
    secret = os.path.exists("/run/amlemu/packaging")
    os.makedirs("/opt/seen", exist_ok=True)
    with open("/opt/seen/" + where, "a") as file:
        file.write("cache=%d mounted=%d secret=%d\\n" % (len(told), os.path.ismount({CACHE!r}), secret))
        file.write("".join(path + "\\n" for path in told))
"""


def hostile_wheel(folder: Path, name: str = "hostilewheel") -> Path:
    """A wheel that runs code when it is imported, and at every start of the Python that it is installed for."""
    at_start = f"import os, {name}_start\n"
    files = {
        f"{name}.py": f"{_LOOK}\nlook('import')\n",
        f"{name}_start.py": f"{_LOOK}\nlook('start')\n",
        f"{name}.pth": at_start,
    }
    return _wheel(folder, name, files)


def plain_wheel(folder: Path, name: str) -> Path:
    """A wheel that does nothing."""
    return _wheel(folder, name, {f"{name}.py": "PLAIN = True\n"})


def _wheel(folder: Path, name: str, files: dict[str, str]) -> Path:
    info = f"{name}-1.0.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in files.items())
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            wheel.writestr(path, text)
    return file


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def hostile_sdist(folder: Path, name: str = "hostilesdist", marker: Path | None = None) -> Path:
    """A source distribution whose build looks for caches; with `marker`, it leaves that file wherever it is built."""
    leave = f"open({str(marker)!r}, 'w').close()\n" if marker else ""
    backend = (
        leave
        + _LOOK
        + textwrap.dedent(f"""
        import os, zipfile

        def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
            look("build")
            name = "{name}-1.0-py3-none-any.whl"
            with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
                wheel.writestr("{name}.py", "BUILT = True\\n")
                wheel.writestr("{name}-1.0.dist-info/METADATA", open("PKG-INFO").read())
                wheel.writestr("{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
                wheel.writestr("{name}-1.0.dist-info/RECORD", "")
            return name
        """)
    )
    project = f'[project]\nname = "{name}"\nversion = "1.0"\n'
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {
        "pyproject.toml": system + project,
        "backend.py": backend,
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: 1.0\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-1.0.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}-1.0/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return file


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path, host: str = "127.0.0.1") -> Iterator[int]:
    """The port at which the folder is served, at every address of `host`."""
    with ThreadingHTTPServer((host, 0), partial(_Silent, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
