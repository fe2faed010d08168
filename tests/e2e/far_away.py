"""A shell on another machine: it shares nothing with the emulator's but a network."""

from __future__ import annotations

from pathlib import Path

from amlemu_process import Environ


def remote(environ: Environ, folder: Path, token: str = "", **more: str) -> Environ:
    """A shell on another machine: the emulator's address and a token are all that it knows."""
    mine = {name: value for name, value in environ.items() if not name.startswith(("AMLEMU_", "XDG_"))}
    here = {"XDG_CONFIG_HOME": str(folder / "config"), "XDG_DATA_HOME": str(folder / "data")}
    return mine | here | ({"AMLEMU_TOKEN": token} if token else {}) | more


def url_of(environ: Environ) -> str:
    return f"http://127.0.0.1:{environ['AMLEMU_PORT']}"
