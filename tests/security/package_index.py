"""An index of packages on this machine, with packages that look around themselves wherever code of theirs runs."""

from __future__ import annotations

import functools
import io
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# What it sees is told on stderr, which ends up in the build's log, and kept in the package that it makes.
LOOK = """
import json, os, sys
def look():
    def there(path):
        try:
            if os.path.isdir(path):
                return sorted(os.listdir(path))
            return open(path).read() if os.path.isfile(path) else os.path.exists(path)
        except OSError as error:
            return False
    seen = {"uid": os.getuid(), "variables": dict(os.environ), "paths": {path: there(path) for path in %(paths)r}}
    print("LOOKED " + json.dumps(seen), file=sys.stderr, flush=True)
    return seen
"""
_BACKEND = """
import os, sys, zipfile
sys.path.insert(0, os.path.dirname(__file__))
import looking
METADATA = "Metadata-Version: 2.1\\nName: %(name)s\\nVersion: %(version)s\\n"
METADATA += "".join("Requires-Dist: %%s\\n" %% text for text in %(requires)r)
WHEEL = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
def get_requires_for_build_wheel(config=None):
    looking.look()
    return []
def prepare_metadata_for_build_wheel(folder, config=None):
    looking.look()
    %(metadata)s
    name = "%(name)s-%(version)s.dist-info"
    os.mkdir(os.path.join(folder, name))
    with open(os.path.join(folder, name, "METADATA"), "w") as file:
        file.write(METADATA)
    return name
def build_wheel(folder, config=None, metadata=None):
    seen = looking.look()
    info = "%(name)s-%(version)s.dist-info"
    name = "%(name)s-%(version)s-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("%(name)s.py", "SEEN = %%r\\n" %% (seen,) + open(looking.__file__).read() + "\\nlook()\\n")
        wheel.writestr(info + "/METADATA", METADATA)
        wheel.writestr(info + "/WHEEL", WHEEL)
        wheel.writestr(info + "/RECORD", "%(name)s.py,,\\n" + info + "/METADATA,,\\n")
    return name
"""


class PackageIndex:
    """Packages in `folder`, which is served at `url` below /simple/; `asked` are the paths that were asked for."""

    def __init__(self, folder: Path, url: str, asked: list[str]) -> None:
        self._folder, self.url, self.asked = folder, url, asked
        self.index = f"{url}/simple/"

    def _file(self, name: str, file: str, content: bytes) -> str:
        project = name.replace("_", "-")
        place = self._folder / "simple" / project
        place.mkdir(parents=True, exist_ok=True)
        (place / file).write_bytes(content)
        links = (f'<a href="{path.name}">{path.name}</a>' for path in sorted(place.iterdir()) if path.suffix != ".html")
        (place / "index.html").write_text("\n".join(links), encoding="utf-8")
        return f"{self.index}{project}/{file}"

    def content(self, url: str) -> bytes:
        """The content of a file of the index."""
        return (self._folder / url.removeprefix(f"{self.url}/")).read_bytes()

    def wheel(self, name: str, version: str, requires: Sequence[str] = (), **files: str) -> str:
        """A wheel with one module, and `files` (dots as __) beside it; its URL."""
        buffer, info = io.BytesIO(), f"{name}-{version}.dist-info"
        content = {
            f"{name}.py": f"VERSION = '{version}'\n",
            **{file.replace("__", "."): t for file, t in files.items()},
        }
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        content[f"{info}/METADATA"] = metadata + "".join(f"Requires-Dist: {text}\n" for text in requires)
        content[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        with zipfile.ZipFile(buffer, "w") as wheel:
            for file, text in content.items():
                wheel.writestr(file, text)
            wheel.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in content))
        return self._file(name, f"{name}-{version}-py3-none-any.whl", buffer.getvalue())

    def source(
        self, name: str, version: str, paths: Sequence[Path] = (), metadata: str = "", requires: Sequence[str] = ()
    ) -> str:
        """A source distribution that says what it is only when it is asked by running it; its URL.

        Its backend lies in it and looks whether `paths` are there; `metadata` is a line that it runs when asked.
        """
        files = _source_files(name, version, paths, metadata, requires)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for file, text in files.items():
                member = tarfile.TarInfo(f"{name}-{version}/{file}")
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
        return self._file(name, f"{name}-{version}.tar.gz", buffer.getvalue())

    def repository(self, name: str, version: str) -> str:
        """A repository of git's with such a source; its URL."""
        work, bare = self._folder / f"{name}-work", self._folder / f"{name}.git"
        work.mkdir()
        for file, text in _source_files(name, version).items():
            (work / file).write_text(text, encoding="utf-8")
        git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-C"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
            subprocess.run([*git, str(work), *words], check=True)
        subprocess.run([*git, str(work), "clone", "-q", "--bare", ".", str(bare)], check=True)
        subprocess.run([*git, str(bare), "update-server-info"], check=True)
        return f"{self.url}/{name}.git"


def _source_files(
    name: str, version: str, paths: Sequence[Path] = (), metadata: str = "", requires: Sequence[str] = ()
) -> dict[str, str]:
    named = {"name": name, "version": version, "metadata": metadata or "pass", "requires": list(requires)}
    return {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": _BACKEND % named,
        "looking.py": LOOK % {"paths": [str(path) for path in paths]},
    }


@contextmanager
def serving_packages(folder: Path, host: str = "127.0.0.1", named: str = "127.0.0.1") -> Iterator[PackageIndex]:
    """An index that listens at `host` and is reached by the name `named`."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the terminal."""

    with ThreadingHTTPServer((host, 0), functools.partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield PackageIndex(folder, f"http://{named}:{server.server_address[1]}", asked)
        server.shutdown()
        thread.join()
