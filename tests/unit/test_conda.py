"""conda files as pip sees them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.difference import texts
from emulator.entities import Environment
from emulator.environments import from_pypi, read_environment
from emulator.environments.files.conda_spec import pip_version
from emulator.environments.files.requirements_file import check_requirement
from emulator.errors import BadDocument
from emulator.secret import revealed


def read(*dependencies: object, **keys: Any) -> Environment:
    """The environment of a conda file; JSON is YAML."""
    text = json.dumps({"dependencies": dependencies, **keys}, indent=1)
    return read_environment(text, "conda.yml", lambda name: name)


def conda(*dependencies: object, **keys: Any) -> Environment:
    """The same with PyPI's packages in place of conda's."""
    return from_pypi(read(*dependencies, **keys))


@pytest.mark.parametrize(
    ("spec", "requirement"),
    [
        ("numpy", "numpy"),
        ("NumPy=1.23", "numpy==1.23.*"),
        ("numpy=1.23.*", "numpy==1.23.*"),
        ("numpy=1.23*", "numpy==1.23.*"),
        ("numpy==1.23.5", "numpy==1.23.5"),
        ("numpy=1.23.5=py38h1_0", "numpy==1.23.5"),
        ("numpy==1.23.5=py38h1_0", "numpy==1.23.5"),
        ("numpy 1.23.5 py38h1_0", "numpy==1.23.5"),
        ("numpy 1.23.5", "numpy==1.23.5"),
        ("numpy 1.23.*", "numpy==1.23.*"),
        ("numpy=1.23.*=*_cpu", "numpy==1.23.*"),
        ("numpy>=1.2,<2", "numpy>=1.2,<2"),
        ("numpy >=1.2, <2", "numpy>=1.2,<2"),
        ("numpy>=1.2.*", "numpy>=1.2"),
        ("numpy~=1.2", "numpy~=1.2"),
        ("numpy!=1.2.1", "numpy!=1.2.1"),
        ("numpy *", "numpy"),
        ("numpy=*", "numpy"),
        ("numpy[version='>=1.2,<2']", "numpy>=1.2,<2"),
        ('numpy[version="1.2",build=py38_0]', "numpy==1.2"),
        ("conda-forge::numpy=1.23", "numpy==1.23.*"),
        ("conda-forge/linux-64::numpy", "numpy"),
        ("pytorch=1.13", "torch==1.13.*"),
        ("py-xgboost", "xgboost"),
        ("onnx-runtime>=1.15", "onnxruntime>=1.15"),
        ("ruamel.yaml", "ruamel.yaml"),
    ],
)
def test_a_package_in_pips_spelling(spec: str, requirement: str) -> None:
    environment = conda(spec)
    assert environment.requirements == (requirement,)
    assert check_requirement(requirement) is None
    assert texts(environment.differences)[0].startswith("conda packages are resolved from PyPI")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("numpy=>1.2", "conda writes 'numpy>=1.2', not '=>'"),
        ("numpy =<1.2", "conda writes 'numpy<=1.2', not '=<'"),
        ("uvicorn[standard]", "asks for an extra of pip's, which conda has not: move it to the pip section"),
        ("numpy; python_version<'3.9'", "has a condition of pip's (';'), which conda has not: move it"),
        ("", "'' is not a conda package: name, name=version or name>=version"),
        ("https://host/numpy.conda", "'https://host/numpy.conda' is not a conda package"),
        ({"numpy": "1.2"}, "is not a conda package"),
        ({"pip": ["x"], "conda": []}, "is not a conda package"),
        (1.5, "'1.5' is not a conda package"),
        (None, "'None' is not a conda package"),
        ("python=2.7", "'python=2.7' must name a version of Python 3, as in python=3.11"),
        ("python=four", "must name a version of Python 3"),
        ({"pip": "numpy"}, "must be a list of requirements"),
        ({"pip": ["numpy=1.2"]}, "pip writes 'numpy==1.2': one '=' is conda's"),
    ],
)
def test_a_bad_package_is_explained_with_its_place(spec: object, told: str) -> None:
    with pytest.raises(BadDocument) as caught:
        conda("scipy", spec)
    (fault,) = caught.value.faults
    assert told in fault.message
    assert fault.where.startswith("conda.yml:")
    assert fault.field.startswith("dependencies[1]")


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ("python", "3.11"),
        ("python=3.8", "3.8"),
        ("python==3.9.16", "3.9"),
        ("python 3.10", "3.10"),
        ("python=3.8.13=h1_0", "3.8"),
        ("python=3.10.*", "3.10"),
        ("conda-forge::python=3.12", "3.12"),
    ],
)
@pytest.mark.row("environment.python_version")
def test_the_python_that_is_named(spec: str, version: str) -> None:
    environment = conda(spec)
    assert environment.python_version == version
    assert environment.differences == ()


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ("python>=3.8", "3.11"),
        ("python>=3.8,<3.10", "3.9"),
        ("python<3.12", "3.11"),
        ("python<3.11", "3.10"),
        ("python<=3.10", "3.10"),
        ("python>3.8,<3.9", "3.8"),
        ("python=3", "3.11"),
        ("python[version='>=3.9,<3.10']", "3.9"),
    ],
)
def test_a_range_of_pythons_is_resolved_and_said(spec: str, version: str) -> None:
    environment = conda(spec)
    assert environment.python_version == version
    assert any(f"is Python {version} here" in text for text in texts(environment.differences))


def test_without_a_python_there_is_a_default() -> None:
    assert conda("numpy").python_version == "3.11"


def test_what_is_not_python_comes_from_debian_or_is_left_out() -> None:
    environment = conda("openjdk=11", "gcc", "openjdk", "mkl", "cudatoolkit=11.3", "pip=22", "libgomp")
    assert environment.requirements == ("setuptools<81",), "which conda's pip brings"
    assert environment.system_packages == ("default-jre-headless", "gcc", "libc6-dev")
    (told,) = texts(environment.differences)
    for text in ("openjdk → Debian's default-jre-headless", "mkl → left out", "cudatoolkit → left out"):
        assert text in told
    assert "pip " not in told


def test_the_pip_section() -> None:
    requirements = ["azureml-defaults==1.36.0", "--extra-index-url https://host/simple", "x[y]>=1; python_version>'3'"]
    environment = conda("python=3.8", "pip", {"pip": requirements})
    assert environment.requirements == ("setuptools<81", *requirements), "conda's pip brings setuptools"
    assert environment.differences == (), "nothing of it came from a conda channel"


def test_variables_are_texts() -> None:
    variables = conda(variables={"A": 1, "B": "x y", "C": True}).variables
    assert revealed(variables) == {"A": "1", "B": "x y", "C": "True"}


@pytest.mark.parametrize("variables", [["A=1"], "A=1", {"A": None}, {"A": {"B": "C"}}])
def test_variables_of_another_shape_are_refused(variables: object) -> None:
    with pytest.raises(BadDocument):
        conda(variables=variables)


def test_every_fault_of_the_file_is_told() -> None:
    with pytest.raises(BadDocument) as caught:
        conda("numpy=>1", {"pip": ["-e ."]}, channels="c", variables=[])
    assert [fault.field for fault in caught.value.faults] == [
        "channels",
        "dependencies[0]",
        "dependencies[1].pip[0]",
        "variables",
    ]


def test_a_key_that_conda_does_not_know_is_passed_over_and_told() -> None:
    told = texts(read("numpy", chanels=["conda-forge"], dependancies=["scipy"]).differences)
    assert len(told) == 2
    assert all(text.startswith("conda.yml:") and "conda ignores it" in text for text in told)
    assert "unknown key 'chanels', did you mean 'channels'?" in told[0]
    assert "did you mean 'dependencies'?" in told[1]


def test_unknown_keys_are_faults_where_nothing_would_be_installed() -> None:
    with pytest.raises(BadDocument) as caught:
        read_environment("name: x\ndependancies: [numpy]\n", "conda.yml", lambda name: name)
    assert "did you mean 'dependencies'?" in caught.value.faults[0].message


def test_of_several_pip_sections_the_last_is_taken() -> None:
    """Also where an earlier one has what the last may not have: conda does not read it."""
    environment = read("python=3.10", {"pip": ["numpy", "https://me:pw@host/x"]}, "pip", {"pip": ["scipy"]})
    assert environment.requirements == ("scipy",)
    (told,) = texts(environment.differences)
    assert told.startswith("conda.yml:4: of several pip sections conda takes the last")
    assert told.endswith("not installed are numpy, https://****@host/x")


@pytest.mark.parametrize("empty", [None, []])
def test_an_empty_pip_section_is_none(empty: object) -> None:
    environment = read("python=3.10", {"pip": empty})
    assert environment.requirements == ()
    assert "the pip section is empty" in texts(environment.differences)[0]
    both = read("python=3.10", {"pip": ["numpy"]}, {"pip": empty})
    assert both.requirements == ()
    assert [("numpy" in text, "is empty" in text) for text in texts(both.differences)] == [(True, False), (False, True)]


EXPORT = [
    "_libgcc_mutex=0.1=conda_forge", "_openmp_mutex=4.5=2_gnu", "bzip2=1.0.8=hd590300_5",
    "ca-certificates=2023.11.17=hbcca054_0", "ld_impl_linux-64=2.40=h41732ed_0", "libffi=3.4.2=h7f98852_5",
    "libsqlite=3.44.2=h2797004_0", "libuuid=2.38.1=h0b41bf4_0", "ncurses=6.4=h59595ed_2",
    "numpy=1.26.2=py311h64a7726_0", "openssl=3.2.0=hd590300_1", "pip=23.3.1=pyhd8ed1ab_0",
    "python=3.11.7=hab00c5b_0_cpython", "python_abi=3.11=4_cp311", "pytz=2023.3.post1=pyhd8ed1ab_0",
    "readline=8.2=h8228510_1", "setuptools=68.2.2=pyhd8ed1ab_0", "snappy=1.1.10=h9fff704_0",
    "sqlite=3.44.2=h2c6b66d_0", "strange=1.0=h1234567_0", "tk=8.6.13=noxft_h4845f30_101",
    "tzdata=2023c=h71feb2d_0", "vc=14.2=h21ff451_1", "wheel=0.42.0=pyhd8ed1ab_0", "xz=5.2.6=h166bdaf_0",
    "zstd=1.5.5=h1",
]  # fmt: skip
OF_PYTHON = ("numpy", "pytz", "setuptools", "wheel")


@pytest.mark.parametrize("builds", [True, False])
def test_an_export_has_packages_that_are_none_of_pythons(builds: bool) -> None:
    """PyPI has other things by some of these names."""
    lines = EXPORT if builds else [line.rpartition("=")[0] for line in EXPORT if "strange" not in line]
    environment = conda(*lines)
    assert environment.python_version == "3.11"
    assert tuple(line.partition("==")[0] for line in environment.requirements) == OF_PYTHON
    (told,) = [text for text in texts(environment.differences) if "are no Python packages" in text]
    for name in ("_libgcc_mutex", "ld_impl_linux-64", "libffi", "ncurses", "readline", "tk", "xz", "sqlite", "vc"):
        assert f"{name}," in f"{told},"


@pytest.mark.parametrize("name", ["librosa", "antlr-python-runtime", "python-graphviz", "msgpack-python", "jpype1"])
def test_a_package_of_pythons_is_not_left_out(name: str) -> None:
    assert len(conda(name).requirements) == 1


@pytest.mark.parametrize("named", ["setuptools=65.5", {"pip": ["setuptools==65.5", "x"]}])
def test_setuptools_is_the_users_own_where_they_name_it(named: object) -> None:
    requirements = conda("python=3.10", "pip", named).requirements
    assert [line for line in requirements if line.startswith("setuptools")] == [requirements[0]]
    assert "<81" not in requirements[0]


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"channels": ["file:///srv/c", "conda-forge"]}, "channel file:///srv/c lies on"),
        ({"channels": ["/srv/c"]}, "channel /srv/c lies on"),
        ({"channels": ["http://localhost:8000/c"]}, "channel http://localhost:8000/c lies on"),
        ({"channels": ["https://me:pw@127.0.0.1/c"]}, "channel https://****@127.0.0.1/c lies on"),
    ],
)
def test_a_channel_that_the_cloud_cannot_see_is_a_difference(keys: dict[str, Any], place: str) -> None:
    (told,) = texts(read("python=3.10", **keys).differences)
    assert told == f"{place} this machine: the cloud's build cannot see it, and fails"


def test_an_editable_install_is_a_difference() -> None:
    environment = read("python=3.10", {"pip": ["numpy", "-e git+https://host/x.git#egg=x"]})
    assert environment.requirements == ("numpy", "x @ git+https://host/x.git")
    (told,) = texts(environment.differences)
    assert "'-e git+https://host/x.git#egg=x' is installed like any other package" in told


def test_packages_of_this_machines_servers_are_a_difference_too() -> None:
    lines = ["--extra-index-url http://localhost:8080/simple", "x @ http://127.0.0.1/x-1.tar.gz", "numpy"]
    told = texts(read("python=3.10", "/srv/c::scipy", {"pip": lines}).differences)
    assert [text.split(" this machine")[0].rpartition(" ")[0] for text in told] == [
        "channel /srv/c lies", f"'{lines[0]}'", f"'{lines[1]}'",
    ]  # fmt: skip
    of_text = read_environment("\n".join(lines), "requirements.txt", lambda name: name)
    assert len(of_text.differences) == 2


def test_an_empty_environment() -> None:
    environment = read_environment("name: x\ndependencies:\n", "conda.yml", lambda name: name)
    assert (environment.name, environment.requirements, texts(environment.differences)) == ("x", (), ())


@given(st.text(alphabet="=<>!~*,. 0123456789abpy_|", max_size=20))
def test_no_condition_breaks_the_translation(version: str) -> None:
    check_requirement("numpy" + pip_version(version.strip()))
