"""This machine's package settings (indexes, proxies, certificates), and how to run uv with them.

Index URLs, proxies and the CA bundle are the user's own settings for uv and pip.  They may hold credentials, so they
travel as variables of a process or as build secrets and are never printed.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import platform
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from emulator.engines import Log
from emulator.environments.import_check import names_of
from emulator.errors import EngineUnavailable
from emulator.secret import credentials_in, without_words
from emulator.system.child_environment import CONDA, UV, child_environment
from emulator.system.child_process import ChildCommand, run_child

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
# What of uv's own settings means the same inside a build as on the host.
_UV_SETTINGS = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_INDEX_STRATEGY",
    "UV_INSECURE_HOST",
    "UV_PYTHON_INSTALL_MIRROR",
    "UV_HTTP_TIMEOUT",
    "UV_KEYRING_PROVIDER",
)
_INDEX_URL = re.compile(r"(--index-url|-i)\b")
_CA_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SYSTEM_CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


@dataclass(frozen=True)
class HostPackaging:
    """How packages are had on this machine.

    `uv` runs here; `uv_for_linux` runs in Linux containers of this machine's architecture, None where this machine is
    no Linux.  `variables` are for uv and rattler here, `build_variables` for uv inside an image build; both are
    secret.  `wheel_folders` are the local find-links folders, `link_pages` the find-links URLs.  `conda_cache` is where
    rattler keeps what was downloaded of conda channels, `build_caches` where the secret of BuildKit's
    caches and the Python that builds nothing are kept.
    """

    uv: Path
    uv_for_linux: Path | None
    ca_bundle: Path | None
    variables: Mapping[str, str] = field(repr=False)
    build_variables: Mapping[str, str] = field(repr=False)
    wheel_folders: tuple[Path, ...] = ()
    link_pages: tuple[str, ...] = field(default=(), repr=False)
    conda_cache: Path = field(default_factory=lambda: _conda_cache({}))
    build_caches: Path = field(default_factory=lambda: _caches({}) / "amlemu")


def read_host_packaging(environ: Mapping[str, str], uv: Path | None = None) -> HostPackaging:
    """Return the settings of uv and pip in `environ` and in pip's configuration files; uv's own win over pip's."""
    pip = _pip_settings(environ)
    indexes = _index_variables(environ, pip)
    ca_bundle = ca_bundle_of(environ, pip)
    folders, pages = find_links(environ, pip)
    proxies = {n: v for n, v in environ.items() if n.upper() in _PROXIES and v}
    uv = uv or _find_uv()
    host = dict(indexes) | ({"SSL_CERT_FILE": str(ca_bundle)} if ca_bundle else {})
    if folders or pages:
        host["UV_FIND_LINKS"] = ",".join([*map(str, folders), *pages])
    return HostPackaging(
        uv=uv,
        uv_for_linux=uv if sys.platform == "linux" else None,
        ca_bundle=ca_bundle,
        conda_cache=_conda_cache(environ),
        build_caches=_caches(environ) / "amlemu",
        variables=_host_variables(environ) | host,
        build_variables=proxies | indexes,
        wheel_folders=folders,
        link_pages=pages,
    )


def _conda_cache(environ: Mapping[str, str]) -> Path:
    if environ.get("RATTLER_CACHE_DIR"):
        return Path(environ["RATTLER_CACHE_DIR"])
    return _caches(environ) / "rattler/cache"


def _caches(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".cache")


def _find_uv() -> Path:
    from uv import find_uv_bin  # of the `uv` package, which ships the binary

    try:
        return Path(os.fsdecode(find_uv_bin()))
    except FileNotFoundError as error:
        raise EngineUnavailable("uv, which installs packages, is missing", hint="pip install uv") from error


def _host_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what of `environ` uv and the solver of conda packages may have here, and where uv's own configuration is.

    Named, so that uv looks for none in the folders above those that it works in, which others may write to.
    """
    kept = child_environment(UV, environ) | child_environment(CONDA, environ)
    kept.pop("UV_FIND_LINKS", None)
    path = os.pathsep.join([environ.get("PATH", os.defpath), *_pyenv_folders(environ)])
    return _configuration(environ) | kept | {"PATH": path, "UV_NO_PROGRESS": "1"}


def _pyenv_folders(environ: Mapping[str, str]) -> list[str]:
    """pyenv puts only its chosen version on PATH; uv finds the others when their folders are there."""
    try:
        return sorted(map(str, Path(environ.get("PYENV_ROOT") or "/nonexistent").glob("versions/3.*/bin")))
    except OSError:
        return []


def _configuration(environ: Mapping[str, str]) -> dict[str, str]:
    user = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/nonexistent")) / ".config")
    for file in (user / "uv/uv.toml", Path("/etc/uv/uv.toml")):
        with contextlib.suppress(OSError):
            if file.is_file():
                return {"UV_CONFIG_FILE": str(file)}
    return {"UV_NO_CONFIG": "1"}


def _pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """pip's own options by name (`index-url`): [global], [install] over it, PIP_ variables over both."""
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}}
    for file in _pip_files(environ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue
        for name, settings in sections.items():
            if parser.has_section(name):
                settings.update((key.replace("_", "-"), value) for key, value in parser.items(name))
    variables = {name.removeprefix("PIP_").lower(): v for name, v in environ.items() if name.startswith("PIP_") and v}
    return sections["global"] | sections["install"] | {n.replace("_", "-"): v for n, v in variables.items()}


def _pip_files(environ: Mapping[str, str]) -> list[Path]:
    """pip's configuration files, the weakest first; the null device as PIP_CONFIG_FILE switches all of them off."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path(environ.get("HOME", "/nonexistent"))
    user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"), home / ".pip/pip.conf", user / "pip/pip.conf"]
    return [*files, Path(named)] if named else files


def _index_variables(environ: Mapping[str, str], pip: Mapping[str, str]) -> dict[str, str]:
    variables = {name: environ[name] for name in _UV_SETTINGS if environ.get(name)}
    if not variables.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} and pip.get("index-url"):
        variables["UV_DEFAULT_INDEX"] = pip["index-url"]
    # An index that is a folder of this machine does not exist inside a build; find-links folders are carried over.
    extra = [url for url in pip.get("extra-index-url", "").split() if not url.startswith("file:")]
    if not variables.keys() & {"UV_INDEX", "UV_EXTRA_INDEX_URL"} and extra:
        variables["UV_INDEX"] = " ".join(extra)
    # pip takes the best version of all indexes, those of the requirements too, and the cloud installs with pip.
    variables.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    if pip.get("trusted-host"):
        variables.setdefault("UV_INSECURE_HOST", " ".join(pip["trusted-host"].split()))
    return variables


def ca_bundle_of(environ: Mapping[str, str], pip: Mapping[str, str]) -> Path | None:
    """Return the file of certificates to trust that variables, pip's settings or the system name; None without."""
    named = [environ.get(name, "") for name in _CA_VARIABLES] + [pip.get("cert", ""), *_SYSTEM_CA_BUNDLES]
    files = (Path(name) for name in named if name)
    # An empty file is a placeholder where a bundle could be (compose.yaml).
    return next(
        (file for file in files if _is_there(file, lambda found: found.is_file() and found.stat().st_size)), None
    )


def find_links(environ: Mapping[str, str], pip: Mapping[str, str]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the folders and the pages that list packages beside the indexes."""
    named = (environ.get("UV_FIND_LINKS", "").replace(",", " ") + " " + pip.get("find-links", "")).split()
    pages = [text for text in named if urlsplit(text).scheme in ("http", "https")]
    paths = [Path(unquote(urlsplit(t).path)) if t.startswith("file:") else Path(t) for t in named if t not in pages]
    return tuple(dict.fromkeys(path for path in paths if _is_there(path, Path.is_dir))), tuple(dict.fromkeys(pages))


def _is_there(path: Path, kind: Callable[[Path], object]) -> bool:
    """Return whether `path` is of that kind, as far as this process may look: what it may not see is not there."""
    try:
        return bool(kind(path)) and os.access(path, os.R_OK)
    except OSError:
        return False


def linux_platform(docker_platform: str | None = None) -> str:
    """uv's name for containers of that platform in Docker's words, None for this machine's architecture.

    >>> linux_platform("linux/arm64")
    'aarch64-manylinux_2_28'
    """
    machine = docker_platform.split("/")[1] if docker_platform else platform.machine().lower()
    machine = machine.replace("amd64", "x86_64").replace("arm64", "aarch64")
    return f"{machine}-manylinux_2_28"


def packaging_for(packaging: HostPackaging, docker_platform: str | None, requirements: Iterable[str]) -> HostPackaging:
    """Return the same for these requirements in containers of that platform.

    This machine's uv does not run in containers of another architecture; and its default index, which uv would put
    before that of a file, stands back where the requirements name one, as for pip.
    """
    if linux_platform(docker_platform) != linux_platform():
        packaging = replace(packaging, uv_for_linux=None)
    if not any(map(_INDEX_URL.match, requirements)):
        return packaging
    return replace(
        packaging,
        variables=_without_default_index(packaging.variables),
        build_variables=_without_default_index(packaging.build_variables),
    )


def _without_default_index(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name not in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")}


def run_uv(
    args: Sequence[str],
    packaging: HostPackaging,
    log: Log,
    canceled: threading.Event,
    *,
    cwd: Path | None = None,
    stdin: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run uv to its end with this machine's settings; stderr, without what opens an index, goes to `log` line by line,
    and is returned whole."""
    secrets = credentials_in([*packaging.variables.values(), *packaging.build_variables.values(), stdin or ""])

    def log_line(line: str) -> None:
        if line.strip():
            log(without_words(line.rstrip(), secrets))

    command = ChildCommand([str(packaging.uv), *args], UV, packaging.variables, variables or {}, cwd, stdin)
    try:
        done = run_child(command, log_line, canceled)
    except OSError as error:
        message = f"uv, which installs packages, does not start: {error.strerror}"
        raise EngineUnavailable(message, target=str(packaging.uv), hint="pip install --force-reinstall uv") from error
    return subprocess.CompletedProcess(args, done.returncode, done.stdout, without_words(done.stderr, secrets))


_LOCKED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==(?P<version>[^\s;]+)")


def wheels_named_by(lock: str, packaging: HostPackaging) -> list[Path]:
    """Return the wheels of the local find-links folders whose name and version the lock names."""
    named = {(_normal(m["name"]), m["version"]) for m in map(_LOCKED.match, lock.splitlines()) if m}
    return [wheel for wheel in _local_wheels(packaging) if _wheel_id(wheel.name) in named]


def local_wheels_of(requirements: Iterable[str], packaging: HostPackaging) -> list[Path]:
    """Return the wheels of the local find-links folders, of any version, that the requirements name."""
    named = set(map(_normal, names_of(requirements)))
    return [wheel for wheel in _local_wheels(packaging) if _wheel_id(wheel.name)[0] in named]


def _local_wheels(packaging: HostPackaging) -> Iterable[Path]:
    return (wheel for folder in packaging.wheel_folders for wheel in sorted(folder.glob("*.whl")))


def _wheel_id(file_name: str) -> tuple[str, str]:
    name, version = [*file_name.split("-"), ""][:2]
    return _normal(name), version


def _normal(name: str) -> str:
    """A package name in its one canonical spelling (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
