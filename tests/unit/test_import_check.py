"""The check of imports: what it imports, what it says, and what becomes of that."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from emulator.difference import texts
from emulator.entities import Environment
from emulator.environments import CURATED, curated_environment, find_curated, image_spec, prebuilt_stand_in
from emulator.environments.import_check import asked_imports, import_differences, import_failure
from emulator.errors import ImageBuildFailure

PROGRAM = Path(__file__).parents[2] / "images/scoring/check_imports.py"


class Site:
    """A virtual environment without packages, into which tests write some."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.folder = folder
        (self.site,) = folder.glob("lib/python*/site-packages")

    def add(self, name: str, files: Mapping[str, str]) -> None:
        record = f"{name.replace('-', '_')}-1.0.dist-info/RECORD"
        everything = {**files, record: "".join(f"{path},,\n" for path in files)}
        for path, text in everything.items():
            (self.site / path).parent.mkdir(parents=True, exist_ok=True)
            (self.site / path).write_text(text)

    def check(self, **asked: Any) -> tuple[int, dict[str, list[list[str]]], str]:
        file, report = self.folder / "asked.json", self.folder / "report.json"
        file.write_text(json.dumps({"pip": [], "conda": [], "variables": {}} | asked))
        done = subprocess.run(
            [self.folder / "bin/python", PROGRAM, file, report], capture_output=True, text=True, check=False
        )
        return done.returncode, json.loads(report.read_text()), done.stderr


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "venv")


def test_packages_are_imported_by_the_names_of_their_files(site: Site) -> None:
    site.add(
        "Some-Package",
        {"other_name/__init__.py": "open('imported', 'w')", "_private.py": "1/0", "tests/__init__.py": "1/0"},
    )
    code, report, told = site.check(pip=["some_package", "not-installed"])
    assert (code, report, told) == (0, {"failed": [], "noted": []}, "")


def test_a_failure_names_package_module_and_the_first_reason(site: Site) -> None:
    first = "try:\n    raise ValueError('numpy.dtype size changed')\n"
    text = first + "except ValueError as e:\n    raise ImportError('broken') from e\n"
    site.add("bad", {"worse/__init__.py": text})
    site.add("good", {"good.py": ""})
    code, report, told = site.check(pip=["good", "bad"])
    assert code == 3
    reason = "ImportError: broken (because of ValueError: numpy.dtype size changed)"
    assert report["failed"] == [["bad", "worse", reason]]
    failure = import_failure(["something else", *told.splitlines()])
    assert failure and failure.message == f"package bad cannot be imported (import worse): {reason}"
    assert "numpy<2" in failure.hint


def test_a_package_in_a_namespace_is_imported_itself(site: Site) -> None:
    site.add("space-a", {"space/a/__init__.py": "raise RuntimeError('a')"})
    assert site.check(pip=["space-a"])[1]["failed"] == [["space-a", "space.a", "RuntimeError: a"]]


@pytest.mark.parametrize(
    "text",
    [
        "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')",
        "raise OSError('libcuda.so.1: not found')",
        "import pkg_resources",
        "raise RuntimeError('JAVA_HOME is not set')",
    ],
)
def test_what_the_machine_lacks_is_noted(site: Site, text: str) -> None:
    site.add("x", {"x.py": text})
    code, report, _ = site.check(pip=["x"])
    assert (code, report["failed"]) == (0, [])
    (told,) = texts(import_differences(json.dumps(report), ""))
    assert told.startswith("package x cannot be imported here (import x): ")


def test_nothing_fails_in_an_environment_that_is_not_the_users(site: Site) -> None:
    """As scikit-learn-intelex of the curated sklearn-1.5, which the script may never import."""
    site.add("bad", {"bad.py": "raise ValueError('at its published version')"})
    curated = find_curated("sklearn-1.5")
    assert curated
    spec = image_spec(curated_environment(curated), "")
    assert json.loads(asked_imports(spec, "/folder", ""))["nothing_fails"] is True
    code, report, told = site.check(pip=["bad"], nothing_fails=True)
    assert (code, report["failed"], told) == (0, [], "")
    assert texts(import_differences(json.dumps(report), spec.setting)) == (
        "package bad cannot be imported here (import bad): ValueError: at its published version;"
        ' [curated_environments."sklearn-1.5"] of amlemu.toml replaces the packages of this environment',
    )


@pytest.mark.parametrize(
    ("image", "setting"),
    [
        ("mcr.microsoft.com/azureml/minimal-ubuntu20.04-py38-cpu-inference:1", "[curated_environments."),
        ("mcr.microsoft.com/azureml/minimal-py311-inference:1", "["),
    ],
)
def test_the_setting_that_replaces_what_stands_for_an_image(image: str, setting: str) -> None:
    stand_in = prebuilt_stand_in(Environment(name="mine", image=image), CURATED)
    assert stand_in
    assert image_spec(stand_in, "").setting.startswith(setting)
    named_alike = Environment(name="sklearn-1.5", python_version="3.9", source="the curated environment sklearn-1.5")
    assert image_spec(named_alike, "").setting == ""


def test_what_is_optional_beside_a_package_is_noted(site: Site) -> None:
    site.add("x", {"x.py": "", "x_plugin.py": "import one_that_is_missing"})
    assert site.check(pip=["x"])[1]["failed"] == []


def test_a_crash_of_the_interpreter_costs_only_its_package(site: Site) -> None:
    site.add("a", {"a.py": ""})
    site.add("b", {"b.py": "import os; os.abort()"})
    site.add("c", {"c.py": "raise SystemExit(3)"})
    failed = site.check(pip=["a", "b", "c"])[1]["failed"]
    assert [name for name, _, _ in failed] == ["b", "c"]
    assert "the interpreter died with code -6" in failed[0][2]


def test_conda_packages_are_found_by_their_records(site: Site) -> None:
    (site.site / "torchy").mkdir()
    (site.site / "torchy/__init__.py").write_text("1/0")
    below = site.site.relative_to(site.folder)
    (site.folder / "conda-meta").mkdir()
    for name in ("pytorchy", "pytorchy-extra"):
        record = {"name": name, "files": [f"{below}/torchy/__init__.py"] if name == "pytorchy" else ["bin/x"]}
        (site.folder / f"conda-meta/{name}-1.0-0.json").write_text(json.dumps(record))
    failed = site.check(conda=["pytorchy", "openjdk"])[1]["failed"]
    assert failed == [["pytorchy", "torchy", "ZeroDivisionError: division by zero"]]


def test_the_servers_variables_are_there(site: Site) -> None:
    site.add("x", {"x.py": "import os; assert os.environ['MINE'] == '1' and os.environ['LD_LIBRARY_PATH'] == '/lib'"})
    code, _, _ = site.check(pip=["x"], variables={"MINE": "1"}, library_path="/lib")
    assert code == 0


def test_what_is_asked_for_is_what_the_user_names() -> None:
    environment = Environment(
        name="e", python_version="3.9", requirements=("Flask[async]>=2", "--pre"), variables={"A": "1"},
        channels=("c",), conda_dependencies=("python=3.9", "c::NumPy=1.2", "pip"),
    )  # fmt: skip
    asked = json.loads(asked_imports(image_spec(environment, ""), "/folder", ""))
    assert asked == {
        "pip": ["Flask"],
        "conda": ["numpy"],
        "variables": {"A": "1"},
        "library_path": "/folder/lib",
        "nothing_fails": False,
    }


def test_a_package_given_by_its_url_alone_is_imported_by_the_name_in_the_lock() -> None:
    environment = Environment(name="e", python_version="3.9", requirements=("git+https://host/x", "numpy"))
    lock = "numpy==1.26.4\nmine @ git+https://host/x@0123abc\n"
    assert json.loads(asked_imports(image_spec(environment, ""), "/f", lock))["pip"] == ["numpy", "mine"]


def test_a_build_that_failed_for_another_reason() -> None:
    assert import_failure(["error: x"]) is None
    assert import_differences("", "") == ()


@pytest.mark.parametrize("report", ["{", "[]", '{"noted": 3}', '{"noted": [[1]]}', "[" * 100_000])
def test_a_report_that_a_package_has_changed_is_told_of(report: str) -> None:
    with pytest.raises(ImageBuildFailure, match="a package changed the report"):
        import_differences(report, "")
