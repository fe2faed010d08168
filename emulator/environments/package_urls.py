"""Packages that a line of requirements names by their URL alone: which packages they are, where the line tells.

pip takes the name from the fragment `#egg=NAME`, from a wheel's file name, or else from what lies at the URL (pages
Requirements File Format and VCS Support of pip's documentation); the last is left to the resolver.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

_EDITABLE = re.compile(r"(-e|--editable)[\s=]+(?=(git|hg|svn|bzr)\+)", re.I)
# A condition stands behind a semicolon with a space: a URL may have semicolons of its own.
_LINE = re.compile(
    r"(?P<url>([a-z]+\+)?(https?|ssh|git)://(?!-)[^/\s]\S*?)(\s*;(?P<marker>\s.*)|\s+;(?P<near>.*))?", re.I
)
_EGG = re.compile(r"(?P<name>[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?)(?P<extras>\[[^\]]*\])?(==.*)?", re.ASCII)
_WITH_VERSION = re.compile(r".+-\d[\w.]*", re.ASCII)
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar.lzma", ".tlz")


def with_name(line: str) -> str:
    """Return the line of a package that is given by its URL alone as `NAME @ URL`, if the URL tells its name.

    An editable repository is the package that it holds.  Every other line stays as it is.

    >>> with_name("git+https://host/team/pkg.git@v1#egg=pkg[fast]&subdirectory=src")
    'pkg[fast] @ git+https://host/team/pkg.git@v1#subdirectory=src'
    >>> with_name("https://host/my_pkg-1.0-py3-none-any.whl?sv=1 ; python_version < '4'")
    "my-pkg @ https://host/my_pkg-1.0-py3-none-any.whl?sv=1 ; python_version < '4'"
    >>> with_name("https://host/archive/main.zip"), with_name("numpy<2")
    ('https://host/archive/main.zip', 'numpy<2')
    """
    line = _EDITABLE.sub("", line, count=1)
    found = _LINE.fullmatch(line)
    if not found:
        return line
    url, _, fragment = found["url"].partition("#")
    parts = [part for part in fragment.split("&") if part]
    egg = next((unquote(part[4:]) for part in parts if part.startswith("egg=")), "")
    rest = "&".join(part for part in parts if not part.startswith("egg="))
    name = _name_of_egg(egg) or _name_of_wheel(url)
    marker = (found["marker"] or found["near"] or "").strip()
    return f"{name} @ " * bool(name) + url + f"#{rest}" * bool(rest) + f" ; {marker}" * bool(marker)


def is_editable(line: str) -> bool:
    """Return whether `line` asks for an editable install of a repository."""
    return _EDITABLE.match(line) is not None


def is_url_alone(line: str) -> bool:
    """Return whether `line`, which `with_name` gave, is a URL whose package only what lies there tells."""
    return _LINE.fullmatch(line) is not None


def url_alone_problem(line: str, shown: str) -> str | None:
    """Return why such a URL, shown as `shown`, is no package, or None."""
    found = _LINE.fullmatch(line)
    assert found, "is_url_alone"
    scheme, path = urlsplit(found["url"]).scheme.lower(), unquote(urlsplit(found["url"]).path)
    if "+" in scheme:
        return None if scheme.startswith("git+") else f"'{shown}': of version control the build has git alone"
    if scheme in ("ssh", "git"):
        return f"'{shown}' is a repository, which pip writes 'git+{shown}'"
    if path.endswith(".git"):
        return f"'{shown}' is a repository, which pip writes 'git+{shown}'"
    if not path.lower().endswith(_ARCHIVES):
        return f"'{shown}' is neither a wheel nor an archive (.whl, .tar.gz, .zip); a repository begins with 'git+'"
    if path.endswith(".whl"):
        return f"'{shown}' is not called as a wheel is: NAME-VERSION-PYTHON-ABI-PLATFORM.whl"
    return _marker_problem(found["url"], line, shown)


def _marker_problem(url: str, line: str, shown: str) -> str | None:
    try:
        Requirement(f"x @ {url}{line[len(url) :]}")
    except InvalidRequirement as error:
        return f"'{shown}' is not a requirement: {str(error).splitlines()[0]}"
    return None


def _name_of_egg(egg: str) -> str:
    """Return the name with its extras; '' where a version may be part of it."""
    found = _EGG.fullmatch(egg)
    if not found or _WITH_VERSION.fullmatch(found["name"]):
        return ""
    return found["name"] + (found["extras"] or "")


def _name_of_wheel(url: str) -> str:
    file = unquote(urlsplit(url).path).rpartition("/")[2]
    try:
        return parse_wheel_filename(file)[0]
    except InvalidWheelFilename:
        return ""
