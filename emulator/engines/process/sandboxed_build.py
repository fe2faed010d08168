"""The steps of making an environment that run code of its packages, each in a sandbox."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emulator.engines import Log
from emulator.engines.packaging.python_packages import HostPackaging
from emulator.engines.packaging.resolution import write_files
from emulator.engines.packaging.untrusted_files import read_untrusted, walk_untrusted
from emulator.engines.process.isolation import CONTAINER_UID
from emulator.engines.process.sandbox import Ended, Program, Sandbox
from emulator.environments.build_tools import STORED_WHEELS, tool_failure
from emulator.environments.hash_pins import hash_failure, names_hashes
from emulator.errors import ImageBuildFailure, OutOfQuota
from emulator.system.package_files import shipped_folder
from emulator.system.removal import remove_tree

INSTALL = ("pip", "install", "--no-deps", "--no-compile-bytecode", "--break-system-packages")
# uv's cache of this one environment, which no other build reads.
_DOWNLOADS = "downloads"
# What uv says, and how it ended, out of the sandbox.
_TAIL_CHARACTERS = 4000
_TAIL_LINES = 40
_TOOLS_HINT = (
    "install it (on Debian: apt install gcc g++ libc6-dev make git), name a version that has a wheel for this Python,"
    " or use --engine docker"
)
_TELL = 'cd "$0" && out=$1; shift; "$@" > "$out/stdout" 2> "$out/stderr"; echo $? > "$out/code"'


@dataclass(frozen=True)
class SandboxedBuild:
    """Runs programs for the environment in `folder`, which they may read like its interpreter's folders, `pythons`.

    What uv fetches and builds while it resolves is kept for its installation, and for no other environment.
    """

    folder: Path
    pythons: Sequence[Path]
    sandbox: Sandbox
    packaging: HostPackaging
    log: Log
    canceled: threading.Event

    def run(
        self,
        command: Sequence[str],
        writable: Sequence[Path],
        variables: Mapping[str, str] | None = None,
    ) -> Ended:
        """Run it to its end in the first of the folders that it may write to; see `Sandbox.run` for the errors."""
        program = Program(command, self._readable(), writable, variables or {}, writable[0])
        return self.sandbox.run(program, self.canceled)

    def _readable(self) -> tuple[Path, ...]:
        """Return the same paths for all programs, so that all run as the same user."""
        packaging = self.packaging
        certificates = [packaging.ca_bundle] if packaging.ca_bundle else []
        own = Path(os.path.realpath(sys.executable)).parent.parent
        files = (packaging.uv, *packaging.wheel_folders, *certificates, shipped_folder("images/scoring"))
        return (self.folder, *self.pythons, own, *files)

    @contextlib.contextmanager
    def writable(self, name: str) -> Iterator[Path]:
        """Provide a new folder in the environment's that programs may write to, gone afterwards."""
        folder = self.folder / name
        remove_tree(folder)
        folder.mkdir()
        try:
            self._give(folder)
            yield folder
        finally:
            remove_tree(folder)

    def install(self, venv: Path) -> None:
        """Install what the lock names, building what must be built; ImageBuildFailure says why it cannot be.

        Where a hash is to be checked, all is fetched again: uv does not check what it has kept, and code of packages
        could write to that while they were resolved.
        """
        if names_hashes((self.folder / "requirements.lock").read_text(encoding="utf-8").splitlines()):
            self.remove_downloads()
        if not self._is_other_user():
            copy_shared_files(venv)
        self._give(venv)
        try:
            done = self._uv([*INSTALL, "--python", str(venv), "-r", "requirements.lock"], self.folder, (venv,))
        finally:
            self._take_back(venv)
        if done.returncode != 0:
            raise install_failure(done.stderr)

    def _uv(
        self, words: Sequence[str], working_dir: Path, writable: Sequence[Path] = ()
    ) -> subprocess.CompletedProcess[str]:
        settings = self.folder / "setuptools.cfg"
        settings.write_text(STORED_WHEELS, encoding="utf-8")
        downloads = self._downloads()
        own = {"DIST_EXTRA_CONFIG": str(settings), "UV_CACHE_DIR": str(downloads)}
        with self.writable("said") as out:
            ended = self.run(
                ["/bin/sh", "-c", _TELL, str(working_dir), str(out), str(self.packaging.uv), *words],
                (out, downloads, *writable),
                {**_uv_variables(self.packaging), **own},
            )
            code, said, err = (read_untrusted(out / name) for name in ("code", "stdout", "stderr"))
        if code is None or said is None or err is None:
            message = "a package has ended what builds it, or taken away what that said"
            raise ImageBuildFailure(message, log_tail=ended.output[-_TAIL_CHARACTERS:])
        number = int(code) if code.strip().isascii() and code.strip().isdecimal() else 1
        for line in err.splitlines():
            self.log(line)
        return subprocess.CompletedProcess(list(words), number, said, err)

    def _downloads(self) -> Path:
        folder = self.folder / _DOWNLOADS
        if not folder.exists():
            folder.mkdir()
            self._give(folder)
        return folder

    def remove_downloads(self) -> None:
        """Remove what was kept, once the packages are installed."""
        remove_tree(self.folder / _DOWNLOADS)

    def resolve(self, words: Sequence[str], files: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Resolve requirements in the sandbox; see `resolution.Resolve`."""
        with self.writable("asked") as asked:
            write_files(asked / "files", files)
            self._give(asked / "files")
            python = os.path.realpath(sys.executable)
            return self._uv([*words, "--python", python], asked / "files", (asked,))

    def _give(self, folder: Path) -> None:
        """Give the programs' user the folders of a tree, but not its files, which may be hard links into a cache."""
        if self._is_other_user():
            for above, _ in walk_untrusted(folder):
                os.chown(above, CONTAINER_UID, CONTAINER_UID)

    def _take_back(self, folder: Path) -> None:
        if self._is_other_user():
            os.chown(folder, os.geteuid(), os.getegid())
            for _, entries in walk_untrusted(folder):
                for entry in entries:
                    with contextlib.suppress(OSError):  # its path may be too long
                        os.lchown(entry.path, os.geteuid(), os.getegid())

    def _is_other_user(self) -> bool:
        return self.sandbox.isolation(self._readable()).mode == "root"


def _uv_variables(packaging: HostPackaging) -> dict[str, str]:
    """Return the variables of an image build: indexes, proxies and certificates."""
    links = ",".join([*map(str, packaging.wheel_folders), *packaging.link_pages])
    certificates = str(packaging.ca_bundle or "")
    return {
        **packaging.build_variables,
        **({"UV_FIND_LINKS": links} if links else {}),
        **({"SSL_CERT_FILE": certificates, "GIT_SSL_CAINFO": certificates} if certificates else {}),
        "UV_NO_CONFIG": "1",
        "UV_NO_PROGRESS": "1",
        "UV_LINK_MODE": "copy",
        "UV_PYTHON_DOWNLOADS": "never",
    }


def copy_shared_files(tree: Path) -> None:
    """Replace every hard link into a cache by a copy, so that writing to it changes no other environment."""
    for above, entries in walk_untrusted(tree):
        for entry in entries:
            if entry.is_file(follow_symlinks=False) and entry.stat().st_nlink > 1:
                copy = Path(tempfile.mkdtemp(dir=above), entry.name)
                shutil.copy2(entry.path, copy)
                copy.replace(entry.path)
                copy.parent.rmdir()


def install_failure(stderr: str) -> ImageBuildFailure | OutOfQuota:
    """Return the error for uv's output when an installation failed."""
    if "No space left on device" in stderr:
        return OutOfQuota("no disk space is left for the environment's packages", hint="`amlemu prune` frees some")
    if other_file := hash_failure(stderr.splitlines()):
        return other_file
    tail = "\n".join(stderr.splitlines()[-_TAIL_LINES:])
    if no_tool := tool_failure(stderr, "on this machine", _TOOLS_HINT, tail):
        return no_tool
    reason = next((line.strip() for line in stderr.splitlines() if re.match(r"\s*(error|\u00d7)", line)), "uv failed")
    return ImageBuildFailure(
        f"the packages could not be installed: {reason}",
        hint="the log shows which package failed; one without a wheel for this machine may need a compiler",
        log_tail=tail,
    )
