"""Wrong documents, each in a folder named for its fault, and what is told of them, line by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.azure_files import deployment_requests, read_files, read_model_file, refuse_all
from emulator.azure_files.v1.deployment_config import read_deployment_config
from emulator.azure_files.v1.inference_config import read_inference_config
from emulator.cli.files import disk, read_source
from emulator.config import PROJECT_FILE, read_settings
from emulator.documents.yaml_document import parse_yaml_or_json
from emulator.environments import FILE_NAMES, mlflow_environment, read_environment
from emulator.environments.files.v1_environment import V1_FILE
from emulator.errors import BadDocument
from emulator.store.sources import read_text

HERE = Path(__file__).parent
AZURE_FILES = ("endpoint*.yml", "deployment*.yml")
MODEL_FILE = "model.yml"
DEPLOYMENT_CONFIG = "deploymentconfig.json"
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
    return read_v1(folder) if (folder / DEPLOYMENT_CONFIG).exists() else read_packages(folder)


def read_v1(folder: Path) -> object:
    return read_deployment_config(parse_yaml_or_json(read_text(folder / DEPLOYMENT_CONFIG, "file"), DEPLOYMENT_CONFIG))


def read_packages(folder: Path) -> object:
    def beside(name: str) -> str:
        return read_text(folder / name, "file")

    if (folder / "MLmodel").exists():
        return mlflow_environment("m:1", {path.name for path in folder.iterdir()}, beside, ())
    if (file := folder / "inferenceconfig.json").exists():
        return read_inference_config(parse_yaml_or_json(read_text(file, "file"), file.name), beside)
    name = next(name for name in (V1_FILE, *FILE_NAMES) if (folder / name).exists())
    return read_environment(beside(name), name, beside, str(folder))


def read_azure(paths: list[Path]) -> object:
    sources = [read_source(path) for path in paths]
    requests, faults = deployment_requests(read_files(sources), disk(), {})
    refuse_all([source.file for source in sources], faults)
    return requests
