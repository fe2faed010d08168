"""Azure ML's prebuilt inference images where no container runs: their packages, and those that a deployment adds."""

from __future__ import annotations

from pathlib import Path

import pytest
from amlemu_process import Environ, amlemu, json_of

SCRIPT = """\
import in_the_folder


def init():
    pass


def run(data):
    return in_the_folder.ANSWER
"""


@pytest.mark.row("prebuilt.extra_lib_path")
def test_packages_stand_for_a_prebuilt_image(environ: Environ, folder: Path) -> None:
    (folder / "lib").mkdir(parents=True)
    (folder / "lib/in_the_folder.py").write_text("ANSWER = 42\n")
    (folder / "score.py").write_text(SCRIPT)
    (folder / "prebuilt.yml").write_text("image: mcr.microsoft.com/azureml/minimal-py311-inference:latest\n")
    words = ("deploy", "--name", "prebuilt", "--entry", "score.py", "--environment", "prebuilt.yml")
    try:
        endpoint = json_of(environ, *words, "--env", "AZUREML_EXTRA_PYTHON_LIB_PATH=lib", cwd=folder)
        (deployment,) = endpoint["deployments"]
        assert "minimal-py311-inference:latest is not used. Python 3.11 with" in deployment["differences"][0]
        assert amlemu(environ, "invoke", "prebuilt", "--data", "{}").stdout == "42"
    finally:
        amlemu(environ, "delete", "prebuilt", "--yes")


def test_any_other_image_needs_docker(environ: Environ, folder: Path) -> None:
    folder.mkdir()
    (folder / "score.py").write_text(SCRIPT)
    (folder / "own.yml").write_text("image: nginx:1.25\n")
    words = ("deploy", "--name", "nobody", "--entry", "score.py", "--environment", "own.yml")
    failed = amlemu(environ, *words, cwd=folder, code=3)
    assert "it can neither run an image nor build a Dockerfile" in failed.stderr
    assert "--engine docker" in failed.stderr
    amlemu(environ, "delete", "nobody", "--yes")
