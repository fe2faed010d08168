"""Hashes of requirements are enforced as pip does: in files, at the resolution and at the installation."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hostile_packages import plain_wheel

from emulator.engines.docker.build_log import build_failure
from emulator.engines.packaging.python_packages import HostPackaging, read_host_packaging
from emulator.engines.packaging.resolution import lock_requirements
from emulator.engines.process.engine import ProcessEngine
from emulator.entities import Environment
from emulator.environments import image_spec, mlflow_environment, read_environment
from emulator.environments.hash_pins import hash_failure, hash_problem, hashes_of, without_hashes
from emulator.environments.image_spec import ImageSpec
from emulator.errors import BadArgument, BadDocument, ImageBuildFailure
from emulator.system.package_files import launcher_text

A, B = "a" * 64, "b" * 64
CONDA = """
name: pinned
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def read(text: str, file: str = "requirements.txt", beside: Mapping[str, str] | None = None) -> Environment:
    def text_of(name: str) -> str:
        if name not in (beside or {}):
            raise BadArgument(f"no {name}")
        return (beside or {})[name]

    return read_environment(text, file, text_of)


def faults(text: str, file: str = "requirements.txt", beside: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(BadDocument) as caught:
        read(text, file, beside)
    return [str(fault) for fault in caught.value.faults]


# In files


def test_a_hash_stays_with_its_requirement() -> None:
    found = read(f"six==1.16.0 \\\n  --hash=sha256:{A} \\\n  --hash=sha256:{B.upper()}  # two\n")
    assert found.requirements == (f"six==1.16.0 --hash=sha256:{A} --hash=sha256:{B}",)


def test_another_hash_is_another_environment() -> None:
    one, two, none = (
        image_spec(read(text), launcher_text()).digest
        for text in (f"six==1.16.0 --hash=sha256:{A}", f"six==1.16.0 --hash=sha256:{B}", "six==1.16.0")
    )
    assert len({one, two, none}) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"six==1.16.0 --hash=sha256:{A}\ntoolz==1.0.0", "requirements.txt:2: 'toolz==1.0.0' has no hash"),
        (f"six==1.16.0 --hash=sha256:{A}\ntoolz", "requirements.txt:2: 'toolz' must be pinned with '=='"),
        (f"six>=1 --hash=sha256:{A}", "requirements.txt:1: 'six>=1' must be pinned"),
        (f"six==1.* --hash=sha256:{A}", "must be pinned"),
        (f"six==1.16.0,>1 --hash=sha256:{A}", "must be pinned"),
        (f"x @ git+https://h/x.git@main --hash=sha256:{A}", "comes from version control"),
        (f"six==1.16.0 --hash=sha256:{A}\nx @ https://h/x-1-py3-none-any.whl", "'x' has no hash"),
        ("--require-hashes\nsix==1.16.0", "requirements.txt:2: 'six==1.16.0' has no hash"),
        ("six==1.16.0 --hash=sha256:abc", "is no sha256: that has 64 hexadecimal digits"),
        (f"six==1.16.0 --hash=md5:{'a' * 32}", "must be sha256 or sha384 or sha512"),
        (f"six==1.16.0 --hash={A}", "must be sha256"),
        (f"six==1.16.0 --hash=sha256:{'g' * 64}", "is no sha256"),
        (f"--hash=sha256:{A}", "is not an option for an environment"),
    ],
)
def test_what_pip_would_not_take_is_a_fault_with_its_place(text: str, told: str) -> None:
    assert told in faults(text)[0]


def test_a_hash_in_an_included_file_wants_hashes_of_all() -> None:
    found = faults("-r more.txt\ntoolz==1.0.0", beside={"more.txt": f"six==1.16.0 --hash=sha256:{A}"})
    assert found[0].startswith("requirements.txt:2: 'toolz==1.0.0' has no hash")
    found = faults(f"-r more.txt\ntoolz==1.0.0 --hash=sha256:{A}", beside={"more.txt": "six==1.16.0"})
    assert found[0].startswith("more.txt:1: 'six==1.16.0' has no hash")


def test_a_url_may_have_its_hash_in_itself() -> None:
    url = f"x @ https://h/x-1-py3-none-any.whl#sha256={A}"
    assert read(f"{url}\nsix==1.16.0 --hash=sha256:{A}").requirements[0] == url


def test_the_pip_section_of_a_conda_file() -> None:
    found = read(f"{CONDA}    - six==1.16.0 --hash=sha256:{A}\n", "conda.yml")
    assert found.requirements == (f"six==1.16.0 --hash=sha256:{A}",)
    continued = f'{CONDA}    - "six==1.16.0 \\\\\\n --hash=sha256:{A}"\n'
    assert read(continued, "conda.yml").requirements == found.requirements
    (told,) = faults(f"{CONDA}    - six==1.16.0 --hash=sha256:{A}\n    - toolz==1.0.0\n", "conda.yml")
    assert "'toolz==1.0.0' has no hash" in told and told.startswith("conda.yml:")
    (told,) = faults(f"{CONDA}    - six==1.16.0 --hash=sha256:1\n", "conda.yml")
    assert "is no sha256" in told


def test_v1s_environment() -> None:
    packages = {"dependencies": ["python=3.8", {"pip": [f"azureml-defaults==1.36.0 --hash=sha256:{A}"]}]}
    document = {"name": "v1", "version": "1", "python": {"condaDependencies": packages}}
    found = read(json.dumps(document), "azureml_environment.json")
    assert found.requirements == (f"azureml-defaults==1.36.0 --hash=sha256:{A}",)
    packages["dependencies"][-1] = {"pip": [f"azureml-defaults==1.36.0 --hash=sha256:{A}", "six"]}
    with pytest.raises(BadDocument):
        read(json.dumps(document), "azureml_environment.json")


def test_the_requirements_of_an_mlflow_model() -> None:
    files = {
        "MLmodel": "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    python_version: 3.11.4\n"
        "    env: {virtualenv: python_env.yaml}\n",
        "python_env.yaml": "python: 3.11.4\ndependencies: [-r requirements.txt]\n",
        "requirements.txt": f"mlflow==2.9.0 --hash=sha256:{A}\n",
    }
    found = mlflow_environment("m:1", set(files), files.__getitem__, ("mlflow", "azureml-inference-server-http"))
    assert f"mlflow==2.9.0 --hash=sha256:{A}" in found.requirements
    assert "mlflow" not in found.requirements, "the model's own is there"


def test_what_else_reads_requirements_knows_the_package_by_its_name() -> None:
    line = f"LightGBM==4.6.0 --hash=sha256:{A}"
    assert "libgomp1" in image_spec(read(line), launcher_text()).system_packages
    assert without_hashes(line) == "LightGBM==4.6.0" and hashes_of(line) == (f"sha256:{A}",)
    assert hash_problem(line) is None


# At the resolution and the installation


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a package, its dependency, and nothing else; neither needs an index."""
    folder = tmp_path_factory.mktemp("wheels")
    plain_wheel(folder, "plainone")
    plain_wheel(folder, "plaintwo")
    yield folder


@pytest.fixture(scope="module")
def packaging(wheels: Path) -> HostPackaging:
    return read_host_packaging({**os.environ, "UV_FIND_LINKS": str(wheels)})


def sha256(wheels: Path, name: str) -> str:
    (file,) = wheels.glob(f"{name}-*.whl")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def spec_of(*lines: str) -> ImageSpec:
    return image_spec(Environment(name="e", python_version="3.11", requirements=lines), launcher_text())


def lock(packaging: HostPackaging, *lines: str) -> str:
    return lock_requirements(spec_of(*lines), packaging, lambda _line: None, threading.Event(), never).text


def never(_words: Sequence[str], _files: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    raise AssertionError("what is on an index is resolved without any code of packages")


def test_the_lock_has_the_users_hashes_and_no_others(packaging: HostPackaging, wheels: Path) -> None:
    right = sha256(wheels, "plainone")
    line = f"plainone==1.0 --hash=sha256:{A} --hash=sha256:{right}"
    assert lock(packaging, line) == f"{line}\n"
    assert lock(packaging, "--require-hashes", line) == f"{line}\n"


def test_a_dependency_without_a_hash_is_named(packaging: HostPackaging, tmp_path: Path) -> None:
    """Flask, as a package that is known to depend on others."""
    with pytest.raises(ImageBuildFailure, match="every package must have one.*jinja2==") as caught:
        lock(packaging, f"flask==3.0.3 --hash=sha256:{A}")
    assert "--generate-hashes" in caught.value.hint


def test_what_amlemu_adds_needs_no_hash(packaging: HostPackaging, wheels: Path) -> None:
    line = f"plainone==1.0 --hash=sha256:{sha256(wheels, 'plainone')}"
    locked = lock(packaging, line, "plaintwo").splitlines()
    assert locked == [line, "plaintwo==1.0"]


def test_a_wrong_hash_fails_the_environment_of_a_process(
    packaging: HostPackaging, wheels: Path, tmp_path: Path
) -> None:
    engine = ProcessEngine(tmp_path / "process", "test-hashes", packaging)
    right = sha256(wheels, "plainone")
    try:
        with pytest.raises(ImageBuildFailure) as caught:
            engine.build_image(spec_of(f"plainone==1.0 --hash=sha256:{A}"), lambda _line: None, threading.Event())
        told = caught.value.message
        assert "plainone" in told and f"expected sha256:{A}" in told and f"found sha256:{right}" in told
        spec = spec_of(f"plainone==1.0 --hash=sha256:{A} --hash=sha256:{right}")
        assert engine.build_image(spec, lambda _line: None, threading.Event()).digest == spec.digest
    finally:
        engine.close()


MISMATCH = f"""\
error: Failed to download `six==1.16.0`
  cause: Hash mismatch for `six==1.16.0`

         Expected:
           sha256:{A}
           sha256:{B}

         Computed:
           sha256:{"c" * 64}
ERROR: failed to solve: executor failed running [/bin/sh -c x]: exit code: 1
"""


def test_what_an_image_build_says_of_a_wrong_hash_names_all_of_it() -> None:
    told = build_failure(MISMATCH.splitlines())
    assert isinstance(told, ImageBuildFailure)
    assert told.message == (
        "package six==1.16.0 is not the file that its hash pins:"
        f" expected sha256:{A} or sha256:{B}, found sha256:{'c' * 64}"
    )
    assert hash_failure(["no word of it"]) is None
