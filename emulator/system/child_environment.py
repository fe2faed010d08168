"""The environment variables that child processes of the emulator may get: one list for each kind of child.

No child starts from `os.environ`: a program that runs, downloads or reads something for somebody else's document must
not know the emulator's token nor whatever else the owner's shell holds.  Each kind of child has a list of names here,
and `child_environment` picks these out of whatever it is given.  `tests/security/test_untrusted_code.py` fails on a
child that is started in another way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_SYSTEM = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", r"LC_\w+", "TZ", "TMPDIR", "TEMP", "TMP",
    "SYSTEMROOT", "SYSTEMDRIVE", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "PATHEXT",
)  # fmt: skip
_FOLDERS = (r"XDG_\w+_HOME", r"XDG_\w+_DIRS?")
_NETWORK = (
    "(?i:HTTPS?_PROXY|ALL_PROXY|NO_PROXY)",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC",
)  # fmt: skip
# What leads to a secret store from which the owner's own helper takes passwords: keyring for uv, Docker's for docker.
_SECRET_STORES = ("DBUS_SESSION_BUS_ADDRESS", "GNUPGHOME", "PASSWORD_STORE_DIR", r"PYTHON_KEYRING_\w+", "KEYRING_\\w+")
# Which workspace a build is for: `child_process` finds by it the builds whose emulator was killed.
_MARK = ("AMLEMU_BUILD_OF",)
# What of uv's settings says where packages come from and where they are kept.  None may let it run, or install into,
# anything of the caller's.
_UV = (
    "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", r"UV_INDEX_\w+_(USERNAME|PASSWORD)",
    "UV_INDEX_STRATEGY", "UV_FIND_LINKS", "UV_INSECURE_HOST", "UV_KEYRING_PROVIDER", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS",
    "UV_OFFLINE", "UV_EXCLUDE_NEWER", "UV_PRERELEASE", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES",
    "UV_CONCURRENT_DOWNLOADS", "UV_CONCURRENT_INSTALLS", "UV_REQUEST_TIMEOUT", "UV_CONFIG_FILE", "UV_NO_CONFIG",
    "UV_CACHE_DIR", "UV_LINK_MODE", "UV_PYTHON_DOWNLOADS", "UV_PYTHON_INSTALL_DIR", "UV_PYTHON_INSTALL_MIRROR",
    "UV_PYPY_INSTALL_MIRROR", "UV_PYTHON_CACHE_DIR", "UV_NO_PROGRESS", "UV_USE_IO_URING",
)  # fmt: skip
_RATTLER = ("RATTLER_CACHE_DIR", "RATTLER_AUTH_FILE", r"RATTLER_CONFIG\w*")
_DOCKER = (r"DOCKER_\w+", r"BUILDX_\w+", r"BUILDKIT_\w+", "SSH_AUTH_SOCK")
_EMULATOR = (
    r"AMLEMU_\w+", r"PIP_\w+", "PYENV_ROOT", r"PYTHON\w+", "JAVA_HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "VIRTUAL_ENV", "CONDA_PREFIX",
)  # fmt: skip


@dataclass(frozen=True)
class Child:
    """A kind of child process, by the names of the variables that it may have; each is a regular expression."""

    names: tuple[str, ...]

    def may_have(self, name: str) -> bool:
        """Return whether a variable of that name may reach it."""
        return any(re.fullmatch(allowed, name) for allowed in self.names)


UV = Child((*_SYSTEM, *_FOLDERS, *_NETWORK, *_SECRET_STORES, *_MARK, *_UV))
"""uv, which reads metadata, downloads, and unpacks wheels; it never runs what it has downloaded."""

CONDA = Child((*_SYSTEM, *_FOLDERS, *_NETWORK, *_SECRET_STORES, *_MARK, *_RATTLER))
"""The solver and linker of conda packages; it never runs what it has downloaded."""

DOCKER = Child((*_SYSTEM, *_FOLDERS, *_NETWORK, *_SECRET_STORES, *_MARK, *_DOCKER))
"""Docker's command with its plugins and the owner's credential helpers; what it builds gets none of it."""

INTERPRETER = Child(("PATH", "HOME", "LANG", r"LC_\w+", "PYENV_ROOT", "JAVA_HOME"))
"""A program of this machine, a Python or a Java, that is asked for its version."""

SUPERVISOR = Child(())
"""What starts a container of the process engine, whose own variables come in its plan."""

EMULATOR = Child((*_SYSTEM, *_FOLDERS, *_NETWORK, *_SECRET_STORES, *_UV, *_RATTLER, *_DOCKER, *_EMULATOR))
"""amlemu itself, as the owner's own command line starts it: its settings, its token among them, and all that its own
children may have."""


def child_environment(child: Child, variables: Mapping[str, str], **more: str) -> dict[str, str]:
    """Return what of `variables` that child may have, and `more`, which is ours and goes before."""
    return {name: value for name, value in variables.items() if child.may_have(name)} | more
