"""Files that travel with the package: image contexts and the demo sample."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_folder(name: str) -> Path:
    """Return the folder `images/…` or `samples/…`: of the clone this runs from, else of the installed wheel."""
    clone = _PACKAGE.parent / name
    if (_PACKAGE.parent / "pyproject.toml").is_file() and clone.is_dir():
        return clone
    return _PACKAGE / "_shipped" / name


def launcher_text() -> str:
    """Return the program that starts the scoring server inside a container."""
    return (shipped_folder("images/scoring") / "launch.py").read_text(encoding="utf-8")


def sink_text() -> str:
    """Return the program that takes what a container hands over."""
    return (shipped_folder("images/scoring") / "sink.py").read_text(encoding="utf-8")


def mlflow_script_text() -> str:
    """Return the script that scores an MLflow model which is deployed without one."""
    return (shipped_folder("images/mlflow") / "mlflow_score_script.py").read_text(encoding="utf-8")
