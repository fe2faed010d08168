"""Several models as the one model that an online deployment takes.

A v1 service has `$AZUREML_MODEL_DIR/NAME/VERSION/…`; a v2 deployment has one model, and its own folder in between
(row container.max_models).  The combined model keeps NAME/VERSION, and a script beside the user's own
points AZUREML_MODEL_DIR at them, so that the user's stays as it is.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Sequence

from emulator.entities import Model
from emulator.exports.result import content_number

FOLDER = "models"
"""The combined model's one folder, in which each NAME/VERSION lies."""

_SCRIPT = '''\
"""Written by amlemu: the models of this deployment are one model in the cloud; the script finds them as before.

An online deployment takes one model.  Its folder "{folder}" holds NAME/VERSION/... of each.
"""

import importlib.util
import os
import sys

_models = os.path.join(os.environ["AZUREML_MODEL_DIR"], "{folder}")
if os.path.isdir(_models):
    os.environ["AZUREML_MODEL_DIR"] = _models

_path = os.path.join(os.path.dirname(os.path.abspath(__file__)), {name!r})
_spec = importlib.util.spec_from_file_location({module!r}, _path)
_script = importlib.util.module_from_spec(_spec)
sys.modules[{module!r}] = _script
_spec.loader.exec_module(_script)

init, run = _script.init, _script.run
'''


def combined_version(models: Sequence[Model]) -> str:
    """Return the combined model's version, which changes with any of the models."""
    return content_number(*(f"{model.id} {model.sha256}" for model in models))


def script_beside(script: str, taken: Collection[str]) -> str:
    """Return a path beside `script` for the script that runs first, which none of the code's files has.

    >>> script_beside("src/score.py", ["src/score.py"])
    'src/score_with_models.py'
    """
    stem = script.removesuffix(".py") + "_with_models"
    names = (f"{stem}{number}.py" for number in ("", *range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def script_text(script: str) -> str:
    """Return the text of the script that runs before the user's `script`."""
    name = posixpath.basename(script)
    return _SCRIPT.format(name=name, folder=FOLDER, module=name.removesuffix(".py"))
