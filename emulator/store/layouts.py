"""The folders that containers see at /var/azureml-app: hard links to stored contents, and copies of small files."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from emulator.entities import Model
from emulator.store.disk import make_folder
from emulator.store.files import Files
from emulator.store.reach import Reach
from emulator.store.segments import inner_path, segment
from emulator.store.trees import Tree, TreeFile
from emulator.system.files import translate_os_errors
from emulator.system.removal import remove_tree

ModelFolder = Callable[[str, str], str]
"""From a model's name and version to the place of its folder."""

# Below this a copy is cheaper than keeping the content and a note of it.
_LARGE = 8 << 20


@dataclass(frozen=True)
class Placement:
    """One file of the code, and its path below /var/azureml-app."""

    path: str
    source: Path


class Layouts:
    """One folder per endpoint, deployment and generation."""

    def __init__(self, folder: Path, files: Files) -> None:
        self._folder = folder / "layouts"
        self._files = files
        self._folders = threading.Lock()  # an empty one must not go while another layout is made in it

    def path_of(self, endpoint_name: str, deployment_name: str, generation: int) -> Path:
        """Return the layout's folder, existing or not."""
        return self._folder / segment(endpoint_name) / segment(deployment_name) / segment(str(generation))

    def create(
        self,
        path: Path,
        models_folder: str,
        models: Iterable[Model],
        code: Iterable[Placement],
        model_folder: ModelFolder = "{}/{}".format,
        *,
        writable: bool = False,
    ) -> Path:
        """Lay out the code, and models below `models_folder` as `model_folder` says; a failure leaves nothing.

        A `writable` layout is copied whatever its size: a write to a link would change the stored content.
        """
        with translate_os_errors(f"layout of {path.parent.name}"):
            remove_tree(path, ignore_errors=True)
            with self._folders:
                make_folder(path.parent)
                path.mkdir()
            try:
                models_root = path if models_folder == "." else path / inner_path(models_folder)
                models_root.mkdir(parents=True, exist_ok=True)
                for model in models:
                    folder = models_root / inner_path(model_folder(model.name, model.version))
                    self._place_model(model, folder, link=not writable)
                for placement in code:
                    self._place_code(placement, path / inner_path(placement.path), link=not writable)
                _open_to_all(path, writable)
            except BaseException:
                self.remove(path)
                raise
        return path

    def remove(self, path: Path) -> None:
        """Remove a layout; the stored contents stay."""
        remove_tree(path, ignore_errors=True)
        with self._folders:
            for parent in (path.parent, path.parent.parent):
                try:
                    parent.rmdir()
                except OSError:
                    return  # others are in it

    def of_deployment(self, endpoint_name: str, deployment_name: str) -> list[Path]:
        """Return the layouts of all generations of a deployment."""
        return [path for path in self.all() if path.parts[-3:-1] == (endpoint_name, deployment_name)]

    def names_in(self, path: Path, folder: str) -> list[str]:
        """Return the names in a folder of a layout; none without the folder."""
        inside = path / inner_path(folder.removeprefix("./"))
        return sorted(entry.name for entry in inside.iterdir()) if inside.is_dir() else []

    def files(self, path: Path) -> list[tuple[str, int]]:
        """Return every file of a layout: its path below /var/azureml-app and its size in bytes.

        Links that lead out of the layout, which a container may have written, are left out.
        """
        reach = Reach(path, path)
        found = (file for file in path.rglob("*") if not file.is_symlink() or reach.reaches(file))
        found = (file for file in found if file.is_file())
        return sorted((file.relative_to(path).as_posix(), file.stat().st_size) for file in found)

    def all(self) -> list[Path]:
        """Return the folders of all layouts."""
        return sorted(path for path in self._folder.glob("*/*/*") if path.is_dir())

    def _place_model(self, model: Model, folder: Path, *, link: bool) -> None:
        for file in model.files:
            target = folder / inner_path(file.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            if link:
                self._files.link(file.sha256, target)
            else:
                shutil.copyfile(self._files.path_of(file.sha256), target)

    def _place_code(self, placement: Placement, target: Path, *, link: bool) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if link and placement.source.stat().st_size >= _LARGE:
            self._files.link(self._files.add(placement.source).sha256, target)
        else:
            shutil.copyfile(placement.source, target)
            target.chmod(0o555 if os.access(placement.source, os.X_OK) else 0o444)


def _open_to_all(path: Path, writable: bool) -> None:
    """Let the container's user enter every folder, and write where it may, whatever the umask was.

    It may be another user than the emulator's, so what it may write is writable to all; the home itself is not.
    """
    mode = 0o777 if writable else 0o755
    path.chmod(mode)
    for folder, names, files in os.walk(path):
        for name in names:
            os.chmod(os.path.join(folder, name), mode)  # noqa: PTH101, PTH118 - a large tree
        for name in files if writable else ():
            file = Path(folder, name)
            file.chmod(file.stat().st_mode | 0o666)


def placements(tree: Tree, below: str) -> Sequence[Placement]:
    """Return the files of `tree` placed below the folder `below` of /var/azureml-app ('' for the root itself)."""
    return [Placement(_joined(below, file), file.source) for file in tree.files]


def _joined(below: str, file: TreeFile) -> str:
    return f"{below}/{file.path}" if below else file.path
