"""pip's requirements files."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from emulator.difference import texts
from emulator.environments.files.requirements_file import Requirements, check_requirement, parse_requirements
from emulator.errors import BadArgument, BadDocument


def parsed(files: Mapping[str, str], name: str = "requirements.txt") -> Requirements:
    def read(other: str) -> str:
        if other not in files:
            raise BadArgument(f"the file '{other}' does not exist")
        return files[other]

    return parse_requirements(files[name], name, read)


def read_from(files: Mapping[str, str], name: str = "requirements.txt") -> tuple[str, ...]:
    return parsed(files, name).lines


def read_lines(*lines: str) -> tuple[str, ...]:
    return read_from({"requirements.txt": "\n".join(lines)})


def faults_of(files: Mapping[str, str]) -> list[str]:
    with pytest.raises(BadDocument) as caught:
        read_from(files)
    return [str(fault) for fault in caught.value.faults]


def test_lines_comments_and_blanks() -> None:
    text = "\ufeff# top\n\nnumpy==1.26.4  # why\r\n  scipy >= 1  \nx @ https://h/x.whl#sha256=1\n"
    assert read_from({"requirements.txt": text}) == ("numpy==1.26.4", "scipy >= 1", "x @ https://h/x.whl#sha256=1")


def test_an_editable_install_is_a_difference() -> None:
    files = {
        "requirements.txt": "numpy\n-e git+https://user:word@host/x.git#egg=x\n-r more.txt\ngit+https://host/z.git#egg=z",
        "more.txt": "--editable git+https://host/y.git#egg=y",
    }
    found = parsed(files)
    assert found.lines[1] == "x @ git+https://user:word@host/x.git"
    said = (
        "is installed like any other package: pip would check the repository out into a folder 'src' and install that"
    )
    assert texts(found.differences) == (
        f"requirements.txt:2: '-e git+https://****@host/x.git#egg=x' {said}",
        f"more.txt:1: '--editable git+https://host/y.git#egg=y' {said}",
    )
    assert {(one.code, one.group) for one in found.differences} == {("packages.editable", "differs")}


def test_many_editable_installs_are_bounded() -> None:
    lines = "\n".join(f"-e git+https://host/x{n}.git#egg=x{n}" for n in range(500))
    assert len(parsed({"requirements.txt": lines}).differences) == 100


WHEEL = "https://host/my_pkg-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("git+https://host/x.git#egg=x", "x @ git+https://host/x.git"),
        (
            "git+https://host/x.git@v1#egg=x[a,b]&subdirectory=src",
            "x[a,b] @ git+https://host/x.git@v1#subdirectory=src",
        ),
        ("git+https://host/x.git#subdirectory=src&egg=x==1.0", "x @ git+https://host/x.git#subdirectory=src"),
        ("git+https://host/x.git#egg=x%5Ba%5D", "x[a] @ git+https://host/x.git"),
        # a version may be part of such a name, and pip asks the repository
        ("git+https://host/x.git#egg=x-1.0", "git+https://host/x.git"),
        ("git+https://host/x.git@main", "git+https://host/x.git@main"),
        ("git+ssh://git@host/team/x.git#egg=x", "x @ git+ssh://git@host/team/x.git"),
        ("-e git+https://host/x.git@0123abc#egg=x", "x @ git+https://host/x.git@0123abc"),
        ("--editable=git+https://host/x.git", "git+https://host/x.git"),
        (WHEEL, f"my-pkg @ {WHEEL}"),
        (f"{WHEEL}?sv=2024&sig=aB%2Bc%3D", f"my-pkg @ {WHEEL}?sv=2024&sig=aB%2Bc%3D"),
        (f"{WHEEL}#sha256={'a' * 64}", f"my-pkg @ {WHEEL}#sha256={'a' * 64}"),
        (f"{WHEEL} ; python_version < '4'", f"my-pkg @ {WHEEL} ; python_version < '4'"),
        (f"{WHEEL}; python_version < '4'", f"my-pkg @ {WHEEL} ; python_version < '4'"),
        (f"{WHEEL} --hash=sha256:{'A' * 64}", f"my-pkg @ {WHEEL} --hash=sha256:{'a' * 64}"),
        ("https://host/archive/main.zip", "https://host/archive/main.zip"),
        ("https://host/archive/main.zip#egg=x", "x @ https://host/archive/main.zip"),
        ("https://host/x-1.0.tar.gz?sig=abcd", "https://host/x-1.0.tar.gz?sig=abcd"),
        (f"my-pkg @ {WHEEL}?sig=abcd", f"my-pkg @ {WHEEL}?sig=abcd"),
    ],
)
def test_a_package_by_its_url_has_the_name_that_the_url_tells(line: str, kept: str) -> None:
    assert read_lines(line) == (kept,)
    assert check_requirement(kept) is None


@pytest.mark.parametrize(
    "lines",
    [("numpy==1.26.4 --hash=sha256:" + "a" * 64, "https://host/x-1.0.zip"), ("--require-hashes", "git+https://host/x")],
)
def test_a_url_alone_is_pinned_beside_hashes_too(lines: tuple[str, ...]) -> None:
    (fault,) = faults_of({"requirements.txt": "\n".join(lines)})
    assert "has no hash" in fault


def test_continuations_and_hashes() -> None:
    one, two = "a" * 64, "B" * 64
    lines = ("numpy==1.26.4 \\", f"    --hash=sha256:{one} \\", f"    --hash  sha256:{two}")
    assert read_lines(*lines) == (f"numpy==1.26.4 --hash=sha256:{one} --hash=sha256:{two.lower()}",)
    assert read_lines("scipy>=1,\\", "<2") == ("scipy>=1,<2",)


def test_a_continuation_at_the_end_of_the_file_loses_nothing() -> None:
    assert read_lines("numpy", "scipy \\") == ("numpy", "scipy")


def test_the_place_of_a_continued_line_is_its_first() -> None:
    assert faults_of({"requirements.txt": "numpy\nsci py \\\n  ==1\n"})[0].startswith("requirements.txt:2: ")


def test_includes_stand_in_place_and_are_relative_to_their_own_file() -> None:
    files = {
        "requirements.txt": "a\n-r sub/more.txt\n--requirement=last.txt",
        "sub/more.txt": "b\n-r even.txt\n-r ../last.txt",
        "sub/even.txt": "c",
        "last.txt": "d",
    }
    assert read_from(files) == ("a", "b", "c", "d", "d")


@pytest.mark.parametrize("spelling", ["requirements.txt", "./requirements.txt", "sub/../requirements.txt"])
def test_a_cycle_is_found_however_it_is_spelled(spelling: str) -> None:
    assert faults_of({"requirements.txt": f"a\n-r {spelling}"}) == [
        "requirements.txt:2: 'requirements.txt' includes itself"
    ]


def test_a_missing_include_is_one_fault_among_others() -> None:
    assert faults_of({"requirements.txt": "-r nope.txt\nnumpy=1"}) == [
        "requirements.txt:1: the file 'nope.txt' does not exist",
        "requirements.txt:2: pip writes 'numpy==1': one '=' is conda's",
    ]


def test_a_fault_of_an_included_file_has_its_name() -> None:
    assert faults_of({"requirements.txt": "-r b.txt", "b.txt": "\n-e ."})[0].startswith("b.txt:2: ")


@pytest.mark.parametrize(
    "line",
    [
        "numpy",
        "numpy==1.2",
        "numpy===1.2",
        "numpy>=1,!=1.5,<2",
        "inference-schema[numpy-support,pandas-support]",
        "numpy; python_version < '3.9'",
        "x @ https://host/x.whl",
        "x @ git+https://host/x.git@v1",
        "--index-url https://host/simple",
        "-i https://host/simple",
        "--extra-index-url=https://host/simple",
        "--find-links https://host/links.html",
        "--pre",
        "--no-binary :all:",
        "--trusted-host host",
    ],
)
def test_what_an_environment_takes(line: str) -> None:
    assert check_requirement(line) is None


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("-e .", "names something on this machine"),
        ("--editable=./x", "names something on this machine"),
        ("./x", "names something on this machine"),
        ("../x", "names something on this machine"),
        ("/x", "names something on this machine"),
        ("file:///x.whl", "names something on this machine"),
        ("x @ file:///x.whl", "names something on this machine"),
        ("x-1.0-py3-none-any.whl", "names something on this machine"),
        ("--find-links ./wheels", "names something on this machine"),
        ("-f /wheels", "names something on this machine"),
        ("-c constraints.txt", "'-c' is not an option for an environment"),
        ("--no-index", "'--no-index' is not an option for an environment"),
        ("numpy=1.2", "pip writes 'numpy==1.2': one '=' is conda's"),
        ("x[y] = 1.2", "pip writes 'x[y]==1.2': one '=' is conda's"),
        ("numpy=<1.2", "pip writes 'numpy<=1.2', not '=<'"),
        ("https://host/x.whl", "is not called as a wheel is: NAME-VERSION-PYTHON-ABI-PLATFORM.whl"),
        ("https://host/team/x.git", "is a repository, which pip writes 'git+https://host/team/x.git'"),
        ("ssh://git@host/x", "is a repository, which pip writes 'git+ssh://git@host/x'"),
        ("https://host/team/x", "is neither a wheel nor an archive"),
        ("hg+https://host/x", "the build has git alone"),
        ("https://host/x-1.0.zip ; python < 3", "is not a requirement"),
        ("num py", "'num py' names several packages: each has a line of its own"),
        ("numpy==", "'numpy==' is not a requirement"),
    ],
)
def test_what_it_does_not_take_is_explained(line: str, told: str) -> None:
    assert told in (check_requirement(line) or "")


@pytest.mark.parametrize("line", ["https://me:s3cret@host/x.whl", "x @ https://me:s3cret@host/x y z"])
def test_a_password_is_not_repeated(line: str) -> None:
    told = check_requirement(line) or ""
    assert "//****@host" in told
    assert "s3cret" not in told
