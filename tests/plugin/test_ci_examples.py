"""docs/ci: both files are what the services take, and each command in them works as it stands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from amlemu_process import amlemu, temporary_environ
from users_suite import Suite

DOCS = Path(__file__).resolve().parents[2] / "docs"
FILES = {"github": DOCS / "ci/github-actions.yml", "azure": DOCS / "ci/azure-pipelines.yml"}
SCHEMAS = {
    "github": ("--builtin-schema", "vendor.github-workflows"),
    "azure": ("--builtin-schema", "vendor.azure-pipelines", "--data-transform", "azure-pipelines",
              "--regex-variant", "nonunicode"),
}  # fmt: skip
PACKAGE = "amlemu @ git+https://example.com/team/amlemu@1.0"
TEST = """
import pytest

@pytest.mark.parametrize("number", range(2))
def test_scores(amlemu_endpoint, number):
    assert ENDPOINT.invoke({"data": [[number]]}).json() == [number]
"""


@dataclass(frozen=True)
class Step:
    """One command of a job, with its variables, as the service's shell runs it."""

    text: str
    variables: Mapping[str, str] = field(default_factory=dict)


def check_schema(service: str, file: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "check_jsonschema", *SCHEMAS[service], str(file)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("service", FILES)
def test_the_file_is_what_the_service_takes(service: str, tmp_path: Path) -> None:
    done = check_schema(service, FILES[service])
    assert done.returncode == 0, done.stdout
    broken = tmp_path / "broken.yml"
    broken.write_text(re.sub(r"\b(runs-on|timeoutInMinutes):", "wrong:", FILES[service].read_text()))
    assert check_schema(service, broken).returncode == 1


def steps_of(service: str, job: str) -> list[Step]:
    document = yaml.safe_load(FILES[service].read_text())
    if service == "github":
        found = document["jobs"][job]
        variables = document["env"] | found.get("env", {})
        return [Step(step["run"], variables) for step in found["steps"] if "run" in step]
    (found,) = (each for each in document["jobs"] if each["job"] == job)
    texts = [(step.get("script") or step.get("bash"), step.get("env", {})) for step in found["steps"]]
    return [Step(text, document["variables"] | env) for text, env in texts if text]


def shell_of(suite: Suite, given: Mapping[str, str]) -> dict[str, str]:
    """A runner's shell, in which pip has installed already and images are not saved: this engine has other people's."""
    tools = suite.temporary / "tools"
    tools.mkdir(exist_ok=True)
    docker, asked = shutil.which("docker") or "docker", suite.temporary / "docker.txt"
    run, installed = f'exec {sys.executable} "$@"', f"{suite.temporary}/pip.txt"
    for name, text in {
        "docker": f'case "$1" in save | load) echo "$@" >> {asked} ;; *) exec {docker} "$@" ;; esac',
        "python": f'if [ "$2" = pip ]; then echo "$@" >> {installed}; else {run}; fi',
        "amlemu": f'exec {sys.executable} -m emulator "$@"',
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    return suite.environ | {"PATH": f"{tools}:{os.environ['PATH']}"} | dict(given)


def run_job(suite: Suite, service: str, job: str, given: Mapping[str, str]) -> str:
    """Run the commands of a job one after the other; all that they have said."""
    said = []
    given = {"AMLEMU_PACKAGE": PACKAGE} | dict(given)
    for step in steps_of(service, job):
        variables = {name: value_of(str(value), given, suite) for name, value in step.variables.items()}
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", step.text],
            cwd=suite.folder, env=shell_of(suite, given) | variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
        said.append(f"$ {step.text}\n{done.stdout}{done.stderr}")
        assert done.returncode == 0, "\n".join(said)
    return "\n".join(said)


def value_of(value: str, given: Mapping[str, str], suite: Suite) -> str:
    """A variable as the service fills it in; folders are below the suite's own."""
    value = re.sub(r"\$\{\{ *(?:vars|secrets)\.(\w+) *\}\}|\$\((AMLEMU_\w+)\)", lambda m: given[m[1] or m[2]], value)
    value = re.sub(r"\$\((?:Pipeline\.Workspace|Agent\.TempDirectory)\)", str(suite.temporary), value)
    return f"{suite.temporary}{value.removeprefix('/tmp')}" if value.startswith("/tmp/amlemu-") else value


def same_commands(text: str) -> str:
    """A command without what one service needs said and the other does by itself."""
    return text.replace("set -euo pipefail\n", "").strip()


@pytest.mark.parametrize("jobs", [("runner", "agent"), ("sandbox", "sandbox")])
def test_both_files_run_the_same_commands(jobs: tuple[str, str]) -> None:
    """So that it is enough to run each of them once."""
    github, azure = ([same_commands(step.text) for step in steps_of(*of)] for of in zip(FILES, jobs, strict=True))
    assert github == [text for text in azure if "$RESULTS/told" not in text] and github


@pytest.mark.parametrize(("service", "job"), [("github", "runner"), ("azure", "agent"), ("github", "sandbox")])
def test_nothing_is_installed_by_a_name_that_anybody_could_take(service: str, job: str, tmp_path: Path) -> None:
    """Without the variable the job ends with what to set, before pip is asked."""
    suite = Suite(tmp_path)
    (install,) = (step for step in steps_of(service, job) if "pip install" in step.text)
    environ = shell_of(suite, {"AMLEMU_PACKAGE": ""})
    done = subprocess.run(["bash", "-e", "-c", install.text], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "set the variable AMLEMU_PACKAGE, as in amlemu @ git+https://" in done.stderr
    assert not (suite.temporary / "pip.txt").exists()


@pytest.mark.docker
def test_the_job_on_docker(tmp_path: Path) -> None:
    suite = Suite(tmp_path)
    suite.write("test_scores.py", TEST)
    (suite.temporary / "amlemu-images").mkdir()
    (suite.temporary / "amlemu-images/images.tar").touch()
    assert "2 passed" in run_job(suite, "azure", "agent", {})
    results = suite.temporary / "amlemu-results"
    assert {path.name for path in (results / "told").iterdir()} == {"pytest.txt", "server.log", "logs"}
    assert (results / "pytest.xml").exists()
    loaded, saved = (suite.temporary / "docker.txt").read_text().splitlines()
    assert loaded.startswith("load --input ") and "amlemu/environment:" in saved
    assert (suite.temporary / "pip.txt").read_text().startswith(f"-m pip install {PACKAGE} pytest")


def test_the_job_on_a_team_s_emulator(tmp_path: Path) -> None:
    suite = Suite(tmp_path)
    suite.write("test_scores.py", TEST)
    with temporary_environ(AMLEMU_TOKEN="a-token-of-the-team-0123456789abcdef") as environ:
        amlemu(environ, "up", "--detach")
        given = {"AMLEMU_URL": f"http://127.0.0.1:{environ['AMLEMU_PORT']}", "AMLEMU_TOKEN": environ["AMLEMU_TOKEN"]}
        said = run_job(suite, "github", "sandbox", given)
        assert "2 passed" in said and given["AMLEMU_TOKEN"] not in said
        assert amlemu(environ, "list").stdout == ""


def test_the_page_names_only_options_that_there_are() -> None:
    page = (DOCS / "ci.md").read_text()
    told = subprocess.check_output([sys.executable, "-m", "pytest", "--help"], text=True, cwd=DOCS)
    named = set(re.findall(r"`(--amlemu-[a-z]+|amlemu_(?:url|engine|home))`", page))
    assert named >= {"--amlemu-url", "--amlemu-engine", "--amlemu-keep", "amlemu_home"}
    assert all(name in told for name in named)
