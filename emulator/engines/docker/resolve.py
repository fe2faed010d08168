"""Resolve requirements in a separate build, for packages that state their dependencies only when their code runs.

The code runs as it does when an image is built: in a BuildKit container, with the indexes, proxies and certificates of
builds, and without the emulator's socket, home and variables.  It is not root and shares no cache; only uv's exit code
and output are copied out.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from emulator.engines import Log
from emulator.engines.docker.build import (
    DockerHost,
    link_or_copy,
    private_folder,
    provide_base_image,
    run_build,
    write_secrets,
)
from emulator.engines.packaging.python_packages import HostPackaging, local_wheels_of, packaging_for
from emulator.engines.packaging.resolution import Resolve, write_files
from emulator.engines.packaging.untrusted_files import read_untrusted
from emulator.environments import ImageSpec
from emulator.environments.build_tools import INSTALL_BUILD_TOOLS, LACKS_BUILD_TOOLS, missing_tool
from emulator.environments.image_spec import SETTINGS
from emulator.errors import ImageBuildFailure
from emulator.secret import credentials_in, without_words

_ANSWER = ("code", "stdout", "stderr")

_DOCKERFILE = f"""\
ARG AMLEMU_STAGE
ARG BASE_IMAGE
FROM ${{BASE_IMAGE}} AS plain
FROM plain AS with_tools
USER 0:0
RUN --mount=type=secret,id=packaging,target=/run/amlemu/packaging \\
    --mount=type=secret,id=ca,target=/run/amlemu/ca.pem \\
    {SETTINGS} \\
    && if {LACKS_BUILD_TOOLS}; then {INSTALL_BUILD_TOOLS}; fi
FROM ${{AMLEMU_STAGE}} AS resolver
USER 1000:1000
# Never cached, because indexes change; the tools above are.
ARG AMLEMU_QUESTION
RUN --mount=type=bind,source=packages,target=/run/amlemu/packages \\
    --mount=type=secret,id=packaging,target=/run/amlemu/packaging,uid=1000 \\
    --mount=type=secret,id=ca,target=/run/amlemu/ca.pem,uid=1000 \\
    {SETTINGS} \\
    && . /run/amlemu/packages/resolve.sh
FROM scratch
COPY --from=resolver {" ".join(f"/tmp/amlemu/{name}" for name in _ANSWER)} /
"""  # noqa: S108 - of the container

_SCRIPT = """\
mkdir /tmp/amlemu && cp -r /run/amlemu/packages/asked /tmp/amlemu/asked && cd /tmp/amlemu/asked || exit 1
export HOME=/tmp/amlemu TMPDIR=/tmp UV_CACHE_DIR=/tmp/amlemu/cache UV_PYTHON_INSTALL_DIR=/tmp/amlemu/pythons \\
    UV_NO_CONFIG=1 UV_NO_PROGRESS=1 UV_FIND_LINKS=/run/amlemu/packages/wheels
uv=/run/amlemu/packages/uv
if [ ! -x $uv ]; then
    PIP_INDEX_URL="${{UV_DEFAULT_INDEX:-${{UV_INDEX_URL:-https://pypi.org/simple}}}}" \\
        python3 -m pip install --quiet --no-cache-dir --target /tmp/amlemu/uv uv || exit 1
    uv=/tmp/amlemu/uv/bin/uv
fi
$uv {words} > ../stdout 2> ../stderr
echo $? > ../code
"""


def resolve_in_build(
    spec: ImageSpec, host: DockerHost, packaging: HostPackaging, log: Log, canceled: threading.Event
) -> Resolve:
    """A Resolve for the image's environment, on its base image; see `build_environment` for the errors."""
    packaging = packaging_for(packaging, spec.platform, spec.requirements)

    def resolve(words: Sequence[str], files: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        base = provide_base_image(spec, host, log, canceled)
        asked = "\n".join(files.values())
        first = _ask(words, files, base.name, with_tools=spec.stands_for_the_clouds and "git+" in asked)
        if first.returncode == 0 or not spec.stands_for_the_clouds or not missing_tool(first.stderr):
            return first
        return _ask(words, files, base.name, with_tools=True)

    def _ask(
        words: Sequence[str], files: Mapping[str, str], base_image: str, *, with_tools: bool
    ) -> subprocess.CompletedProcess[str]:
        with private_folder() as folder:
            _write_context(folder / "context/packages", spec, words, files, packaging)
            (folder / "Dockerfile").write_text(_DOCKERFILE, encoding="utf-8")
            secrets = write_secrets(folder, packaging)
            builder = host.builder if host.has_buildx() else None
            args = resolve_command(spec, base_image, secrets, folder, builder, with_tools=with_tools)
            run_build(args, host, packaging, _quiet, canceled, secrets=credentials_in(spec.requirements))
            return _read_answer(folder / "answer", words, packaging, spec.requirements)

    return resolve


def _write_context(
    packages: Path, spec: ImageSpec, words: Sequence[str], files: Mapping[str, str], packaging: HostPackaging
) -> None:
    (packages / "wheels").mkdir(parents=True)
    write_files(packages / "asked", files)
    (packages / "resolve.sh").write_text(_SCRIPT.format(words=shlex.join(words)), encoding="utf-8")
    if packaging.uv_for_linux is not None:
        link_or_copy(packaging.uv_for_linux, packages / "uv")
    for wheel in local_wheels_of(spec.requirements, packaging):
        link_or_copy(wheel, packages / "wheels" / wheel.name)


def resolve_command(
    spec: ImageSpec,
    base_image: str,
    secrets: Mapping[str, Path],
    folder: Path,
    builder: str | None,
    *,
    with_tools: bool,
) -> list[str]:
    """The docker command, whose result is the folder `answer`, on an image with a compiler and git or without."""
    args = ["docker", "buildx", "build", f"--builder={builder}"] if builder else ["docker", "build"]
    args += ["--progress=plain", f"--output=type=local,dest={folder / 'answer'}"]
    args += [f"--platform={spec.platform}"] if spec.platform else []
    args += [f"--secret=id={name},src={path}" for name, path in secrets.items()]
    args += [f"--file={folder / 'Dockerfile'}", f"--build-arg=BASE_IMAGE={base_image}"]
    args += [f"--build-arg=AMLEMU_STAGE={'with_tools' if with_tools else 'plain'}"]
    return [*args, f"--build-arg=AMLEMU_QUESTION={folder.name}", str(folder / "context")]


def _read_answer(
    folder: Path, words: Sequence[str], packaging: HostPackaging, requirements: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    code, out, err = (read_untrusted(folder / name) for name in _ANSWER)
    if code is None or out is None or err is None:
        message = "the requirements could not be resolved: a package removed the resolver's output"
        raise ImageBuildFailure(message)
    secrets = credentials_in([*packaging.build_variables.values(), *requirements])
    number = int(code) if re.fullmatch(r"[0-9]{1,3}\n", code) else 1
    return subprocess.CompletedProcess(list(words), number, out, without_words(err, secrets))


def _quiet(_line: str) -> None:
    """Discard progress: the build's output is part of its answer."""
