"""A stand-in Python for uv that answers questions about the interpreter and refuses to build.

uv resolves on the emulator's side from metadata alone: of wheels, and of source distributions that have it as plain
text.  Only with `--no-build` it would pass over every other source distribution and take an older version in silence.
So it is given this Python to build with: it answers uv's question about the interpreter and refuses all else, which is
code of the package.  uv then fails with REFUSAL in what it says, and the resolution is done again where such code may
run.  A uv that asks in another way is refused as well: then everything is resolved there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path

from emulator.system.removal import remove_tree

_PYTHON = "bin/python"
REFUSAL = "amlemu builds nothing on this side"
# What uv says when the interpreter did not answer it.
_NOT_ASKED = ("Failed to inspect Python interpreter", "Failed to query Python interpreter", "Querying Python at")

# `sys_executable` is what uv builds with: were it the Python behind this one, nothing would be refused.
_PROGRAM = """\
import json, subprocess, sys
asked = sys.argv[1:]
before, behind = "import sys; sys.path = [", "] + sys.path; from python.get_interpreter_info import main; main()"
if asked[:3] == ["-I", "-B", "-c"] and len(asked) == 4 and "\\n" not in asked[3] and (
    asked[3].startswith(before) and asked[3].endswith(behind)
):
    told = subprocess.run([{own!r}, *asked], executable={real!r}, stdout=subprocess.PIPE).stdout
    if json.loads(told).get("sys_executable") == {own!r}:
        sys.stdout.write(told.decode())
        sys.exit(0)
sys.exit({refusal!r})
"""
_START = """\
#!/bin/sh
exec '{real}' -I -S '{program}' "$@"
"""


def refusing_python(kept: Path, spare: Path) -> Path:
    """Return its path: below `kept`, the user's cache, so that uv caches its answers, else `spare`."""
    try:
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256("".join(_texts(kept).values()).encode()).hexdigest()[:16]
        place = kept / f"refusing-python-{name}"
        if not _is_whole(place):
            _keep(place)
        if _is_whole(place):
            return place / _PYTHON
    except OSError:
        pass  # a home that cannot be written
    _make(spare, spare)
    return spare / _PYTHON


def _texts(place: Path) -> dict[str, str]:
    """Return its files by name, for that folder."""
    real = os.path.realpath(sys.executable)
    own, program = str(place / _PYTHON), str(place / "python.py")
    return {
        "pyvenv.cfg": f"home = {Path(real).parent}\n",
        "python.py": _PROGRAM.format(own=own, real=real, refusal=REFUSAL),
        _PYTHON: _START.format(real=_quoted(real), program=_quoted(program)),
    }


def _make(folder: Path, place: Path) -> None:
    (folder / _PYTHON).parent.mkdir(parents=True)
    for name, text in _texts(place).items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / _PYTHON).chmod(0o700)


def _is_whole(place: Path) -> bool:
    """Return whether it exists unchanged and belongs to this user."""
    try:
        found = [place, *(place / name for name in _texts(place))]
        return all(path.stat().st_uid == os.geteuid() for path in found) and all(
            (place / name).read_text(encoding="utf-8") == text for name, text in _texts(place).items()
        )
    except (OSError, UnicodeDecodeError):
        return False


def _keep(place: Path) -> None:
    """Create it atomically: two emulators may start at the same time."""
    trial = Path(tempfile.mkdtemp(dir=place.parent))
    try:
        _make(trial / "python", place)
        if place.exists():
            place.rename(trial / "other")
        with contextlib.suppress(OSError):
            (trial / "python").rename(place)
    finally:
        remove_tree(trial, ignore_errors=True)


def _quoted(path: str) -> str:
    return path.replace("'", "'\\''")


def has_refused(stderr: str) -> bool:
    """Whether uv failed because something would have had to be built, or because it could not ask this Python."""
    return REFUSAL in stderr or any(text in stderr for text in _NOT_ASKED)
