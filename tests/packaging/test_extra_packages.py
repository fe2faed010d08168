"""Packages that come beside the environment's, as Azure ML's prebuilt images take them, on a server that only tells."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

LAUNCHER = Path(__file__).parents[2] / "images/scoring/launch.py"
SERVER = """
import importlib, os, subprocess, sys
merge_configuration = None
def run():
    for name in os.environ["LOOK_FOR"].split():
        print(name, importlib.import_module(name).__file__)
        subprocess.run([sys.executable, "-c", "import " + name], check=True)
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A code folder with a module in `lib`, a wheel in `wheels`, and a stand-in for the scoring server elsewhere."""
    server = tmp_path / "installed/azureml_inference_server_http"
    server.mkdir(parents=True)
    (server / "__init__.py").touch()
    (server / "amlserver.py").write_text(SERVER)
    code = tmp_path / "code"
    (code / "lib").mkdir(parents=True)
    (code / "lib/mine.py").write_text("")
    (code / "score.py").write_text("")
    wheel(code / "wheels")
    (code / "extra.txt").write_text(f"--no-index\n--find-links {code}/wheels\ntiny==1.0\n")
    return code


def wheel(folder: Path) -> None:
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        tag = "Wheel-Version: 1.0\nGenerator: amlemu\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr("tiny-1.0.dist-info/WHEEL", tag)
        archive.writestr("tiny-1.0.dist-info/RECORD", "")


def launch(code: Path, root: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    environ = inherited | {
        "AML_APP_ROOT": str(root),
        "AZUREML_ENTRY_SCRIPT": script,
        "HOME": str(code.parent / "home"),
        "PYTHONPATH": str(code.parent / "installed"),
        **variables,
    }
    command = [sys.executable, str(LAUNCHER)]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.row("prebuilt.extra_lib_path")
@pytest.mark.parametrize(("root", "script"), [("code", "score.py"), ("", "code/score.py")])
def test_a_folder_beside_the_script(code: Path, root: str, script: str) -> None:
    variables = {"AZUREML_EXTRA_PYTHON_LIB_PATH": "lib", "LOOK_FOR": "mine"}
    ended = launch(code, code.parent / root, script, **variables)
    assert (ended.returncode, ended.stdout) == (0, f"mine {code}/lib/mine.py\n"), ended.stderr


@pytest.mark.row("prebuilt.extra_requirements")
@pytest.mark.parametrize(("root", "script"), [("code", "score.py"), ("", "code/score.py")])
def test_requirements_beside_the_script(code: Path, root: str, script: str) -> None:
    variables = {"AZUREML_EXTRA_REQUIREMENTS_TXT": "extra.txt", "LOOK_FOR": "tiny"}
    ended = launch(code, code.parent / root, script, **variables)
    assert ended.returncode == 0, ended.stderr
    assert f"Installing the packages of {code}/extra.txt" in ended.stdout
    assert ended.stdout.splitlines()[-1].startswith(f"tiny {code.parent}/home/")


@pytest.mark.row("prebuilt.extra_requirements")
def test_requirements_that_cannot_be_had(code: Path) -> None:
    (code / "extra.txt").write_text("--no-index\nno-such-package-of-amlemu\n")
    ended = launch(code, code, "score.py", AZUREML_EXTRA_REQUIREMENTS_TXT="extra.txt")
    assert ended.returncode == 94
    assert "no-such-package-of-amlemu" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("The packages of AZUREML_EXTRA_REQUIREMENTS_TXT could not be")


def test_without_them_the_server_has_its_own_packages_only(code: Path) -> None:
    ended = launch(code, code, "score.py", LOOK_FOR="mine")
    assert "No module named 'mine'" in ended.stderr
