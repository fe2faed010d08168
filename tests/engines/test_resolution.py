"""Requirements are resolved with the indexes that they name as pip does it, and what is wrong with an index is told."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emulator.difference import texts
from emulator.engines.packaging.indexes import unreadable_index, without_index
from emulator.engines.packaging.python_packages import HostPackaging, packaging_for, read_host_packaging, run_uv
from emulator.engines.packaging.resolution import Lock, lock_failure, lock_requirements
from emulator.entities import Environment
from emulator.environments import image_spec
from emulator.environments.build_tools import STORED_WHEELS
from emulator.errors import ImageBuildFailure

REFUSALS = {"asks-login": 401, "forbids": 403, "broken": 503}


def wheel(name: str, version: str) -> bytes:
    buffer, info = io.BytesIO(), f"{name}-{version}.dist-info"
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return buffer.getvalue()


class Indexes(BaseHTTPRequestHandler):
    """`/old` and `/new` have the package leaf in version 1.0 and 2.0; the others refuse."""

    def do_GET(self) -> None:
        _, index, *rest = self.path.split("?")[0].split("/")
        status, body = REFUSALS.get(index, 404), b""
        versions = {"old": "1.0", "new": "2.0"}
        if index in versions and rest[0] == "leaf":
            file = f"leaf-{versions[index]}-py3-none-any.whl"
            status, body = 200, f'<a href="/files/{versions[index]}/{file}">{file}</a>'.encode()
        elif index == "files":
            status, body = 200, wheel("leaf", rest[0])
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if index in versions else "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Indexes) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def packaging(url: str, tmp_path: Path) -> HostPackaging:
    kept = {name: value for name, value in os.environ.items() if not re.match("(PIP|UV)_", name)}
    own = {"HOME": str(tmp_path), "UV_DEFAULT_INDEX": f"{url}/new", "UV_HTTP_RETRIES": "0"}
    return read_host_packaging(kept | own)


def lock(packaging: HostPackaging, *lines: str, said: list[str] | None = None) -> Lock:
    spec = image_spec(Environment(name="e", python_version="3.11", requirements=lines), "")
    log: list[str] = said if said is not None else []
    packaging = packaging_for(packaging, None, lines)
    return lock_requirements(spec, packaging, log.append, threading.Event(), never)


def never(words: object, files: object) -> object:  # type: ignore[misc]
    raise AssertionError(f"nothing is to be resolved apart: {words} {files}")


@pytest.mark.parametrize(
    "lines",
    [
        ("--extra-index-url {url}/old", "leaf"),
        ("--index-url {url}/old", "--extra-index-url {url}/new", "leaf"),
        ("-i {url}/new", "--extra-index-url={url}/old", "leaf"),
        ("--extra-index-url {url}/old", "leaf>=1"),
    ],
)
def test_the_best_version_of_all_indexes_is_taken(packaging: HostPackaging, url: str, lines: tuple[str, ...]) -> None:
    assert "leaf==2.0" in lock(packaging, *(line.format(url=url) for line in lines)).text


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("--extra-index-url {url}/asks-login", "answers 401 Unauthorized"),
        ("--extra-index-url {url}/forbids", "answers 403 Forbidden"),
        ("--extra-index-url {url}/broken", "answers 503 Service Unavailable"),
        ("--extra-index-url http://127.0.0.1:9/simple", "does not answer (connection refused)"),
        ("--extra-index-url https://nowhere.invalid/simple", "does not answer (failed to lookup address information)"),
        ("--find-links http://127.0.0.1:9/links.html", "does not answer (connection refused)"),
        ("-f {url}/gone/links.html", "answers 404 Not Found"),
    ],
)
def test_pip_goes_on_without_an_index_that_is_of_no_use(
    packaging: HostPackaging, url: str, line: str, why: str
) -> None:
    line, said = line.format(url=url), []
    found = lock(packaging, line, "leaf", said=said)
    (told,) = texts(found.differences)
    assert told.startswith(f"'{line}': ")
    assert f"{why}; pip goes on without it" in told
    assert told in said
    assert "leaf==2.0" in found.text
    assert (line in found.text) == ("40" in why and "404" not in why), "the installer goes by them without a word"


def test_an_index_that_is_of_use_is_no_difference(packaging: HostPackaging, url: str) -> None:
    assert lock(packaging, f"--extra-index-url {url}/old", "leaf").differences == ()


@pytest.mark.parametrize("index", ["asks-login", "forbids"])
@pytest.mark.parametrize("option", ["--extra-index-url", "--index-url"])
def test_no_package_is_said_to_be_missing_where_an_index_could_not_be_read(
    packaging: HostPackaging, url: str, option: str, index: str
) -> None:
    with pytest.raises(ImageBuildFailure) as caught:
        lock(packaging, f"{option} {url}/{index}", "team-features")
    assert f"in the indexes that could be read, and these could not: {url}/{index} answers 40" in caught.value.message


def test_a_version_that_an_unread_index_may_have(packaging: HostPackaging, url: str) -> None:
    with pytest.raises(ImageBuildFailure, match="these indexes could not be read: .*/asks-login answers 401"):
        lock(packaging, f"--extra-index-url {url}/asks-login", "leaf==3.0")


def test_an_index_that_stands_for_the_default_has_no_other_in_its_place(packaging: HostPackaging, url: str) -> None:
    dead = "--index-url http://127.0.0.1:9/simple"
    with pytest.raises(ImageBuildFailure, match=r"the package index http://127.0.0.1:9/simple does not answer"):
        lock(packaging, dead, "leaf")
    assert "leaf==1.0" in lock(packaging, dead, f"--extra-index-url {url}/old", "leaf").text


def test_a_package_that_every_index_was_asked_for(packaging: HostPackaging, url: str) -> None:
    with pytest.raises(ImageBuildFailure, match="there is no package 'scikit-learm' in the package index") as caught:
        lock(packaging, f"--extra-index-url {url}/old", "scikit-learm")
    assert caught.value.hint.startswith("did you mean 'scikit-learn'?")


def test_a_misspelt_package_with_a_hash(packaging: HostPackaging) -> None:
    with pytest.raises(ImageBuildFailure, match="there is no package 'pandsa'") as caught:
        lock(packaging, f"pandsa==1.0 --hash=sha256:{'a' * 64}")
    assert "'pandas'" in caught.value.hint


def test_credentials_of_an_index_are_not_told(packaging: HostPackaging, url: str) -> None:
    line = f"--extra-index-url {url.replace('//', '//me:hunter2@')}/asks-login"
    said: list[str] = []
    found = lock(packaging, line, "leaf", said=said)
    assert "answers 401" in texts(found.differences)[0]
    with pytest.raises(ImageBuildFailure) as caught:
        lock(packaging, line, "team-features")
    assert "hunter2" not in f"{texts(found.differences)} {said} {caught.value} {caught.value.log_tail}"


def test_only_an_index_page_makes_an_index_useless() -> None:
    lines = ["--extra-index-url https://me:pw@host/simple", "--find-links https://host/links"]
    page = "error: Failed to fetch: `https://host/simple/leaf/`\n  cause: dns error"
    file = "error: Failed to fetch: `https://host/simple/leaf/leaf-1-py3-none-any.whl`\n  cause: timed out"
    found = unreadable_index(lines, page)
    assert found
    assert (found.line, str(found)) == (lines[0], "https://****@host/simple does not answer (dns error)")
    assert without_index(lines, found) == lines[1:]
    assert unreadable_index(lines, file) is None
    assert unreadable_index(["numpy"], page) is None


@pytest.mark.parametrize(
    ("stderr", "message", "hint"),
    [
        (
            "error: Failed to download `x @ https://h/x.whl?sig=abcdef`\n  cause: Failed to fetch: `https://h/x.whl`\n"
            "  cause: HTTP status client error (403 Forbidden) for url (https://h/x.whl?sig=abcdef)",
            "https://h/x.whl?sig=**** answers 403 Forbidden",
            "a signature in it (a SAS) may have expired",
        ),
        (
            "error: No solution found when resolving dependencies\n  cause: Because only x<2 is available and you"
            " require x>=2, we can conclude that your requirements are unsatisfiable.\n\nhint: Pre-releases are"
            " available for `x` in the requested range (e.g., 2.0rc1), but pre-releases weren't enabled"
            " (try: `--prerelease=allow`)",
            "unsatisfiable.",
            "a line --pre takes releases before the final one",
        ),
        ("error: Failed to fetch: `https://h/simple/x/`\n  cause: dns error", "https://h/simple/x/ does not", "proxy"),
    ],
)
def test_no_advice_is_for_another_command_line(stderr: str, message: str, hint: str) -> None:
    error = lock_failure(stderr)
    assert message in error.message
    assert hint in error.hint
    assert "--prerelease" not in error.message + error.hint


def test_setuptools_stores_wheels_uncompressed(tmp_path: Path) -> None:
    """With the setuptools of today, for which the setting is an option of its own command."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source/setup.py").write_text("from setuptools import setup; setup(name='m', py_modules=['m'])\n")
    (tmp_path / "source/m.py").write_text("M = 1\n" * 1000)
    settings = tmp_path / "setuptools.cfg"
    settings.write_text(STORED_WHEELS)
    words = [
        "build",
        "--wheel",
        "--out-dir",
        str(tmp_path / "out"),
        "--python",
        sys.executable,
        str(tmp_path / "source"),
    ]
    packaging = read_host_packaging(os.environ)
    done = run_uv(words, packaging, print, threading.Event(), variables={"DIST_EXTRA_CONFIG": str(settings)})
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
