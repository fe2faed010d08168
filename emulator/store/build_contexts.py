"""Build contexts: the files that go into a build, and copies that never change."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emulator.entities import BuildContext
from emulator.environments import ContextContent
from emulator.environments.dockerignore import IgnoreRule, is_ignored, parse_ignore
from emulator.errors import BadArgument
from emulator.store.disk import make_folder
from emulator.store.reach import context_reach
from emulator.store.segments import inner_path, segment
from emulator.system.files import translate_os_errors
from emulator.system.removal import remove_tree

_IGNORE_FILE = ".dockerignore"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class _Entry:
    """A file, folder or link of a context: `path` relative with '/'."""

    path: str
    source: Path
    mode: int


def read_context(build: BuildContext) -> ContextContent:
    """Return what Docker sees of a build context; raise BadArgument without a folder or a Dockerfile.

    The Dockerfile and the ignore file are part of it, also when they are ignored.
    """
    folder = Path(build.path)
    dockerfile = _dockerfile_of(build)
    digest = hashlib.sha256()
    with translate_os_errors(f"build context {folder}"):
        for entry in _entries(folder, build.dockerfile_path):
            digest.update(f"{entry.path}\0{entry.mode:o}\0{_content(entry)}\n".encode("utf-8", "surrogateescape"))
    return ContextContent(digest.hexdigest(), dockerfile)


def _dockerfile_of(build: BuildContext) -> str:
    folder = Path(build.path)
    if not folder.is_dir():
        raise BadArgument(f"the build context '{folder}' " + ("is no folder" if folder.exists() else "does not exist"))
    return context_reach(folder).read(build.dockerfile_path, "Dockerfile")


def copy_context(build: BuildContext, contexts: Path) -> BuildContext:
    """Copy the build context below `contexts`, into a folder named by its content; return an existing copy as it is.

    As in the cloud, the context is taken when its environment is registered; later changes do not matter.
    """
    digest = hashlib.sha256(f"{read_context(build).digest} {build.dockerfile_path}".encode()).hexdigest()
    target = contexts / segment(digest[:32])
    copied = BuildContext(path=str(target), dockerfile_path=build.dockerfile_path)
    if target.is_dir():
        return copied
    with translate_os_errors(f"build context {build.path}"):
        making = target.with_name(f".{target.name}.{os.getpid()}")
        remove_tree(making, ignore_errors=True)
        make_folder(contexts)
        making.mkdir()
        try:
            for entry in _entries(Path(build.path), build.dockerfile_path):
                _copy(entry, making / inner_path(entry.path))
            if not (making / build.dockerfile_path).exists():  # in a folder that is ignored as a whole
                _copy(_Entry("", Path(build.path, build.dockerfile_path), stat.S_IFREG), making / build.dockerfile_path)
            making.rename(target)
        except BaseException:
            remove_tree(making, ignore_errors=True)
            raise
    return copied


def context_files(build: BuildContext) -> Iterator[tuple[str, Path]]:
    """Yield path and source of each file of a build context that is not ignored, and of the Dockerfile.

    Links are followed; broken ones and those to folders are left out.  Raises BadArgument as `read_context`.
    """
    folder = Path(build.path)
    _dockerfile_of(build)
    found = {entry.path: entry.source for entry in _entries(folder, build.dockerfile_path) if entry.source.is_file()}
    for name in (build.dockerfile_path, *_ignore_files(build.dockerfile_path)):
        if (folder / name).is_file():
            found[name] = folder / name
    yield from found.items()


def _copy(entry: _Entry, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISDIR(entry.mode):
        target.mkdir(exist_ok=True)
    else:
        shutil.copy2(entry.source, target, follow_symlinks=False)


def _entries(folder: Path, dockerfile_path: str) -> Iterator[_Entry]:
    """Yield what is not ignored, in a stable order; sockets and other special files are left out."""
    always = {dockerfile_path, *_ignore_files(dockerfile_path)}
    rules = _rules(folder, dockerfile_path)
    for entry in _walk(folder, "", any(rule.keeps for rule in rules), rules):
        kind = stat.S_IFMT(entry.mode)
        is_wanted = entry.path in always or not is_ignored(entry.path, rules)
        if is_wanted and kind in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            yield entry


def _walk(folder: Path, prefix: str, keeps_any: bool, rules: tuple[IgnoreRule, ...]) -> Iterator[_Entry]:
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        path = prefix + entry.name
        yield _Entry(path, Path(entry.path), entry.stat(follow_symlinks=False).st_mode)
        # A large folder that is ignored as a whole is not even looked at, unless something of it may be kept.
        if entry.is_dir(follow_symlinks=False) and (keeps_any or not is_ignored(path, rules)):
            yield from _walk(Path(entry.path), path + "/", keeps_any, rules)


def _ignore_files(dockerfile_path: str) -> tuple[str, str]:
    """Return the ignore files in BuildKit's order: that of this Dockerfile before the context's."""
    return f"{dockerfile_path}{_IGNORE_FILE}", _IGNORE_FILE


def _rules(folder: Path, dockerfile_path: str) -> tuple[IgnoreRule, ...]:
    reach = context_reach(folder)
    for name in _ignore_files(dockerfile_path):
        if reach.holds_file(name):
            return parse_ignore(reach.read(name, "ignore file"))
    return ()


def _content(entry: _Entry) -> str:
    if stat.S_ISLNK(entry.mode):
        return str(entry.source.readlink())
    if stat.S_ISDIR(entry.mode):
        return ""
    digest = hashlib.sha256()
    with entry.source.open("rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()
