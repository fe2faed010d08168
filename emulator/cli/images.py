"""`images`: stand-ins for base images, for machines that reach no image registry."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from emulator.system.child_environment import EMULATOR, child_environment


@click.command("images")
@click.argument("versions", nargs=-1, metavar="[X.Y]...")
def images_command(versions: Sequence[str]) -> int:
    """Make local stand-ins for python:X.Y-slim-bookworm, of every Python this machine has or of those named.

    Nothing is made where the real image is there or an image registry answers.
    """
    from emulator.system.package_files import shipped_folder

    script = shipped_folder("images/python") / "build"
    # The script asks uv for interpreters, and uv lies beside this Python, which need not be on PATH.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    variables = child_environment(EMULATOR, os.environ, PATH=path)
    return subprocess.run(["/bin/bash", script, *versions], env=variables, check=False).returncode
