"""Substitute base images as the setting `base_images` says; each substitution is a difference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from emulator.difference import Difference, differs
from emulator.entities import Environment

_FROM = re.compile(r"(?P<head>\s*FROM\s+(?:--\S+\s+)*)(?P<image>[^\s#]+)(?P<rest>.*)", re.I)
_COPY = re.compile(r"\s*COPY\s+(?:--\S+\s+)*?--from=(?P<image>\S+)(?P<rest>.*)", re.I)
_ARG = re.compile(r"(?P<head>\s*ARG\s+\w+=)(?P<quote>[\"']?)(?P<image>[^\s\"']+)(?P=quote)(?P<rest>.*)", re.I)


@dataclass(frozen=True)
class BaseImages:
    """From an image's name, or a pattern such as `mcr.microsoft.com/azureml/*`, to the image that stands for it."""

    substitutes: Mapping[str, str] = field(default_factory=dict)

    def of(self, name: str) -> str | None:
        """Return what stands for that image, None where nothing does; its own name goes before a pattern.

        >>> BaseImages({"mcr.microsoft.com/azureml/*": "local/azureml"}).of("mcr.microsoft.com/azureml/minimal:1")
        'local/azureml'
        """
        spellings = (name,) if _has_tag(name) else (name, f"{name}:latest")
        for spelling in spellings:
            if spelling in self.substitutes:
                return self.substitutes[spelling]
        matching = (by for pattern, by in self.substitutes.items() if any(fnmatchcase(s, pattern) for s in spellings))
        return next(matching, None)

    def in_environment(self, environment: Environment) -> tuple[Environment, tuple[Difference, ...]]:
        """Return the environment on the image that stands for its own, and the differences."""
        by = self.of(environment.image) if environment.image else None
        if by is None or by == environment.image:
            return environment, ()
        return environment.model_copy(update={"image": by}), (_told(str(environment.image), by),)

    def in_dockerfile(self, text: str) -> tuple[str, tuple[Difference, ...]]:
        """The text of a Dockerfile with the images that FROM and COPY name, and defaults of ARG lines before the first
        FROM, as they are to be; and the differences.
        """
        lines, told, stages, begun = [], [], set[str](), False
        for line in text.splitlines(keepends=True):
            begins = _FROM.match(line)
            found = begins or _COPY.match(line) or (None if begun else _ARG.match(line))
            begun = begun or begins is not None
            by = self.of(found["image"]) if found and found["image"].lower() not in stages else None
            if begins and (named := re.search(r"\sAS\s+(\S+)", begins["rest"], re.I)):
                stages.add(named[1].lower())
            if not found or not by:
                lines.append(line)
                continue
            told.append(_told(found["image"], by))
            lines.append(line[: found.start("image")] + by + line[found.end("image") :])
        return "".join(lines), tuple(dict.fromkeys(told))


@dataclass(frozen=True)
class ImageChoices:
    """What the settings say of all images: what stands for others, and the platform of those that name none."""

    base_images: BaseImages = field(default_factory=BaseImages)
    platform: str | None = None


def _has_tag(name: str) -> bool:
    return "@" in name or ":" in name.rpartition("/")[2]


def _told(name: str, by: str) -> Difference:
    return differs("image.replaced_by_setting", f"image {name} is replaced by {by} (setting base_images)")
