"""`images`: stand-ins for base images, for machines that reach no image registry."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

import click


@click.command("images")
@click.argument("versions", nargs=-1, metavar="[X.Y]...")
def images_command(versions: Sequence[str]) -> int:
    """Make local stand-ins for python:X.Y-slim-bookworm, of every Python this machine has or of those named.

    Nothing is made where the real image is there or an image registry answers.
    """
    from emulator.shipped import shipped_folder

    script = shipped_folder("images/python") / "build"
    return subprocess.run(["/bin/bash", script, *versions], env=os.environ, check=False).returncode
