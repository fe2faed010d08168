"""The folders that containers see at /var/azureml-app: hard links to stored contents, nothing copied that is large."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from emulator.entities import Model
from emulator.store.disk import translated
from emulator.store.files import Files
from emulator.store.trees import Tree, TreeFile

ModelFolder = Callable[[str, str], str]
"""From a model's name and version to the place of its folder."""

# Below this a copy is cheaper than keeping the content and a note of it.
_LARGE = 8 << 20


@dataclass(frozen=True)
class Placement:
    """One file of the code: where it goes below /var/azureml-app."""

    path: str
    source: Path


class Layouts:
    """One folder per endpoint, deployment and generation."""

    def __init__(self, folder: Path, files: Files) -> None:
        self._folder = folder / "layouts"
        self._files = files

    def path_of(self, endpoint_name: str, deployment_name: str, generation: int) -> Path:
        """The layout's folder, whether it exists or not."""
        return self._folder / endpoint_name / deployment_name / str(generation)

    def create(
        self,
        path: Path,
        models_folder: str,
        models: Iterable[Model],
        code: Iterable[Placement],
        model_folder: ModelFolder = "{}/{}".format,
    ) -> Path:
        """Lay out the code, and models below `models_folder` as `model_folder` says; a failure leaves nothing."""
        with translated(f"layout of {path.parent.name}"):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
            try:
                (path / models_folder).mkdir(parents=True, exist_ok=True)
                for model in models:
                    self._place_model(model, path / models_folder / model_folder(model.name, model.version))
                for placement in code:
                    self._place_code(placement, path / PurePosixPath(placement.path))
                _open_to_all(path)
            except BaseException:
                self.remove(path)
                raise
        return path

    def remove(self, path: Path) -> None:
        """Remove a layout; the stored contents stay."""
        shutil.rmtree(path, ignore_errors=True)
        for parent in (path.parent, path.parent.parent):
            try:
                parent.rmdir()
            except OSError:
                return  # others are in it

    def files(self, path: Path) -> list[tuple[str, int]]:
        """Every file of a layout: its path below /var/azureml-app and its size in bytes."""
        found = (file for file in path.rglob("*") if file.is_file())
        return sorted((file.relative_to(path).as_posix(), file.stat().st_size) for file in found)

    def all(self) -> list[Path]:
        """Every layout's folder."""
        return sorted(path for path in self._folder.glob("*/*/*") if path.is_dir())

    def _place_model(self, model: Model, folder: Path) -> None:
        for file in model.files:
            target = folder / PurePosixPath(file.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._files.link(file.sha256, target)

    def _place_code(self, placement: Placement, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if placement.source.stat().st_size >= _LARGE:
            self._files.link(self._files.add(placement.source).sha256, target)
        else:
            shutil.copyfile(placement.source, target)
            target.chmod(0o555 if os.access(placement.source, os.X_OK) else 0o444)


def _open_to_all(path: Path) -> None:
    """Let the container's user enter every folder, whatever the umask that they were made under."""
    path.chmod(0o755)
    for folder, names, _ in os.walk(path):
        for name in names:
            os.chmod(os.path.join(folder, name), 0o755)  # noqa: PTH101, PTH118, S103 - a large tree, not secret


def placements(tree: Tree, below: str) -> Sequence[Placement]:
    """The files of `tree` placed below the folder `below` of /var/azureml-app ('' for the root itself)."""
    return [Placement(_joined(below, file), file.source) for file in tree.files]


def _joined(below: str, file: TreeFile) -> str:
    return f"{below}/{file.path}" if below else file.path
