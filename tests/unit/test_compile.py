"""images/scoring/compile.py: bytecode that is made once, and usable without its source's times."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

COMPILE = Path(__file__).parents[2] / "images/scoring/compile.py"


def compile_folder(folder: Path, cache: Path) -> None:
    subprocess.run([sys.executable, COMPILE, cache, folder], check=True)


def bytecode_of(source: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(source)))


def package(folder: Path) -> Path:
    (folder / "pkg" / "tests").mkdir(parents=True)
    (folder / "pkg" / "module.py").write_text("VALUE = 41 + 1\n")
    (folder / "pkg" / "template.py").write_text("this is {{ no }} python\n")
    (folder / "pkg" / "tests" / "test_module.py").write_text("assert False\n")
    return folder / "pkg"


def test_modules_are_compiled_but_no_tests_and_no_templates(tmp_path: Path) -> None:
    folder = package(tmp_path)
    compile_folder(folder, tmp_path / "cache")
    assert bytecode_of(folder / "module.py").exists()
    assert not bytecode_of(folder / "template.py").exists()
    assert not bytecode_of(folder / "tests/test_module.py").exists()
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [""]


def test_the_same_source_at_the_same_path_comes_from_the_cache(tmp_path: Path) -> None:
    folder = package(tmp_path)
    compile_folder(folder, tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(b"from the cache")
    bytecode_of(folder / "module.py").unlink()
    compile_folder(folder, tmp_path / "cache")
    assert bytecode_of(folder / "module.py").read_bytes() == b"from the cache"


def test_other_content_is_compiled_again(tmp_path: Path) -> None:
    folder = package(tmp_path)
    compile_folder(folder, tmp_path / "cache")
    bytecode_of(folder / "module.py").unlink()
    (folder / "module.py").write_text("VALUE = 43\n")
    compile_folder(folder, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_the_bytecode_holds_whatever_time_its_source_has(tmp_path: Path) -> None:
    folder = package(tmp_path)
    compile_folder(folder, tmp_path / "cache")
    os.utime(folder / "module.py", (1, 1))
    code = "import sys; sys.dont_write_bytecode = True; import module; print(module.VALUE, module.__cached__)"
    shown = subprocess.run([sys.executable, "-v", "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("42 ")
    assert f"matches {folder / 'module.py'}" in shown.stderr
