"""Code folders as a data scientist has them: a script, an environment file, a model."""

from __future__ import annotations

from pathlib import Path

SERVER = "azureml-inference-server-http==1.5.1\n"

# Says who it is, so that a test can tell whether the same process answers as before.
SCRIPT = """
import json, os, secrets

TOKEN = secrets.token_hex(8)

def init():
    print("init says hello")

def run(data):
    return {"answer": "ANSWER", "data": data, "token": TOKEN, "host": os.environ["HOSTNAME"], "mine": os.getenv("MINE")}
"""


def script(answer: str = "first") -> str:
    """The scoring script that gives this answer."""
    return SCRIPT.replace("ANSWER", answer)


def project(folder: Path, text: str | None = None, **files: str) -> Path:
    """A code folder with this scoring script and, unless `files` says otherwise, the smallest environment.

    `files` maps names to texts, with `__` for the dot.  The path of the script.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not any(name.endswith(("__txt", "__yml")) for name in files):
        files = {**files, "requirements__txt": SERVER}
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    path = folder / "score.py"
    path.write_text(script() if text is None else text)
    return path
