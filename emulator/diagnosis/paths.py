"""Explanations of missing files: the nearest path that exists, and how a script reaches it."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Iterator
from itertools import takewhile

from emulator.diagnosis.explanation import Deployed, Explanation

_QUOTED = re.compile(r"(?:No such file or directory|Is a directory|Not a directory): '([^']+)'")
_MODEL_DIR = 'os.environ["AZUREML_MODEL_DIR"]'
_HERE = "os.path.dirname(__file__)"
_MOST_NAMES = 5
_ALIKE = 0.6


def path_step(failure: Explanation, deployed: Deployed) -> tuple[str, str] | None:
    """Explain a missing path of the exception; None when the exception names none."""
    for text in filter(None, (failure.exception, failure.because)):
        for path in _paths_in(text, deployed):
            if told := _about(path, deployed):
                return told
    return None


def _paths_in(text: str, deployed: Deployed) -> Iterator[str]:
    """Return the paths in an exception: those that Python quotes, and any below /var/azureml-app."""
    if "cannot open shared object file" in text or "File exists" in text:
        return
    for found in _QUOTED.findall(text):
        yield found
    for root in deployed.code_roots:
        for found in re.findall(re.escape(root) + r"/[^\s'\"`:,;()<>\]}]+", text):
            yield found.rstrip(".")


def _about(path: str, deployed: Deployed) -> tuple[str, str] | None:
    plain = deployed.plain(path)
    tree = deployed.command("tree")
    if plain in deployed.paths:
        below = deployed.below(plain)
        if not below:
            return None
        return "", f"that is a folder; a file in it: {_reached(plain, below[0], deployed)}; {tree} shows all"
    if found := nearest(plain, deployed):
        holds = " (a folder)" if deployed.below(found) else ""
        how = expression(found, deployed)
        return "", f"the nearest that is there: {found}{holds}; reach it with {how}; {tree} shows all"
    return _elsewhere(path, deployed) or _in_parent(plain, deployed)


def _elsewhere(path: str, deployed: Deployed) -> tuple[str, str] | None:
    """Explain a path of the user's own machine."""
    if not path.startswith("/") or any(path.startswith(f"{root}/") for root in deployed.code_roots):
        return None
    return f"{path} is no path of the container", _own_machine(deployed)


def _in_parent(plain: str, deployed: Deployed) -> tuple[str, str] | None:
    """Describe the contents of the folder in which the path would be."""
    parent = plain
    while parent not in deployed.paths and len(parent) > len(deployed.root):
        parent = posixpath.dirname(parent)
    if not deployed.models and is_model_path(plain, deployed):
        return "the deployment has no model", "name one: --model NAME:VERSION; `amlemu model list` shows what there is"
    if parent in deployed.paths and not deployed.below(parent):
        return f"{parent} is a file, not a folder", f"{deployed.command('tree')} shows what there is"
    if parent in deployed.paths:
        holds = f"{parent} is there, and holds: {_names(deployed.below(parent))}"
        return "", f"{holds}; {deployed.command('tree')} shows all"
    return None


def is_model_path(plain: str, deployed: Deployed) -> bool:
    """Whether the path is below the models' folder."""
    below = deployed.model_dir or posixpath.join(deployed.root, "azureml-models")
    return plain.startswith((below, posixpath.join(deployed.root, "azureml-models")))


def nearest(path: str, deployed: Deployed) -> str:
    """Return the path that is most likely meant: the same name elsewhere, else a similar one; '' for none."""
    wanted = posixpath.basename(path)
    under_models = [p for p in deployed.paths if deployed.model_dir and p.startswith(deployed.model_dir + "/")]
    under_code = [p for p in deployed.paths if deployed.app_root and p.startswith(deployed.app_root + "/")]
    pools = (under_models, under_code) if is_model_path(path, deployed) else (under_code, under_models)
    for pool in pools:
        same = [p for p in pool if posixpath.basename(p).lower() == wanted.lower()]
        if same:
            return min(same, key=lambda p: (-_ending(p, path), len(p), p))
    for pool in pools[: 1 + (not path.startswith(deployed.root))]:
        files = {posixpath.basename(p): p for p in sorted(pool) if not deployed.below(p)}
        if alike := difflib.get_close_matches(wanted, files, n=1, cutoff=_ALIKE):
            return files[alike[0]]
    return ""


def _ending(one: str, other: str) -> int:
    """Count the trailing parts that two paths have in common, ignoring case."""
    pairs = zip(reversed(one.lower().split("/")), reversed(other.lower().split("/")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def expression(path: str, deployed: Deployed) -> str:
    """Return the Python expression by which the script reaches a path, here and in the cloud."""
    if deployed.model_dir and path.startswith(deployed.model_dir + "/"):
        return _join(_MODEL_DIR, path.removeprefix(deployed.model_dir + "/"))
    if path == deployed.model_dir:
        return _MODEL_DIR
    return _join(_HERE, posixpath.relpath(path, posixpath.dirname(deployed.script)))


def _join(start: str, rest: str) -> str:
    parts = ", ".join(f'"{part}"' for part in rest.split("/"))
    return f"os.path.join({start}, {parts})"


def _reached(folder: str, file: str, deployed: Deployed) -> str:
    return expression(posixpath.join(folder, file), deployed)


def _names(files: tuple[str, ...]) -> str:
    shown = ", ".join(files[:_MOST_NAMES])
    return f"{shown}, … ({len(files)} files)" if len(files) > _MOST_NAMES else shown or "nothing"


def _own_machine(deployed: Deployed) -> str:
    inside = [posixpath.join(deployed.model_dir, file) for file in deployed.below(deployed.model_dir)]
    if deployed.model_dir and inside:
        return f"models are below AZUREML_MODEL_DIR: {expression(inside[0], deployed)}; {deployed.command('tree')}"
    return f"the container has the code folder and the models only; {deployed.command('tree')} shows them"
