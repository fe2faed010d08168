"""Wrong documents, each in a folder named for its fault, and what is told of them, line by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.azure_files import deployment_requests, read_files, read_model_file, refuse_all
from emulator.cli.files import disk, read_source
from emulator.environments import FILE_NAMES, mlflow_environment, read_environment
from emulator.errors import BadDocument
from emulator.settings import PROJECT_FILE, read_settings
from emulator.store.sources import read_text

HERE = Path(__file__).parent
AZURE_FILES = ("endpoint*.yml", "deployment*.yml")
MODEL_FILE = "model.yml"
FOLDERS = sorted(path.parent for path in HERE.glob("*/expected.txt"))


def test_every_folder_says_what_is_expected() -> None:
    assert {path for path in HERE.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(FOLDERS)
    assert len(FOLDERS) >= 60


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_fault_is_told_with_its_place(folder: Path) -> None:
    assert told(folder) == (folder / "expected.txt").read_text(encoding="utf-8")


def told(folder: Path) -> str:
    """The message and each fault, as they are printed."""
    with pytest.raises(BadDocument) as caught:
        read(folder)
    lines = [caught.value.message, *(f"  {fault}" for fault in caught.value.faults)]
    return "".join(f"{line}\n" for line in lines).replace(f"{folder}/", "")


def read(folder: Path) -> object:
    azure = [file for pattern in AZURE_FILES for file in sorted(folder.glob(pattern))]
    if azure:
        return read_azure(azure)
    if (folder / MODEL_FILE).exists():
        return read_model_file(read_source(folder / MODEL_FILE), disk())
    if (folder / PROJECT_FILE).exists():
        return read_settings({"HOME": str(folder / "nobody")}, folder)
    if (folder / "MLmodel").exists():
        names = {path.name for path in folder.iterdir()}
        return mlflow_environment("m:1", names, lambda name: read_text(folder / name, "file"), ())
    (file,) = (folder / name for name in FILE_NAMES if (folder / name).exists())
    return read_environment(
        read_text(file, "environment file"), file.name, lambda name: read_text(folder / name, "file"), str(folder)
    )


def read_azure(paths: list[Path]) -> object:
    sources = [read_source(path) for path in paths]
    requests, faults = deployment_requests(read_files(sources), disk(), {})
    refuse_all([source.file for source in sources], faults)
    return requests
