"""Build an image from the user's Dockerfile and build context with BuildKit."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from emulator.engines import Image, Log
from emulator.engines.docker.build import (
    LABEL_BUILT_BY,
    LABEL_DIFFERENCES,
    LABEL_ENVIRONMENT,
    DockerHost,
    build_options,
    differences_label,
    found_image,
    private_folder,
    run_build,
    write_secrets,
)
from emulator.engines.docker.existing_image import image_unavailable
from emulator.engines.docker.pull import RegistryUnreachable, pull_failure, stand_in_differences
from emulator.engines.packaging.python_packages import HostPackaging
from emulator.environments import BuildContextSpec
from emulator.errors import EmulatorError
from emulator.secret import mask_credentials

# The second is what a line `# syntax=…` at the top of a Dockerfile asks for.
_LOOKED_UP = re.compile(
    r"#(?P<step>\d+) (?:\[internal\] load metadata for|resolve image config for) (?:docker-image://)?"
    r"(?:docker\.io/(?:library/)?)?(?P<name>\S+)"
)
_FAILED = re.compile(r"#(?P<step>\d+) ERROR: (?P<reason>.*)")


def build_from_context(
    spec: BuildContextSpec,
    host: DockerHost,
    packaging: HostPackaging,
    workspace_id: str,
    log: Log,
    canceled: threading.Event,
) -> Image:
    """Build the Dockerfile in its folder, and tag `amlemu/environment:<digest>`.

    Proxies are offered as Docker's own build arguments, which leave no trace in the image; index URLs and the CA
    bundle as the secrets `packaging` and `ca`, for steps that mount them.  Raises ImageBuildFailure, and
    EngineUnavailable when FROM names an image that is not here and no registry answers.
    """
    differences = stand_in_differences(host.client, spec.dockerfile)
    labels = {
        LABEL_ENVIRONMENT: spec.digest,
        LABEL_DIFFERENCES: differences_label(differences),
        LABEL_BUILT_BY: workspace_id,
    }
    proxies = {name: value for name, value in packaging.build_variables.items() if name.upper().endswith("_PROXY")}
    with private_folder() as folder:
        secrets = write_secrets(folder, packaging)
        builder = host.builder if host.has_buildx() else None
        args = context_command(spec, _dockerfile(spec, folder), labels, secrets, sorted(proxies), builder)
        lines: list[str] = []
        try:
            run_build(args, host, packaging, log, canceled, variables=proxies, on_line=lines.append)
        except EmulatorError as error:
            raise base_image_failure(lines) or error from error
    return found_image(host.client, spec.digest, differences)


def context_command(
    spec: BuildContextSpec,
    dockerfile: Path,
    labels: Mapping[str, str],
    secrets: Mapping[str, Path],
    build_args: Sequence[str],
    builder: str | None,
) -> list[str]:
    """Return the docker command; `build_args` are names, whose values the command takes from its own variables."""
    args = build_options(spec.digest, labels, secrets, builder, spec.platform)
    args += [f"--file={dockerfile}", *(f"--build-arg={name}" for name in build_args)]
    return [*args, spec.context]


def _dockerfile(spec: BuildContextSpec, folder: Path) -> Path:
    """The Dockerfile itself, or a copy with other base images in it, and beside it the ignore file that is its own."""
    own = Path(spec.context, spec.dockerfile_path)
    if not spec.substituted:
        return own
    copy = folder / own.name
    copy.write_text(spec.dockerfile, encoding="utf-8")
    ignore_file = own.with_name(f"{own.name}.dockerignore")
    if ignore_file.is_file():
        shutil.copyfile(ignore_file, copy.with_name(ignore_file.name))
    return copy


def base_image_failure(lines: Sequence[str]) -> EmulatorError | None:
    """The error of a build whose base image could not be had, as these lines of BuildKit tell; None for any other."""
    looked_up = {found["step"]: found["name"] for found in map(_LOOKED_UP.match, lines) if found}
    for failed in filter(None, map(_FAILED.match, lines)):
        name = looked_up.get(failed["step"])
        if name:
            reason = pull_failure(name, mask_credentials(failed["reason"]))
            return image_unavailable(name, str(reason)) if isinstance(reason, RegistryUnreachable) else reason
    return None
