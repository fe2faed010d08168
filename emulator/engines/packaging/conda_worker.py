"""Solves and links conda packages with rattler: a program of its own, which `conda.py` starts.

    python -I conda_worker.py < request.json > answer.json

Its own process, so that it can be killed at any moment, has the user's proxy and CA variables without giving them to
the emulator, and gives the memory of a channel's index back when it ends.  `op` is `solve` or `link`; the answer has
`packages`, or `error` with its kind, and for a package that is not there what may have been meant.
"""

from __future__ import annotations

import asyncio
import difflib
import functools
import glob
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import rattler
from rattler.exceptions import GatewayError, InstallerError, InvalidMatchSpecError, SolverError
from rattler.install import InstallerReporter

Json = dict[str, Any]

_OTHER_PLATFORMS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")
# Only what the user names: what a package needs and nobody has is told with the chain that leads to it.
_MISSING = re.compile(r"No candidates were found for (\S+)")
_MOST_MISSING = 5
_RETRIES = 2
_FIELDS = (
    "build_number",
    "subdir",
    "depends",
    "constrains",
    "size",
    "python_site_packages_path",
    "file_name",
    "url",
    "channel",
)


def main() -> None:
    """Do what the request on stdin says."""
    request = json.load(sys.stdin)
    try:
        answer = asyncio.run({"solve": _solve, "link": _link}[request["op"]](request))
    except SolverError as error:
        answer = {"error": "conflict", "message": str(error)}
    except InvalidMatchSpecError as error:
        answer = {"error": "spec", "message": str(error)}
    except (GatewayError, InstallerError, OSError) as error:
        answer = {"error": "channel", "message": str(error)}
    _answer(answer)


def _answer(answer: Json) -> NoReturn:
    json.dump(answer, sys.stdout)
    sys.stdout.flush()
    # Threads of rattler may still hold the interpreter, whose own end then crashes now and again (seen with 0.28.0).
    os._exit(0)


async def _solve(request: Json) -> Json:
    client = rattler.Client.default_client(max_retries=_RETRIES)
    gateway = rattler.Gateway(cache_dir=Path(request["cache"]) / "repodata", client=client)
    platforms = [request["platform"], "noarch"]
    try:
        records = await rattler.solve(
            request["channels"],
            request["specs"],
            gateway=gateway,
            platforms=platforms,
            virtual_packages=[_virtual(name, version) for name, version in request["virtual"].items()],
            channel_priority=rattler.ChannelPriority.Strict,
            add_pip_as_python_dependency=True,
        )
    except SolverError as error:
        missing = await _missing(str(error), request, gateway)
        return {"error": "conflict", "message": str(error), "missing": missing}
    return {"packages": [_as_json(record) for record in records]}


def _virtual(name: str, version: str) -> rattler.GenericVirtualPackage:
    build = version if name == "__archspec" else "0"
    number = "1" if name == "__archspec" else version
    return rattler.GenericVirtualPackage(rattler.PackageName(name), rattler.Version(number), rattler.BuildString(build))


async def _missing(message: str, request: Json, gateway: rattler.Gateway) -> list[Json]:
    """Of the packages without a candidate: near names, versions that there are, platforms that have it."""
    found = []
    platforms = [request["platform"], "noarch"]
    for name in list(dict.fromkeys(_MISSING.findall(message)))[:_MOST_MISSING]:
        result = await gateway.query(request["channels"], platforms, [name], recursive=False)
        versions = {record.version for records in result for record in records}
        told: Json = {"name": name, "versions": [str(version) for version in sorted(versions)]}
        if not versions:
            told["near"] = await _near(name, request["channels"], platforms, gateway)
            told["platforms"] = await _elsewhere(name, request["channels"], gateway)
        found.append(told)
    return found


async def _near(name: str, channels: list[str], platforms: list[str], gateway: rattler.Gateway) -> list[str]:
    names = {found.normalized for found in await gateway.names(channels, [rattler.Subdir(name) for name in platforms])}
    return difflib.get_close_matches(name, sorted(names), n=3)


async def _elsewhere(name: str, channels: list[str], gateway: rattler.Gateway) -> list[str]:
    found = []
    for platform in _OTHER_PLATFORMS:
        try:
            result = await gateway.query(channels, [rattler.Subdir(platform)], [name], recursive=False)
        except GatewayError:
            continue  # a channel need not have every platform
        if any(result):
            found.append(platform)
    return found


def _as_json(record: rattler.RepoDataRecord) -> Json:
    plain = {name: getattr(record, name) for name in _FIELDS}
    noarch = "python" if record.noarch.python else "generic" if record.noarch.generic else None
    return plain | {
        "name": record.name.normalized,
        "version": str(record.version),
        "build": str(record.build),
        "noarch": noarch,
        "sha256": record.sha256.hex() if record.sha256 else "",
        "md5": record.md5.hex() if record.md5 else "",
    }


async def _link(request: Json) -> Json:
    await rattler.install(
        [_as_record(package) for package in request["packages"]],
        request["prefix"],
        cache_dir=Path(request["cache"]) / "pkgs",
        platform=rattler.Subdir(request["platform"]),
        show_progress=False,
        client=rattler.Client.default_client(max_retries=_RETRIES),
        alternative_target_prefix=request["final"],
        execute_link_scripts=False,
        # Its other methods do nothing, which mypy takes for abstract.
        reporter=_PathCheck(Path(request["cache"]) / "pkgs", request["packages"]),  # type: ignore[abstract]
    )
    return {}


class _PathCheck(InstallerReporter):
    """Ends this program before a package is linked that names paths outside the environment, or records of another.

    rattler takes a package's list of files at its word; what a callback raises it would not hear.
    """

    def __init__(self, cache: Path, packages: list[Json]) -> None:
        self._cache = cache
        self._stems = {p["name"]: f"{p['name']}-{p['version']}-{p['build']}" for p in packages}

    def on_link_start(self, operation: int, package_name: str) -> int:
        """Called with the normalised name of a package that lies in the cache."""
        try:
            bad = bad_paths(self._cache, self._stems[package_name])
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            bad = ["its list of files cannot be read"]
        if bad:
            _answer({"error": "paths", "message": f"conda package {package_name} is not to be trusted: {bad[0]}"})
        return 0


def bad_paths(cache: Path, stem: str) -> list[str]:
    """What is wrong with the paths that a package in the cache names; no package of that name is wrong as well."""
    folders = [folder for folder in cache.glob(f"{glob.escape(stem)}*") if (folder / "info").is_dir()]
    if not folders:
        return ["it is not in the cache"]
    return [f"it has a file at {path}" for folder in folders for path in _bad_paths(folder)]


def _bad_paths(folder: Path) -> Iterator[str]:
    is_link = functools.cache(os.path.islink)
    for path, may_be_link in _paths(folder / "info").items():
        above = [str(parent) for parent in PurePosixPath(path).parents if parent != PurePosixPath(".")]
        followed = above if may_be_link else [*above, path]
        # What is no link is copied from the cache: through a link there it would be a file of this machine.
        if not _is_inside(path) or any(is_link(folder / name) for name in followed):
            yield path


def _paths(info: Path) -> dict[str, bool]:
    """Return the paths of a package, and whether each may be a link, which old lists do not say."""
    if (info / "paths.json").exists():
        listed = json.loads((info / "paths.json").read_text(encoding="utf-8"))
        return {entry["_path"]: entry["path_type"] == "softlink" for entry in listed["paths"]}
    return dict.fromkeys((info / "files").read_text(encoding="utf-8").splitlines(), True)


def _is_inside(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    records = parts[0] == "conda-meta" and (len(parts) == 1 or parts[-1].endswith(".json"))
    return bool(parts[0]) and ".." not in parts and ":" not in parts[0] and not records


def _as_record(package: Json) -> rattler.RepoDataRecord:
    record = rattler.PackageRecord(
        package["name"],
        package["version"],
        rattler.BuildString(package["build"]),
        package["build_number"],
        package["subdir"],
        noarch=package["noarch"],
        depends=package["depends"],
        constrains=package["constrains"],
        sha256=bytes.fromhex(package["sha256"]) or None,
        md5=bytes.fromhex(package["md5"]) or None,
        size=package["size"],
        python_site_packages_path=package["python_site_packages_path"],
    )
    return rattler.RepoDataRecord(record, package["file_name"], package["url"], package["channel"])


if __name__ == "__main__":
    main()
