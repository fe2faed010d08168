"""Build tools: a compiler and git, which Microsoft's base images have and Python's slim images lack.

The cloud builds curated and conda environments on those images, whose own OpenMPI is compiled in them (Dockerfiles of
Azure/AzureML-Containers).  Here they are installed where a package could not be had without them, and stay.
"""

from __future__ import annotations

import re

from emulator.errors import ImageBuildFailure

_COMPILERS = r"(?:[\w-]+-)?(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+)(?:-\d+)?"
_MISSING = re.compile(
    rf"No such file or directory:? '(?P<not_there>{_COMPILERS})'"
    rf"|[Cc]ommand '(?P<failed>{_COMPILERS})' failed: No such file"
    rf"|unable to execute '(?P<unable>{_COMPILERS})': No such file"
    rf"|(?P<shell>{_COMPILERS}|make): (?:command )?not found"
    r"|(?P<meson>Unknown compiler\(s\))|(?P<cmake>CMAKE_C(?:XX)?_COMPILER not set|No CMAKE_C(?:XX)?_COMPILER)"
    r"|(?P<rust>linker `cc` not found)"
    r"|(?P<git>Git executable not found)"
)

INSTALL_BUILD_TOOLS = """\
echo 'amlemu: installing a compiler and git, which the base images of the cloud have' \\
    && export DEBIAN_FRONTEND=noninteractive \\
    && ca="Acquire::https::CAInfo=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" \\
    && apt-get -o "$ca" update -qq \\
    && apt-get -o "$ca" install -y -qq --no-install-recommends gcc g++ libc6-dev make git >/dev/null \\
    && rm -rf /var/lib/apt/lists/*"""
"""Shell text for an image of Debian's, once the settings of builds are read."""

STORED_WHEELS = "[bdist_wheel]\ncompression = stored\n"
"""A configuration for setuptools, which reads the file that DIST_EXTRA_CONFIG names.

A wheel built from source is unpacked at once and thrown away.  Compressing it is most of the work of building a large
package: pyspark takes 19 s of processor time with it and 6 s without.
"""

LACKS_BUILD_TOOLS = "command -v apt-get >/dev/null && ! { command -v g++ && command -v git; } >/dev/null"
"""Shell text: whether the image could have them and has not."""


def missing_tool(text: str) -> str:
    """Return which tool a build says that it did not find: `gcc`, `git` or `make`; '' for none.

    >>> missing_tool("error: [Errno 2] No such file or directory: 'gcc'"), missing_tool("Git executable not found.")
    ('gcc', 'git')
    """
    found = _MISSING.search(text)
    if not found:
        return ""
    return "git" if found["git"] else "make" if found["shell"] == "make" else "gcc"


def tool_failure(text: str, where: str, hint: str, log_tail: str) -> ImageBuildFailure | None:
    """Return the error of a build whose output says that a tool is missing; None when it says no such thing."""
    tool = missing_tool(text)
    if not tool:
        return None
    what = {
        "git": "a package comes from a repository, and there is no git",
        "make": "a package is built with make, which is not",
    }
    why = what.get(tool, "a package has no wheel that fits and must be compiled, and there is no compiler (gcc)")
    return ImageBuildFailure(f"{why} {where}", hint=hint, log_tail=log_tail)
