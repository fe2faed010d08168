"""Documents that are small to send and large to read: each is an error at once, and nobody else waits for it."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from core_support import SCRIPT, House
from served import serving

from emulator.azure_files import parse_setting
from emulator.config import read_settings
from emulator.diagnosis import check_script
from emulator.documents import yaml_document
from emulator.documents.yaml_document import parse_document, parse_json, parse_yaml_or_json
from emulator.engines.packaging.python_packages import read_host_packaging
from emulator.environments import read_environment, read_override_config
from emulator.environments.dockerignore import is_ignored, parse_ignore
from emulator.environments.files.requirements_file import parse_requirements
from emulator.errors import BadDocument, EmulatorError
from emulator.store.reach import Reach
from emulator.store.trees import code_tree

SECONDS = 15.0
"""What a document may take on a machine with much else to do; those of before took minutes, or for ever."""


def told(parse: Callable[..., object], *words: Any, seconds: float = SECONDS) -> str:
    began = time.monotonic()
    with pytest.raises(EmulatorError) as caught:
        parse(*words)
    assert time.monotonic() - began < seconds
    assert len(str(caught.value)) < 20_000
    return "\n".join([str(caught.value), *map(str, caught.value.faults)])


LARGE = {
    "three megabytes": ("a: [" + "b," * 1_500_000 + "]", "no document may have more than"),
    "values": ("a: [" + "b," * 300_000 + "]", "values"),
    "keys": ("".join(f"k{n}: v\n" for n in range(60_000)), "values"),
    "documents": ("---\na: b\n" * 60_000, "values"),
    "anchors": ("a: &x [b, b]\nc: &y [*x, *x]\nd: [" + "*y," * 9_000 + "]", "values once its anchors are followed"),
    "deep flow": ("a: " + "[" * 50_000, "nested too deeply"),
    "deep closed": ("a: " + "[" * 5_000 + "]" * 5_000, "nested too deeply"),
    "deep mappings": ("a: " + "{b: " * 30_000, "nested too deeply"),
    "deep list": ("- " * 50_000, "nested too deeply"),
    "just too deep": ("a: " + "[" * 100 + "]" * 100, "more than 100 levels"),
    "base 60": ("a: " + ":".join(["1", *["59"] * 20_000]), "digits"),
    "base 60 of a fraction": ("a: 1" + ":59" * 20_000 + ".5", "digits"),
    "digits": ("a: " + "9" * 100_000, "digits"),
    "negative digits": ("a: -" + "9" * 5_000, "digits"),
    "hexadecimal": ("a: 0x" + "f" * 100_000, "digits"),
    "binary": ("a: 0b" + "1" * 100_000, "digits"),
    "octal": ("a: 0" + "7" * 100_000, "digits"),
    "with underscores": ("a: 1" + "_" * 100_000, "digits"),
    "tagged": ("a: !!int '" + "9" * 5_000 + "'", "digits"),
    "a key": ("? " + "9" * 5_000 + "\n: b", "digits"),
    "the same key": ("a: b\n" * 5_000, "the key 'a' is there twice"),
}


@pytest.mark.parametrize("name", LARGE)
def test_what_is_too_large_is_an_error_at_once(name: str) -> None:
    text, words = LARGE[name]
    assert words in told(parse_document, text, "e.yml")
    assert words in told(parse_yaml_or_json, text, "e.yml")


@pytest.mark.parametrize(
    "value",
    ["!!int ''", "!!float ''", "!!bool maybe", "!!timestamp x", "2024-13-01", "2001-12-14t21:59:43.10-99:99",
     '"\\U00110000"', '"\\ud800"', "!!python/object:os.system x", "!foo b", "*x", "\0", "!!set [1]"],
)  # fmt: skip
def test_what_no_value_is_made_of_is_an_error(value: str) -> None:
    assert "e.yml" in told(parse_document, f"a: {value}\n", "e.yml")


JSON = {
    "digits": ('{"a": ' + "9" * 5_000 + "}", "digits"),
    "negative": ('{"a": [1, -' + "9" * 100_000 + "]}", "digits"),
    "deep": ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
    "deep objects": ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
    "half a character": ('{"a": "\\ud800"}', "half a character"),
    "half a character as a key": ('{"\\udfff": 1}', "half a character"),
    "long": ('{"a": "' + "x" * 3_000_000 + '"}', "no document may have more than"),
}


@pytest.mark.parametrize("name", JSON)
def test_json_likewise(name: str) -> None:
    text, words = JSON[name]
    for parse in (parse_json, parse_yaml_or_json, read_override_config):
        assert words in told(parse, text, "e.json")


def test_honest_documents_are_read_as_ever() -> None:
    assert (
        parse_document("a: 12:30:45\nb: 0x1F\nc: 2024-01-02\nd: 123456789012345678901234567890\n", "e").data["a"]
        == 45045
    )
    escaped = json.dumps({"é😀": "\U0001f600", "b": [1, {"c": "a/b"}]})
    found = parse_yaml_or_json(escaped, "e.json")
    assert found.data == json.loads(escaped)
    lines = "name: x\ndependencies:\n" + "".join(f"  - package-{n}=1.0\n" for n in range(3_000))
    document = parse_document(lines, "conda.yml")
    assert document.fault(("dependencies", 2_999), "?").where == "conda.yml:3002"
    deep = "a: " + "[" * 90 + "]" * 90
    assert parse_document(deep, "e").data["a"]


def test_without_libyaml_the_same_is_refused() -> None:
    for name in ("values", "anchors", "base 60", "digits", "deep flow", "deep list", "the same key"):
        text, words = LARGE[name]
        assert words in str(told(parse_document, text, "e.yml", yaml.SafeLoader, seconds=60))
    assert parse_document("a: 1\nb: [x]\n", "e", yaml.SafeLoader).lines[("b", 0)] == 2
    with pytest.raises(BadDocument):
        parse_document('a: "\\ud800"', "e.yml", yaml.SafeLoader)


def test_libyaml_reads_where_it_is_there() -> None:
    assert (yaml_document.LOADER is yaml.SafeLoader) is not yaml.__with_libyaml__


@pytest.mark.parametrize(
    "text", ["a=" + "9" * 5_000, "a=2024-13-01", "a=!!bool maybe", "a=1" + ":59" * 2_000, "a=" + "[" * 5_000]
)
def test_a_setting_of_the_command_line(text: str) -> None:
    assert "not a value that YAML can read" in told(parse_setting, text)


# requirements


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("numpy\n" * 300_000, "no document may have more than"),
        ("a\n" * 60_000, "lines of requirements"),
        ("a" * 100_000, "characters"),
        ("a" + " " * 900_000 + "b", "characters"),
        ("numpy \\\n" + ((" " * 200) + "\\\n") * 4_000 + "x", "characters"),
        ("@" * 9_000, "characters"),
    ],
)
def test_requirements_are_bounded(text: str, words: str) -> None:
    assert words in told(parse_requirements, text, "requirements.txt", str)


def test_includes_that_double_at_every_level() -> None:
    def read(name: str) -> str:
        level = int(name.removesuffix(".txt"))
        return f"-r {level + 1}.txt\n" * 2 if level < 19 else "numpy\n"

    assert "lines of requirements" in told(parse_requirements, read("0.txt"), "0.txt", read)


def test_a_chain_of_includes_ends() -> None:
    def read(name: str) -> str:
        return f"-r {int(name.removesuffix('.txt')) + 1}.txt\n"

    assert "included by more than" in told(parse_requirements, read("0.txt"), "0.txt", read)


def test_an_environment_with_a_thousand_faults() -> None:
    text = json.dumps({"dependencies": [f"a b{n}" for n in range(9_000)]})
    assert "9000 faults" in told(read_environment, text, "conda.yml", str)
    unknown = {f"unknown{n}": 1 for n in range(9_000)}
    assert "faults" in told(read_environment, json.dumps(unknown), "conda.yml", str)
    passed_over = read_environment(json.dumps(unknown | {"dependencies": []}), "conda.yml", str)
    assert 0 < len(passed_over.differences) <= 100


# patterns

STARS = "*a" * 40 + "*b"


@pytest.mark.parametrize(
    "pattern", [STARS, "**/" * 20 + "b", "?*" * 60 + "b", "**" * 60 + "b", ("**/a/" * 15) + "b", "[a]*" * 60 + "b"]
)
def test_a_pattern_of_an_ignore_file_does_not_hold_the_emulator(tmp_path: Path, pattern: str) -> None:
    """Of a build context it is matched step by step, of code that was sent not at all: its sender has done so."""
    (tmp_path / ".amlignore").write_text(f"{pattern}\n*.log\n")
    folder = tmp_path / "/".join(["a"] * 30)
    folder.mkdir(parents=True)
    for name in ("a" * 200, "x.log"):
        (folder / name).touch()
    began = time.monotonic()
    tree = code_tree(tmp_path, ignore_files=(".amlignore",), reach=Reach(tmp_path, tmp_path))
    assert len(tree.files) == 3
    path = "/".join(["a"] * 30 + ["a" * 200])
    assert not is_ignored(path, parse_ignore(pattern))
    assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize(
    ("pattern", "path", "ignored"),
    [
        ("a/*b*c*/d", "a/xbycz/d", True),
        ("a/*b*c*/d", "a/xby/cz/d", False),
        ("**/a*b*c", "x/y/a1b2c", True),
        ("**/a*b*c", "a/b/c", False),
        ("a/**/b/**/c*", "a/b/c1", True),
        ("a/**/b/**/c*", "a/x/b/y/z/c", True),
        ("*[0-9]*.t?t*", "a7b.txt.bak", True),
        ("*[z-a]*x*", "*[z-a]*x*", True),
        ("\\**a*b", "*xayb", True),
        ("*.*.*", "a.b", False),
    ],
)
def test_patterns_with_many_stars_mean_what_they_did(pattern: str, path: str, ignored: bool) -> None:
    assert is_ignored(path, parse_ignore(pattern)) is ignored


# scripts


@pytest.mark.parametrize(
    "text",
    ["-" * 100_000 + "1", "x=" + "+".join("1" * 100_000), "x" + ".a" * 100_000, "not " * 100_000 + "1",
     "lambda:" * 50_000 + "1", "x" + "()" * 50_000, "if 1:\n pass\n" + "elif 1:\n pass\n" * 15_000,
     "x=1\n" * 2_000_000],
)  # fmt: skip
def test_a_script_that_is_too_deep_or_too_long_is_the_containers_to_judge(text: str) -> None:
    began = time.monotonic()
    check_script(text, "score.py")
    assert time.monotonic() - began < SECONDS


# at the control API


BODIES = {
    "a probe for ever": '{"liveness_probe": {"timeout": ' + "9" * 90 + "}}",
    "a queue for ever": '{"request_settings": {"max_queue_wait_ms": ' + "9" * 90 + "}}",
    "digits": '{"a": ' + "9" * 5_000 + "}",
    "deep": '{"cloud_settings": ' + '{"a":' * 5_000 + "1" + "}" * 5_000 + "}",
    "quite deep": '{"cloud_settings": ' + '{"a":' * 500 + "1" + "}" * 500 + "}",
    "half a character": '{"description": "\\ud800"}',
    "not a number": '{"instance_count": NaN}',
    "infinite": '{"instance_count": 1e999}',
    "nothing": "",
    "a list": "[]",
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_read_with_the_same_care(tmp_path: Path, name: str) -> None:
    house = House(tmp_path)
    with serving(house) as served:
        answer = served.ask(
            "PUT",
            "/onlineEndpoints/e/deployments/blue",
            data=BODIES[name].encode(),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 400, answer.text
        assert len(answer.content) < 10_000
    house.settle()


def test_a_large_document_keeps_nobody_waiting(tmp_path: Path) -> None:
    """While one uploads what took 19 s, others are answered."""
    house = House(tmp_path)
    (tmp_path / "src/environment.yml").write_text("a: [" + "b," * 250_000 + "]\n")
    (tmp_path / "src/score.py").write_text(SCRIPT)
    longest = 0.0
    done = threading.Event()

    def deploy() -> None:
        with pytest.raises(BadDocument):
            house.deploy("iris")
        done.set()

    with serving(house) as served:
        thread = threading.Thread(target=deploy)
        thread.start()
        while not done.is_set():
            began = time.monotonic()
            assert served.ask("GET", "/models").status_code == 200
            longest = max(longest, time.monotonic() - began)
        thread.join()
    assert longest < 5
    house.settle()


# settings


@pytest.mark.parametrize(
    "text",
    [
        "port = " + "9" * 5_000,
        "port = " + "[" * 5_000,
        "port = 2024-13-01",
        "x = " + "{a=" * 2_000,
        "\0",
        'a = "\\ud800"',
    ],
)
def test_settings_files_are_told_of(tmp_path: Path, text: str) -> None:
    (tmp_path / "amlemu.toml").write_text(text + "\n")
    assert "amlemu.toml" in told(lambda: read_settings({"HOME": str(tmp_path)}, tmp_path))


# what variables of the owner's shell name


VARIABLES = ("PYENV_ROOT", "SSL_CERT_FILE", "UV_FIND_LINKS", "PIP_CONFIG_FILE", "XDG_CONFIG_HOME")


@contextmanager
def unprivileged() -> Iterator[None]:
    """As somebody whom permissions hold, whoever runs the tests."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("variable", [*VARIABLES, "HOME"])
@pytest.mark.parametrize("inside", ["", "/versions"])
def test_what_may_not_be_read_is_passed_over(tmp_path: Path, variable: str, inside: str) -> None:
    root = tmp_path / "root"
    (root / "versions/3.11.7/bin").mkdir(parents=True)
    for folder in (root / "versions", root):
        folder.chmod(0)
    try:
        with unprivileged():
            found = read_host_packaging({"PATH": "/bin", variable: f"{root}{inside}"}, Path("/usr/bin/uv"))
        assert str(root) not in found.variables["PATH"]
    finally:
        for folder in (root, root / "versions"):
            folder.chmod(0o755)


@pytest.mark.parametrize("variable", VARIABLES)
def test_what_is_no_path_is_passed_over(tmp_path: Path, variable: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    for value in ("a" * 5_000, str(tmp_path / "loop"), str(tmp_path / "file"), "~nobody-of-that-name/x", ""):
        read_host_packaging({"PATH": "/bin", variable: value}, Path("/usr/bin/uv"))
