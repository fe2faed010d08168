"""Folders as the cloud receives them: files that are taken or left out, with links followed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pathspec

from emulator.difference import Difference, only_here
from emulator.errors import BadArgument
from emulator.store.reach import Reach
from emulator.system.files import translate_os_errors

# What tools keep in a code folder; virtual environments are known by their pyvenv.cfg.
_TOOL_FOLDERS = frozenset({".git", "__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache"})
Ignored = pathspec.GitIgnoreSpec


@dataclass(frozen=True)
class TreeFile:
    """A file below a folder: `path` relative with '/', `source` where to read it."""

    path: str
    source: Path


@dataclass(frozen=True)
class Tree:
    """The files of a folder that are taken, and what was left out, folders with a trailing '/'."""

    files: tuple[TreeFile, ...]
    left_out: tuple[str, ...] = ()


def left_out_differences(left_out: Sequence[str]) -> list[Difference]:
    """Return the differences for files that are not deployed with the code."""
    return [only_here("code.left_out", f"left out of the code: {', '.join(left_out)}")] if left_out else []


def scoring_code_tree(
    folder: Path, script: str, *, ignore_files: Sequence[str], tool_folders: bool, reach: Reach | None = None
) -> Tree:
    """Return the `code_tree`; raise BadArgument if it lacks the scoring script."""
    tree = code_tree(folder, ignore_files=ignore_files, tool_folders=tool_folders, reach=reach)
    if script not in {file.path for file in tree.files}:
        message = f"the ignore file of '{folder}' leaves the scoring script out, or it is never part of the code"
        raise BadArgument(message, target=script)
    return tree


def model_tree(path: Path, reach: Reach | None = None) -> Tree:
    """Return every file of a model, folder or file; links are followed, and empty folders dropped as in the cloud.

    Raises BadArgument for a missing path, a folder without files, and a link that is broken or leads out of `reach`
    (None for the user's own files).
    """
    reach = reach or Reach(path.parent)
    reach.check_link(path)
    if path.is_file():
        files: tuple[TreeFile, ...] = (TreeFile(path.name, path),)
    elif path.is_dir():
        files = tuple(TreeFile(f"{path.name}/{f.path}", f.source) for f in _walk(path, "", frozenset(), reach))
    else:
        raise BadArgument(f"'{path}' {_not_there(path)}", hint="--path names a file or a folder of this machine")
    if not files:
        raise BadArgument(f"the folder '{path}' holds no file")
    for file in files:
        if not file.source.is_file():
            raise BadArgument(f"'{file.source}' {_not_there(file.source)}")
    _check_spelling(files)
    return Tree(files)


def named_path(path: Path) -> Path:
    """Return `path` with a name as its last part: `..` is resolved."""
    return path.resolve() if ".." in path.parts else path


def _check_no_dead_link(file: TreeFile) -> None:
    """Raise BadArgument for a broken link: the SDK's upload fails there when it reads its size."""
    if file.source.is_symlink() and not file.source.exists():
        raise BadArgument(
            f"'{file.path}' of the code folder is a link that leads nowhere, to '{file.source.readlink()}':"
            " the cloud's upload fails at it",
            target=f"code folder {file.source.parent}",
            hint="remove it, or name it in .amlignore",
        )


def _not_there(path: Path) -> str:
    if path.exists():
        return "is neither a file nor a folder"
    return "is a link that leads nowhere" if path.is_symlink() else "does not exist"


def _check_spelling(files: Iterable[TreeFile]) -> None:
    for file in files:
        try:
            file.path.encode()
        except UnicodeEncodeError as error:
            shown = file.path.encode(errors="backslashreplace").decode()
            raise BadArgument(f"the file name '{shown}' is not UTF-8 text", hint="rename the file") from error


def code_tree(
    folder: Path, *, ignore_files: Sequence[str] = (), tool_folders: bool = False, reach: Reach | None = None
) -> Tree:
    """Return the files of a code folder, without those that the first of `ignore_files` in its root leaves out.

    `tool_folders` tells whether .git, caches and virtual environments are taken (rows layout.ignore_files,
    layout.tool_folders).  For an uploaded folder the sender has applied the ignore files: patterns of others are not
    run here.  Raises BadArgument for a link that leads out of `reach` (None for the user's own files).
    """
    reach = reach or Reach(folder)
    files: list[TreeFile] = []
    left_out: list[str] = []
    with translate_os_errors(f"code folder {folder}"):
        ignored = _ignore_rules(reach, folder, ignore_files if reach.root is None else ())
        for file in _walk(folder, "", frozenset(), reach, None if tool_folders else left_out):
            if ignored and ignored.match_file(file.path):
                left_out.append(file.path)
            elif file.source.is_file():
                files.append(file)
            else:
                _check_no_dead_link(file)
                left_out.append(file.path)
    _check_spelling(files)
    return Tree(tuple(files), _shortened(left_out))


def _walk(
    folder: Path, prefix: str, above: frozenset[str], reach: Reach, left_out: list[str] | None = None
) -> Iterator[TreeFile]:
    """Yield files below `folder` in a stable order; with `left_out`, tools' folders are added to it instead."""
    real = os.path.realpath(folder)
    if real in above:
        return  # a link to a folder above itself
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        path = prefix + entry.name
        if entry.is_symlink():
            reach.check_link(Path(entry.path))
        if _is_folder(entry):
            if left_out is not None and _never_code(entry):
                left_out.append(path + "/")
            else:
                yield from _walk(Path(entry.path), path + "/", above | {real}, reach, left_out)
        else:
            yield TreeFile(path, Path(entry.path))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads in a circle


def _never_code(entry: os.DirEntry[str]) -> bool:
    return entry.name in _TOOL_FOLDERS or Path(entry.path, "pyvenv.cfg").exists()


def _ignore_rules(reach: Reach, folder: Path, names: Sequence[str]) -> Ignored | None:
    for name in names:
        file = folder / name
        if reach.holds_file(file):
            return pathspec.GitIgnoreSpec.from_lines(reach.read(file, "ignore file", errors="replace").splitlines())
    return None


def _shortened(paths: list[str]) -> tuple[str, ...]:
    """Return at most twenty entries, for a message."""
    shown = tuple(path.encode(errors="backslashreplace").decode() for path in paths[:20])
    return shown if len(paths) <= 20 else (*shown, f"and {len(paths) - 20} more")
