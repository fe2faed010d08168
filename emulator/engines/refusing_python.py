"""A Python for uv that says what it is, and builds nothing.

uv resolves on the emulator's side from metadata alone: of wheels, and of source distributions that have it as plain
text.  Only with `--no-build` it would pass over every other source distribution and take an older version in silence.
So it is given this Python to build with: it answers uv's question about the interpreter and refuses all else, which is
code of the package.  uv then fails with REFUSAL in what it says, and the resolution is done again where such code may
run.  A uv that asks in another way is refused as well: then everything is resolved there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

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


def make_refusing_python(folder: Path) -> Path:
    """Make it as `folder`, where only this user may write; its path."""
    real = os.path.realpath(sys.executable)
    own = folder / "bin/python"
    own.parent.mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = {Path(real).parent}\n", encoding="utf-8")
    program = folder / "python.py"
    program.write_text(_PROGRAM.format(own=str(own), real=real, refusal=REFUSAL), encoding="utf-8")
    own.write_text(_START.format(real=_quoted(real), program=_quoted(str(program))), encoding="utf-8")
    own.chmod(0o700)
    return own


def _quoted(path: str) -> str:
    return path.replace("'", "'\\''")


def has_refused(stderr: str) -> bool:
    """Whether uv failed because something would have had to be built, or because it could not ask this Python."""
    return REFUSAL in stderr or any(text in stderr for text in _NOT_ASKED)
