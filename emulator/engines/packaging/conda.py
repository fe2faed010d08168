"""conda packages for both engines: solved before anything is built, linked on this machine to where they will lie.

conda's packages hold the folder that they will be in.  They are linked into a folder of this machine, but for
ENVIRONMENT_FOLDER of the container, so that a base image needs neither conda nor a Python of its own, and no channel's
credentials enter a build.  What was downloaded once stays in the cache of rattler, by digest.
"""

from __future__ import annotations

import json
import platform
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from emulator.engines import Log
from emulator.engines.packaging.python_packages import HostPackaging
from emulator.engines.packaging.resolution import CondaContext
from emulator.engines.packaging.untrusted_files import read_untrusted
from emulator.environments import CondaPackages
from emulator.environments.conda_pypi import pypi_name
from emulator.environments.files.conda_spec import parse_spec, pip_version
from emulator.environments.import_check import names_of
from emulator.errors import EngineUnavailable, ImageBuildFailure, OutOfQuota
from emulator.secret import mask_credentials
from emulator.system.child_environment import CONDA
from emulator.system.child_process import ChildCommand, run_child

_WORKER = Path(__file__).with_name("conda_worker.py")
_TAIL_LINES = 40
_MOST_BYTES_OF_A_RECORD = 256 << 20
# Of python:X.Y-slim-bookworm, and what is taken where an image does not say: RHEL 8's, which conda-forge builds for.
BOOKWORM_GLIBC = "2.36"
OLDEST_GLIBC = "2.28"


@dataclass(frozen=True)
class CondaLock:
    """A solved environment: each package as rattler's record of it, with its URL and sha256.

    `specs` are the packages as the user's file names them; `python_version` is the solved Python's, whole.
    """

    packages: tuple[Mapping[str, Any], ...] = field(repr=False)
    specs: tuple[str, ...]
    python_version: str

    @property
    def text(self) -> str:
        """The lock as conda's explicit files are written, without credentials."""
        lines = (f"{mask_credentials(p['url'])}#sha256:{p['sha256']}" for p in self.packages)
        return "\n".join(["@EXPLICIT", *lines]) + "\n"

    def beside(self, requirements: Sequence[str]) -> CondaContext:
        """What pip finds when it comes with `requirements`: those it names itself it may replace by newer ones."""
        asked = {canonicalize_name(name) for name in names_of(requirements)}
        conditions = {spec.name: spec.version for spec in map(parse_spec, self.specs)}
        fixed, preferred = [], []
        for package in self.packages:
            name = pypi_name(package["name"])
            if not name or not _is_python_package(package) or not _is_pep440(package):
                continue
            exact = f"{name}=={package['version']}"
            if canonicalize_name(name) not in asked:
                preferred.append(exact)
            if condition := conditions.get(package["name"]):
                fixed.append(exact if "|" in condition else name + pip_version(condition))
        return CondaContext(self.python_version, tuple(fixed), tuple(preferred))


def _is_python_package(package: Mapping[str, Any]) -> bool:
    return any(re.split(r"[\s=<>!]", text)[0] in ("python", "python_abi") for text in package["depends"])


def _is_pep440(package: Mapping[str, Any]) -> bool:
    try:
        Version(package["version"])
    except InvalidVersion:
        return False
    return True


def solve_conda(
    conda: CondaPackages,
    requirements: Sequence[str],
    glibc: str,
    packaging: HostPackaging,
    log: Log,
    canceled: threading.Event,
) -> CondaLock:
    """Solve the packages for containers of this machine's architecture; `glibc` is that of their base image.

    As conda does, pip is added where there are `requirements` of pip's and nobody has named it.  Raises
    ImageBuildFailure with rattler's chain of reasons, or the near names of a package that is not there.
    """
    specs = list(conda.dependencies)
    if requirements and "pip" not in {parse_spec(text).name for text in conda.dependencies}:
        log("the file has a pip section and does not name pip: it is added, as conda does with a warning")
        specs.append("pip")
    request = {
        "op": "solve",
        "channels": list(dict.fromkeys([*conda.channels, *_channels_of(specs)])),
        "specs": specs,
        "platform": conda_platform(),
        "virtual": virtual_packages(glibc),
        "cache": str(packaging.conda_cache),
    }
    answer = _ask(request, packaging, canceled)
    if "error" in answer:
        raise _solve_failure(answer, conda.channels)
    packages = tuple(answer["packages"])
    python = next((p["version"] for p in packages if p["name"] == "python"), "")
    if not python:
        raise ImageBuildFailure(
            "the conda packages include no Python", hint="name one in the conda file, as in python=3.11"
        )
    log(f"solved {len(packages)} conda packages, with Python {python}")
    return CondaLock(packages, conda.dependencies, python)


def _channels_of(specs: Sequence[str]) -> list[str]:
    """Return the channels that packages name for themselves, which need not be among the file's."""
    return [re.sub(r"/(linux-\w+|noarch)$", "", parse_spec(text).channel) for text in specs if "::" in text]


def conda_platform() -> str:
    """conda's name for the containers of this machine's architecture."""
    arm = platform.machine().lower() in ("arm64", "aarch64")
    return "linux-aarch64" if arm else "linux-64"


def virtual_packages(glibc: str) -> dict[str, str]:
    """Return what a container is to conda.  Not `__cuda`: what builds the cloud's images has no GPU (assumed)."""
    release = re.match(r"\d+(\.\d+)*", platform.release()) if sys.platform == "linux" else None
    arch = "aarch64" if conda_platform() == "linux-aarch64" else "x86_64"
    return {"__unix": "0", "__linux": release[0] if release else "5.10", "__glibc": glibc, "__archspec": arch}


def link_conda(
    lock: CondaLock, prefix: Path, final: str, packaging: HostPackaging, log: Log, canceled: threading.Event
) -> None:
    """Make the environment in the folder `prefix`, for use at the path `final`.

    Raises ImageBuildFailure for what could not be downloaded, OutOfQuota for a full disk.
    """
    log("downloading and linking the conda packages")
    request = {
        "op": "link",
        "packages": [dict(package) for package in lock.packages],
        "prefix": str(prefix),
        "final": final,
        "platform": conda_platform(),
        "cache": str(packaging.conda_cache),
    }
    answer = _ask(request, packaging, canceled)
    if "error" in answer:
        raise _failure("the conda packages could not be installed", answer["message"])
    (prefix / "CACHEDIR.TAG").unlink(missing_ok=True)
    for record in (prefix / "conda-meta").glob("*.json"):
        _clean_record(record)


def _clean_record(file: Path) -> None:
    """A package's record without credentials and without folders of this machine, which an image must not tell."""
    text = read_untrusted(file, _MOST_BYTES_OF_A_RECORD)
    if text is None:
        raise ImageBuildFailure(f"the conda packages have no plain record {file.name}")
    record = json.loads(text)
    for name in ("extracted_package_dir", "package_tarball_full_path", "link"):
        record.pop(name, None)
    for name in ("url", "channel"):
        record[name] = mask_credentials(str(record.get(name) or ""))
    file.unlink()  # it may be a link into the cache
    file.write_text(json.dumps(record, indent=2), encoding="utf-8")


def post_link_scripts(prefix: Path) -> list[str]:
    """Return the packages of an environment that bring a script to finish their installation."""
    found = (
        re.fullmatch(r"\.(.+)-post-link\.sh", path.name) for path in sorted((prefix / "bin").glob(".*-post-link.sh"))
    )
    return [match[1] for match in found if match]


def _ask(request: Mapping[str, Any], packaging: HostPackaging, canceled: threading.Event) -> dict[str, Any]:
    words = [sys.executable, "-I", str(_WORKER)]
    done = run_child(ChildCommand(words, CONDA, packaging.variables, stdin=json.dumps(request)), _quiet, canceled)
    if done.returncode != 0 or not done.stdout:
        tail = mask_credentials("\n".join(done.stderr.splitlines()[-_TAIL_LINES:]))
        if "No module named 'rattler'" in done.stderr:
            raise EngineUnavailable("rattler, which solves conda packages, is missing", hint="pip install py-rattler")
        message = f"conda packages could not be solved or linked: rattler ended with code {done.returncode}"
        raise ImageBuildFailure(message, log_tail=tail)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _quiet(_line: str) -> None:
    """Discard progress: the worker's stderr is shown only when it fails."""


def _solve_failure(answer: Mapping[str, Any], channels: Sequence[str]) -> ImageBuildFailure | OutOfQuota:
    message = mask_credentials(answer["message"])
    if answer["error"] == "spec":
        return ImageBuildFailure(f"a conda package is written wrongly: {message}", hint="as in name>=1.2,<2")
    if answer["error"] == "channel":
        return _failure("the conda channels cannot be read", message)
    told = [_missing(package) for package in answer.get("missing", ())]
    where = ", ".join(mask_credentials(url) for url in channels)
    if told and all(told):
        return ImageBuildFailure(
            f"{'; '.join(told)} (channels: {where})", hint="mend the names or versions", log_tail=message
        )
    chain = " ".join(re.sub(r"[├└│─]+", " ", message.partition("because of: ")[2] or message).split())
    hint = "loosen or remove one of the versions that the chain names"
    return ImageBuildFailure(f"these conda packages cannot be installed together: {chain}", hint=hint, log_tail=message)


def _missing(package: Mapping[str, Any]) -> str:
    """Return what to say of a package without a candidate."""
    name = package["name"]
    if package["versions"]:
        newest = ", ".join(dict.fromkeys(package["versions"][-5:]))
        return f"no version of conda package '{name}' fits; the newest there are: {newest}"
    if package["platforms"]:
        return f"conda package '{name}' has no build for {conda_platform()}, only for {', '.join(package['platforms'])}"
    near = f": did you mean {' or '.join(package['near'])}?" if package["near"] else ""
    return f"there is no conda package '{name}'{near}"


def _failure(what: str, message: str) -> ImageBuildFailure | OutOfQuota:
    message = mask_credentials(message)
    if "os error 28" in message:
        return OutOfQuota("no disk space is left for the conda packages", hint="free some; `amlemu prune` helps")
    if unknown := re.search(r"could not find subdir '(\S+)' in channel '(\S+)'", message):
        hint = "check its name; conda_channels in amlemu.toml says where a channel is"
        return ImageBuildFailure(f"there is no conda channel at {unknown[2]}", hint=hint, log_tail=message)
    hint = "check the network and the proxy, or let PyPI stand in: --conda pip"
    return ImageBuildFailure(f"{what}: {message.splitlines()[0]}", hint=hint, log_tail=message)
