"""The values of a diagnosis: a deployment as far as it is known, and the explanation of its failure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Stage = Literal["import", "function", "init", "run", "other"]
"""The stage that failed: the script's import, a missing function, init(), run(), or something else."""

MISSING_SERVER = "A required package azureml-inference-server-http is missing."


@dataclass(frozen=True)
class Explanation:
    """The cause of a failure, as `str`, and what to do about it, as `hint`.

    `exception` is `Type: text`, or a sentence; `file` and `line` are where in the user's code it was raised, '' when
    that is unknown, `source` that line's text.  `why` says what the exception leaves open, `because` is the exception
    from which it was raised.  `in_os_environ` says that a variable of the environment was asked for.
    """

    exception: str
    file: str = ""
    line: int = 0
    stage: Stage = "other"
    source: str = ""
    because: str = ""
    in_os_environ: bool = False
    why: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = f" ({self.file}, line {self.line})" if self.file else ""
        told = self.exception if place or not self.why else self.exception.rstrip(".")
        return told + place + (f": {self.why}" if self.why else "")


@dataclass(frozen=True)
class Deployed:
    """A deployment whose failure is explained, as far as it is known.

    `code_roots` are the folders in which the user's code lies, as tracebacks name them: the first is the container's
    /var/azureml-app.  `files` are all paths below it, and absolute ones of models that are mounted elsewhere.
    `variables` are what the platform sets, `own_variables` the names of those that the deployment sets, `environment`
    is the file or name of its environment.
    """

    endpoint: str
    deployment: str
    target: str
    code_roots: tuple[str, ...]
    files: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    own_variables: tuple[str, ...] = ()
    environment: str = ""

    @property
    def root(self) -> str:
        """The folders of the container's code and models."""
        return self.code_roots[0]

    @property
    def app_root(self) -> str:
        """The folder on Python's path, in which the script runs."""
        return self._inside(self.variables.get("AML_APP_ROOT", ""))

    @property
    def script(self) -> str:
        """The scoring script's path."""
        return posixpath.normpath(posixpath.join(self.app_root, self.variables.get("AZUREML_ENTRY_SCRIPT", "")))

    @property
    def model_dir(self) -> str:
        """The value of AZUREML_MODEL_DIR; '' for a deployment without models."""
        found = self.variables.get("AZUREML_MODEL_DIR")
        return self._inside(found) if found else ""

    @cached_property
    def paths(self) -> frozenset[str]:
        """Every file and folder, by its path in the container."""
        found = {self.root}
        for file in self._placed:
            path = file
            while path not in found and path != "/":
                found.add(path)
                path = posixpath.dirname(path)
        return frozenset(found)

    @cached_property
    def _placed(self) -> tuple[str, ...]:
        return tuple(posixpath.join(self.root, file) for file in self.files)

    def plain(self, path: str) -> str:
        """Return the path in the container: absolute and normalised, below /var/azureml-app."""
        for root in self.code_roots[1:]:
            if path == root or path.startswith(root + "/"):
                path = self.root + path.removeprefix(root)
        return posixpath.normpath(posixpath.join(self.app_root, path))

    def below(self, path: str) -> tuple[str, ...]:
        """Return the files below that folder, relative to it."""
        prefix = f"{path.rstrip('/')}/"
        return tuple(file.removeprefix(prefix) for file in self._placed if file.startswith(prefix))

    def command(self, verb: str, rest: str = "") -> str:
        """Return a command about this deployment that can be run as printed."""
        return f"`amlemu {verb} {self.endpoint} --deployment {self.deployment}{f' {rest}' if rest else ''}`"

    def _inside(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self.root, path))
