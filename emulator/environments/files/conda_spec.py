"""One conda package as a conda file writes it: name, condition on the version, channel; and what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from emulator.environments.files.conda_channels import channel_problem
from emulator.environments.files.requirements_file import text_problem

_MATCH_SPEC = re.compile(
    r"(?:(?P<channel>\S+?)::)?(?P<name>[A-Za-z0-9_.-]+)\s*(?P<version>[=<>!~\s][^\[]*)?(?:\[(?P<brackets>.*)\])?\s*$"
)
_BRACKET_VERSION = re.compile(r"\bversion\s*=\s*(?P<quote>['\"]?)(?P<version>[^'\"\]]+)(?P=quote)")
_BRACKET_KEYS = re.compile(r"\s*(version|build|build_number)\s*=\s*('[^']*'|\"[^\"]*\"|[^'\",]*)\s*(,|$)")
_TURNED = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)\s*=(?P<turned>[<>])\s*(?P<version>[^,|]+)")
_WITH_EXTRA = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)\s*\[\s*[A-Za-z][^\]=]*\].*")
_MARKER = re.compile(r".*;\s*(python_version|sys_platform|platform_|os_name|extra)")


@dataclass(frozen=True)
class CondaSpec:
    """A package: `name` in lower case, `version` the condition as it is written with the build, '' for any.

    `channel` is what stands before '::', '' for none.
    """

    name: str
    version: str
    channel: str = ""


def parse_spec(text: str) -> CondaSpec:
    """Return the package that `text`, in which `spec_problem` finds nothing wrong, names.

    >>> parse_spec("conda-forge::NumPy >=1.2,<2")
    CondaSpec(name='numpy', version='>=1.2,<2', channel='conda-forge')
    >>> parse_spec("scipy[version='>=1.9']").version
    '>=1.9'
    """
    match = _MATCH_SPEC.match(text.strip())
    if match is None:
        raise ValueError(text)
    version = (match["version"] or "").strip()
    if in_brackets := _BRACKET_VERSION.search(match["brackets"] or ""):
        version = in_brackets["version"].strip()
    return CondaSpec(match["name"].lower(), version, match["channel"] or "")


def spec_problem(text: str, *, is_text: bool = True) -> str | None:
    """Return why `text` is not a conda package, or None."""
    plain = f"'{text}' is not a conda package: name, name=version or name>=version"
    if not is_text:
        return plain
    return text_problem(text, text) or _spelling_problem(text, plain)


def _spelling_problem(text: str, plain: str) -> str | None:
    if _MARKER.match(text):
        return f"'{text}' has a condition of pip's (';'), which conda has not: move it to the pip section"
    if _WITH_EXTRA.fullmatch(text.strip()):
        return f"'{text}' asks for an extra of pip's, which conda has not: move it to the pip section"
    if turned := _TURNED.fullmatch(text.strip()):
        return f"conda writes '{turned['name']}{turned['turned']}={turned['version']}', not '={turned['turned']}'"
    match = _MATCH_SPEC.match(text.strip())
    if match is None or re.match(r"\s+[A-Za-z]", match["version"] or ""):
        return plain
    return _elsewhere_problem(text, match)


def _elsewhere_problem(text: str, match: re.Match[str]) -> str | None:
    """Return why the place that a package is taken from cannot be: only a channel can, and only before the name."""
    if _BRACKET_KEYS.sub("", match["brackets"] or ""):
        return f"'{text}': only version and build may stand in brackets; a channel stands before the name, with '::'"
    return channel_problem(match["channel"]) if match["channel"] else None


def pip_version(version: str) -> str:
    """conda's version condition in pip's spelling, without the build.

    >>> pip_version("=1.23"), pip_version("=1.23.5=py38h1_0"), pip_version("==1.23.5"), pip_version(">=1.2,<2")
    ('==1.23.*', '==1.23.5', '==1.23.5', '>=1.2,<2')
    >>> pip_version("=2023.3.post1")
    '==2023.3.post1'
    >>> pip_version("1.23.*"), pip_version("1.23.5 py38_0"), pip_version(">=1.2.*"), pip_version("")
    ('==1.23.*', '==1.23.5', '>=1.2', '')
    """
    with_build = re.fullmatch(r"(?P<version>={0,2}\s*[^\s=<>!~,|]+)(\s*=\s*|\s+)[^\s=<>!~,|]+", version)
    if with_build:
        return f"=={with_build['version'].lstrip('= ')}"
    version = version.replace(" ", "")
    if version in ("", "*", "=*"):
        return ""
    if fuzzy := re.fullmatch(r"=([^=<>!~,|]+)", version):
        begins = fuzzy[1].removesuffix(".*").removesuffix("*")
        # pip has no such condition upon a version with more than a release's numbers, as in 2023.3.post1.
        return f"=={begins}.*" if re.fullmatch(r"v?(\d+!)?\d+(\.\d+)*", begins) else f"=={begins}"
    if version[0] not in "=<>!~":
        version = f"=={version}"
    return re.sub(r"([<>]=?|~=)([^,|]*?)\.\*", r"\1\2", version)
