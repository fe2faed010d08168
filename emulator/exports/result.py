"""The result of an export: texts, folders to be copied, and changes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Change:
    """Something that the export changes; `file` is the exported file that it is about, as a relative path."""

    file: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {self.text}"


@dataclass(frozen=True)
class ModelCopy:
    """A registered version whose files go below `folder`, under the registered name of the file or folder."""

    name: str
    version: str
    folder: str


@dataclass(frozen=True)
class DeploymentCopy:
    """Code, build context or layout of a deployment, whose files go below `folder`."""

    deployment: str
    folder: str


@dataclass(frozen=True)
class Export:
    """A folder: `texts` by relative path, what is copied into it, what has changed, and the commands that use it.

    Texts are written after copies and replace what these have brought.
    """

    texts: Mapping[str, str]
    models: tuple[ModelCopy, ...] = ()
    code: tuple[DeploymentCopy, ...] = ()
    contexts: tuple[DeploymentCopy, ...] = ()
    layouts: tuple[DeploymentCopy, ...] = ()
    changes: tuple[Change, ...] = ()
    commands: tuple[str, ...] = field(default=())


def content_number(*texts: str) -> str:
    """Return a version made of a content: a whole number, as scoring servers expect of a version's folder.

    >>> content_number("a", "b") == content_number("a", "b") != content_number("ab")
    True
    """
    return str(int(hashlib.sha256("\0".join(texts).encode()).hexdigest()[:7], 16))


def cloud_name(name: str) -> str:
    """Return the name in a form that the cloud accepts; '_' is accepted here only (row names.endpoint).

    >>> cloud_name("my_endpoint")
    'my-endpoint'
    """
    return re.sub(r"-*_[-_]*", "-", name)


def file_stems(ids: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
    """Return the stem of a file's name for each name and version: the name alone where it has one version.

    >>> file_stems([("a", "1"), ("b", "1"), ("b", "2")])
    {('a', '1'): 'a', ('b', '1'): 'b-1', ('b', '2'): 'b-2'}
    """
    known = list(dict.fromkeys(ids))
    names = [name for name, _ in known]
    return {(name, version): name if names.count(name) == 1 else f"{name}-{version}" for name, version in known}
