"""Where packages come from on this machine, and the talk with uv, here a small program that says what it is told to."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from emulator.engines.packaging.python_packages import (
    HostPackaging,
    read_host_packaging,
    run_uv,
    wheels_named_by,
)
from emulator.engines.packaging.resolution import Resolve, lock_requirements
from emulator.entities import Environment
from emulator.environments import image_spec
from emulator.errors import EngineUnavailable, ImageBuildFailure, OperationCanceled

SECRET = "https://me:s3cret@host/simple"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A shell of a user with a home and no setting."""
    (tmp_path / "me").mkdir()
    return {"HOME": str(tmp_path / "me"), "PATH": os.defpath}


def pip_conf(environ: dict[str, str], text: str, name: str = ".config/pip/pip.conf") -> None:
    file = Path(environ["HOME"], name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def read(environ: dict[str, str]) -> HostPackaging:
    return read_host_packaging(environ, Path("/usr/bin/uv"))


def test_pip_files_and_variables(environ: dict[str, str]) -> None:
    pip_conf(environ, "[global]\nindex-url = https://legacy/simple\nextra-index-url = https://a\n", ".pip/pip.conf")
    text = "[install]\nindex_url = https://install/simple\n[global]\nindex-url = https://user/simple\n"
    pip_conf(environ, text)
    assert read(environ).build_variables["UV_DEFAULT_INDEX"] == "https://install/simple"
    assert read(environ).build_variables["UV_INDEX"] == "https://a"
    environ["PIP_INDEX_URL"] = "https://variable/simple"
    assert read(environ).build_variables["UV_DEFAULT_INDEX"] == "https://variable/simple"
    environ["UV_INDEX_URL"] = "https://uv/simple"
    variables = read(environ).variables
    assert variables["UV_INDEX_URL"] == "https://uv/simple"
    assert "UV_DEFAULT_INDEX" not in variables


def test_install_beats_global_of_a_later_file(environ: dict[str, str]) -> None:
    pip_conf(environ, "[install]\nindex-url = https://install\n", ".pip/pip.conf")
    pip_conf(environ, "[global]\nindex-url = https://global\n")
    assert read(environ).build_variables["UV_DEFAULT_INDEX"] == "https://install"


def test_the_file_that_a_variable_names(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "named.conf").write_text("[global]\nindex-url = https://named\n")
    pip_conf(environ, "[global]\nindex-url = https://user\n")
    assert read(environ | {"PIP_CONFIG_FILE": str(tmp_path / "named.conf")}).variables["UV_DEFAULT_INDEX"] == (
        "https://named"
    )
    assert "UV_DEFAULT_INDEX" not in read(environ | {"PIP_CONFIG_FILE": os.devnull}).variables


@pytest.mark.parametrize("text", ["no section\n", "[global]\nindex-url = https://a\nindex-url = https://b\n", "\xff"])
def test_a_broken_file_of_pip_is_passed_over(environ: dict[str, str], text: str) -> None:
    pip_conf(environ, "")
    Path(environ["HOME"], ".config/pip/pip.conf").write_bytes(text.encode("latin-1"))
    assert "UV_DEFAULT_INDEX" not in read(environ).variables


def test_several_extra_indexes_and_hosts(environ: dict[str, str]) -> None:
    pip_conf(
        environ,
        "[global]\nextra-index-url =\n  https://a\n  file:///here/simple\n  https://b\ntrusted-host =\n  h1\n  h2\n",
    )
    variables = read(environ).build_variables
    assert variables["UV_INDEX"] == "https://a https://b", "a folder of this machine is not there in a build"
    assert variables["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert variables["UV_INSECURE_HOST"] == "h1 h2"
    assert read(environ | {"UV_INDEX_STRATEGY": "first-index"}).variables["UV_INDEX_STRATEGY"] == "first-index"


def test_find_links_of_every_kind(environ: dict[str, str], tmp_path: Path) -> None:
    wheels, more = tmp_path / "my wheels", tmp_path / "more"
    wheels.mkdir()
    more.mkdir()
    page = "https://host/torch_stable.html"
    environ["PIP_FIND_LINKS"] = f"{wheels.as_uri()} {more} {tmp_path / 'none'} {page} {more}"
    packaging = read(environ)
    assert packaging.wheel_folders == (wheels, more)
    assert packaging.link_pages == (page,)
    assert packaging.variables["UV_FIND_LINKS"] == f"{wheels},{more},{page}"
    assert "UV_FIND_LINKS" not in packaging.build_variables, "the engine carries the folders over"


def test_the_ca_bundle(environ: dict[str, str], tmp_path: Path) -> None:
    mine, empty = tmp_path / "mine.pem", tmp_path / "empty.pem"
    mine.write_text("-----BEGIN CERTIFICATE-----\n")
    empty.write_text("")
    named = {"SSL_CERT_FILE": str(empty), "PIP_CERT": str(tmp_path / "none.pem"), "REQUESTS_CA_BUNDLE": str(mine)}
    packaging = read(environ | named)
    assert packaging.ca_bundle == mine
    assert packaging.variables["SSL_CERT_FILE"] == str(mine)
    pip_conf(environ, f"[global]\ncert = {mine}\n")
    assert read(environ).ca_bundle == mine


def test_proxies_go_along_and_the_callers_environment_does_not(environ: dict[str, str]) -> None:
    environ |= {"https_proxy": "http://p:1", "NO_PROXY": "x", "HTTP_PROXY": "", "VIRTUAL_ENV": "/v", "PYTHONPATH": "/p"}
    packaging = read(environ)
    assert packaging.build_variables == {
        "https_proxy": "http://p:1",
        "NO_PROXY": "x",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    assert not packaging.variables.keys() & {"VIRTUAL_ENV", "PYTHONPATH"}


def test_nothing_secret_is_in_a_repr(environ: dict[str, str]) -> None:
    environ |= {"PIP_INDEX_URL": SECRET, "UV_INDEX": SECRET, "HTTPS_PROXY": SECRET, "PIP_FIND_LINKS": SECRET}
    packaging = read(environ)
    assert packaging.build_variables["UV_DEFAULT_INDEX"] == SECRET
    assert packaging.link_pages == (SECRET,)
    assert "s3cret" not in repr(packaging)


# the talk with uv


def fake_uv(tmp_path: Path, script: str) -> HostPackaging:
    """A uv that is this shell script."""
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\n" + script)
    uv.chmod(0o755)
    return HostPackaging(uv, uv, None, {"PATH": os.defpath}, {}, link_pages=("https://host/links.html",))


def spec_of(*requirements: str) -> object:
    return image_spec(Environment(name="e", python_version="3.11", requirements=requirements), "")


def no_resolve(words: Sequence[str], files: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    raise AssertionError(f"nothing is to be resolved apart: {words} {files}")


def lock(packaging: HostPackaging, *requirements: str, resolve: Resolve = no_resolve) -> str:
    lines: list[str] = []
    return lock_requirements(spec_of(*requirements), packaging, lines.append, threading.Event(), resolve).text  # type: ignore[arg-type]


def test_what_uv_says_is_heard_line_by_line(tmp_path: Path) -> None:
    packaging = fake_uv(tmp_path, 'cat; echo "$1"; echo one >&2; echo >&2; echo two >&2; exit 3\n')
    lines: list[str] = []
    done = run_uv(["word"], packaging, lines.append, threading.Event(), stdin="in\n")
    assert (done.returncode, done.stdout, done.stderr) == (3, "in\nword\n", "one\n\ntwo\n")
    assert lines == ["one", "two"]


def test_nothing_of_a_long_speech_is_lost(tmp_path: Path) -> None:
    done = run_uv([], fake_uv(tmp_path, "seq 1 300000; seq 1 300000 >&2\n"), lambda _line: None, threading.Event())
    assert done.stdout == done.stderr
    assert done.stdout.endswith("\n300000\n")


def test_a_uv_that_does_not_read_is_no_error_of_ours(tmp_path: Path) -> None:
    done = run_uv([], fake_uv(tmp_path, "exit 2\n"), print, threading.Event(), stdin="x" * 1_000_000)
    assert done.returncode == 2


def test_a_uv_that_cannot_start(tmp_path: Path) -> None:
    packaging = fake_uv(tmp_path, "")
    packaging.uv.chmod(0o644)
    with pytest.raises(EngineUnavailable, match="does not start: Permission denied"):
        run_uv([], packaging, print, threading.Event())
    packaging.uv.unlink()
    with pytest.raises(EngineUnavailable, match="does not start: No such file"):
        run_uv([], packaging, print, threading.Event())


def test_a_canceled_uv_ends_with_all_that_it_started(tmp_path: Path) -> None:
    packaging = fake_uv(tmp_path, "(trap '' TERM; echo started >&2; sleep 60) & wait\n")
    canceled = threading.Event()
    began = time.monotonic()
    with pytest.raises(OperationCanceled):
        run_uv([], packaging, lambda _line: canceled.set(), canceled)
    assert time.monotonic() - began < 4


def test_a_lock_has_the_options_again(tmp_path: Path) -> None:
    script = 'cat > /dev/null; printf -- "--index-url https://x\\nnumpy==1.26.4\\nscipy==1.11.0\\n"\n'
    text = lock(fake_uv(tmp_path, script), "--extra-index-url https://e", "numpy")
    assert text == "--extra-index-url https://e\n--find-links https://host/links.html\nnumpy==1.26.4\nscipy==1.11.0\n"


@pytest.mark.parametrize(
    ("stderr", "told"),
    [
        (
            "  No solution found when resolving dependencies:\\n  ╰─▶ Because no-such was not found in the package"
            " registry and you require no-such, we can conclude that your requirements are unsatisfiable.\\n",
            "there is no package 'no-such' in the package index",
        ),
        (
            "  No solution found when resolving dependencies:\\n  ╰─▶ Because a==1 depends on b<2 and you require"
            "\\n      b==2, we can conclude\\n",
            "these packages cannot be installed together. Because a==1 depends on b<2 and you require b==2,",
        ),
        ("error: Failed to fetch: https://h\\n  Caused by: dns error\\n", "the package index does not answer"),
        ("error: Distribution not found at: x\\n", "the requirements could not be resolved: error: Distribution not"),
        ("", "the requirements could not be resolved: uv gave no reason"),
    ],
)
def test_why_there_is_no_lock(tmp_path: Path, stderr: str, told: str) -> None:
    with pytest.raises(ImageBuildFailure) as caught:
        lock(fake_uv(tmp_path, f"cat > /dev/null; printf '{stderr}' >&2; exit 1\n"), "x")
    assert told in caught.value.message


def test_the_wheels_that_a_lock_names(tmp_path: Path) -> None:
    names = ["My_Package-1.0-py3-none-any.whl", "my_package-2.0-py3-none-any.whl", "other-1.0-py3-none-any.whl",
             "my_package-1.0.tar.gz"]  # fmt: skip
    for name in names:
        (tmp_path / name).write_text("")
    packaging = HostPackaging(Path("uv"), None, None, {}, {}, (tmp_path,))
    lock = "--find-links x\nmy.package[extra]==1.0 ; python_version > '3'\nother==2.0\nthird @ https://h/x.whl\n"
    assert [wheel.name for wheel in wheels_named_by(lock, packaging)] == names[:1]
