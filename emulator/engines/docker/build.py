"""Build an environment's image with BuildKit: base image, context, secrets, labels."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import docker.errors

from emulator.difference import Difference, only_here
from emulator.engines import Image, Log
from emulator.engines.docker.build_caches import CacheIds, cache_ids, read_cache_secret
from emulator.engines.docker.build_log import BuildLog, build_failure
from emulator.engines.docker.cli import RunCommand
from emulator.engines.docker.errors import disk_full, docker_errors
from emulator.engines.docker.pull import RegistryUnreachable, is_stand_in, pull_image
from emulator.engines.packaging.conda import BOOKWORM_GLIBC, OLDEST_GLIBC, CondaLock, link_conda, solve_conda
from emulator.engines.packaging.locked_files import split_lock
from emulator.engines.packaging.python_packages import (
    HostPackaging,
    linux_platform,
    packaging_for,
    wheels_named_by,
)
from emulator.engines.packaging.resolution import Resolve, lock_requirements
from emulator.environments import ENVIRONMENT_FOLDER, ImageSpec
from emulator.environments.build_tools import STORED_WHEELS
from emulator.environments.image_spec import IMPORT_REPORT, dockerfile_with_caches
from emulator.environments.import_check import asked_imports, import_differences
from emulator.environments.system_libraries import system_libraries
from emulator.errors import EmulatorError, EngineUnavailable, ImageBuildFailure
from emulator.secret import credentials_in, mask_credentials
from emulator.system.files import is_disk_full
from emulator.system.package_files import shipped_folder
from emulator.system.removal import remove_tree

LABEL_ENVIRONMENT = "amlemu.environment"
LABEL_BASE_IMAGE = "amlemu.base_image"
LABEL_DIFFERENCES = "amlemu.differences"
# Not amlemu.workspace: containers inherit an image's labels, and what a user runs from it by hand is not ours.
LABEL_BUILT_BY = "amlemu.built_by"

_FOLDERS = "amlemu-build-"
_MAX_FILE_BYTES = 8 << 20


@dataclass(frozen=True)
class DockerHost:
    """What a build needs of the engine: the SDK's client, the CLI and the variables that point it at the same engine.

    `builder` is buildx's name for that engine.  `has_buildx` tells whether the CLI has the plugin; older ones have
    BuildKit themselves.
    """

    client: docker.DockerClient
    run: RunCommand
    variables: Mapping[str, str]
    builder: str
    has_buildx: Callable[[], bool]


@dataclass(frozen=True)
class BaseImage:
    """The image that FROM names, and how it differs from the requested one."""

    name: str
    differences: tuple[Difference, ...] = ()


def image_tag(digest: str) -> str:
    """Return the tag of an environment's image: the first 16 digits of its digest."""
    return f"amlemu/environment:{digest[:16]}"


def build_environment(
    spec: ImageSpec,
    host: DockerHost,
    packaging: HostPackaging,
    workspace_id: str,
    log: Log,
    canceled: threading.Event,
    resolve_isolated: Resolve,
) -> Image:
    """Resolve, provide the base image, build, and tag `amlemu/environment:<digest>`.

    The packages are resolved before anything is built, and but for conda's on an image of the user's own, whose libc
    decides, before anything is pulled: a conflict is told within seconds.
    """
    packaging = packaging_for(packaging, spec.platform, spec.requirements)
    conda = _solve_conda(spec, host, packaging, log, canceled) if spec.conda else None
    beside = conda.beside(spec.requirements) if conda else None
    platform = linux_platform(spec.platform)
    lock = lock_requirements(spec, packaging, log, canceled, resolve_isolated, python_platform=platform, beside=beside)
    split = split_lock(lock.text, spec.python_version, platform, packaging, canceled)
    base = provide_base_image(spec, host, log, canceled)
    caches = _cache_ids(spec, host, base, conda, lock.text, packaging)
    with private_folder() as folder:
        write_context(folder / "context", spec, split.wheels, packaging, split.sources)
        if conda:
            link_conda(conda, folder / "context/conda", ENVIRONMENT_FOLDER, packaging, log, canceled)
        dockerfile = dockerfile_with_caches(spec, caches.wheels, caches.sources if split.sources else None)
        (folder / "Dockerfile").write_text(dockerfile, encoding="utf-8")
        secrets = write_secrets(folder, packaging)
        builder = host.builder if host.has_buildx() else None

        words = (caches.wheels, caches.sources, *credentials_in(spec.requirements))

        def build(differences: tuple[Difference, ...], log: Log) -> None:
            labels = {
                LABEL_ENVIRONMENT: spec.digest,
                LABEL_BASE_IMAGE: mask_credentials(base.name),
                LABEL_DIFFERENCES: mask_credentials(differences_label(differences)),
                LABEL_BUILT_BY: workspace_id,
            }
            args = build_command(spec, base.name, labels, secrets, folder, builder)
            run_build(args, host, packaging, log, canceled, secrets=words)

        differences = (*base.differences, *lock.differences)
        build(differences, log)
        noted = import_differences(read_text_of_image(host.client, image_tag(spec.digest), IMPORT_REPORT), spec.setting)
        if noted:
            # An image's differences are its labels, so it is built again with them; every step is cached.
            build((*differences, *noted), _quiet)
    return found_image(host.client, spec.digest, (*differences, *noted))


def _cache_ids(
    spec: ImageSpec, host: DockerHost, base: BaseImage, conda: CondaLock | None, lock: str, packaging: HostPackaging
) -> CacheIds:
    # Libraries that amlemu itself has chosen run nothing of the user's.
    own = {package for packages in system_libraries(spec.requirements).values() for package in packages}
    with docker_errors(f"image {base.name}"):
        base_id = str(host.client.images.get(base.name).id)
    return cache_ids(
        read_cache_secret(packaging.build_caches),
        base_id,
        [package for package in spec.system_packages if package not in own],
        conda.text if conda else "",
        spec.digest,
        lock,
    )


def differences_label(differences: Iterable[Difference]) -> str:
    """Return the value of an image's label that holds its differences."""
    return json.dumps([difference.to_document() for difference in differences])


def found_image(client: docker.DockerClient, digest: str, differences: tuple[Difference, ...]) -> Image:
    """Return the image that was just built for that digest."""
    tag = image_tag(digest)
    with docker_errors(f"image {tag}"):
        return Image(digest, tag, differences, pinned=str(client.images.get(tag).id))


def _quiet(_line: str) -> None:
    """Discard progress: the steps were shown by the first build."""


def _solve_conda(
    spec: ImageSpec, host: DockerHost, packaging: HostPackaging, log: Log, canceled: threading.Event
) -> CondaLock:
    glibc = BOOKWORM_GLIBC
    if not spec.stands_for_the_clouds:
        base = provide_base_image(spec, host, log, canceled)
        glibc = glibc_of_image(host.client, base.name)
    assert spec.conda is not None
    return solve_conda(spec.conda, spec.requirements, glibc, packaging, log, canceled)


def provide_base_image(spec: ImageSpec, host: DockerHost, log: Log, canceled: threading.Event) -> BaseImage:
    """Return the image for FROM: local, pulled, or the local stand-in when no registry answers.

    Raises ImageBuildFailure when a registry answers that the image which the user named cannot be had.
    """
    if is_local(host.client, spec.base_image, spec.platform) and not is_stand_in(host.client, spec.base_image):
        return BaseImage(spec.base_image)
    log(f"pulling {spec.base_image}")
    try:
        pull_image(spec.base_image, host.run, host.variables, log, canceled, platform=spec.platform)
        return BaseImage(spec.base_image)
    except RegistryUnreachable as error:
        reason = str(error)
    except ImageBuildFailure as error:
        if not spec.stands_for_the_clouds:
            raise  # the user chose this name
        reason = error.message
    if not is_local(host.client, spec.stand_in, spec.platform):
        raise EngineUnavailable(
            f"base image {spec.base_image} is not here and could not be pulled: {reason}",
            target=f"image {spec.base_image}",
            hint=f"pull it while a registry answers, or make a local stand-in: amlemu images {spec.python_version}"
            " (in a clone: make images)",
        )
    text = f"base image {spec.base_image} could not be pulled: {spec.stand_in} (a local stand-in) was used"
    log(text)
    return BaseImage(spec.stand_in, (only_here("image.stand_in", text),))


def is_local(client: docker.DockerClient, name: str, platform: str | None = None) -> bool:
    """Return whether the engine has that image, for that platform (None: any)."""
    with docker_errors(f"image {name}"):
        try:
            image = client.images.get(name)
        except docker.errors.ImageNotFound:
            return False
        return platform is None or is_for_platform(image.attrs, platform)


def is_for_platform(attributes: Mapping[str, object], platform: str) -> bool:
    """Return whether what `docker image inspect` says is that platform; a variant counts only where both name one.

    >>> is_for_platform({"Os": "linux", "Architecture": "arm64", "Variant": "v8"}, "linux/arm64")
    True
    """
    own = [str(attributes.get(key) or "") for key in ("Os", "Architecture", "Variant")]
    wanted = [*platform.split("/"), ""][:3]
    return own[:2] == wanted[:2] and (not own[2] or not wanted[2] or own[2] == wanted[2])


@contextmanager
def private_folder() -> Iterator[Path]:
    """Provide a temporary folder with mode 0700; raise OutOfQuota when the disk is full."""
    folder = Path(tempfile.mkdtemp(prefix=_FOLDERS))
    try:
        yield folder
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(str(error)) from error
        raise
    finally:
        remove_tree(folder, ignore_errors=True)


def leftover_folders(home: Path) -> list[Path]:
    """Return the folders of killed builds, if the home has its own temporary folder and nothing is being built."""
    temporary = Path(tempfile.gettempdir())
    return sorted(temporary.glob(f"{_FOLDERS}*")) if temporary.is_relative_to(home) else []


def write_context(context: Path, spec: ImageSpec, lock: str, packaging: HostPackaging, sources: str = "") -> None:
    """The build context: the spec's files, and `packages/` with the locks, uv, our programs, wheels of local folders.

    The Dockerfile and the launcher stay outside `packages/`: the installing step is cached by that folder's content.
    """
    packages = context / "packages"
    (packages / "wheels").mkdir(parents=True)
    for name, content in spec.files.items():
        (context / name).write_bytes(content)
    (packages / "requirements.lock").write_text(lock, encoding="utf-8")
    if sources:
        (packages / "sources.lock").write_text(sources, encoding="utf-8")
        (packages / "setuptools.cfg").write_text(STORED_WHEELS, encoding="utf-8")
    (packages / "imports.json").write_bytes(asked_imports(spec, ENVIRONMENT_FOLDER, lock + sources))
    for program in ("compile.py", "check_imports.py"):
        shutil.copyfile(shipped_folder("images/scoring") / program, packages / program)
    if packaging.uv_for_linux is not None:
        link_or_copy(packaging.uv_for_linux, packages / "uv")
    for wheel in wheels_named_by(lock + sources, packaging):
        link_or_copy(wheel, packages / "wheels" / wheel.name)


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link `source` to `target`, or copy it when they are on different file systems."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copy2(source, target)


def write_secrets(folder: Path, packaging: HostPackaging) -> dict[str, Path]:
    """Files for BuildKit's secret mounts by id: the variables as shell text, and the CA bundle."""
    secrets: dict[str, Path] = {}
    if packaging.build_variables:
        text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in packaging.build_variables.items())
        secrets["packaging"] = folder / "packaging"
        descriptor = os.open(secrets["packaging"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    if packaging.ca_bundle is not None:
        secrets["ca"] = packaging.ca_bundle
    return secrets


def build_command(
    spec: ImageSpec,
    base_image: str,
    labels: Mapping[str, str],
    secrets: Mapping[str, Path],
    folder: Path,
    builder: str | None,
) -> list[str]:
    """The docker command of a build whose Dockerfile and `context` lie in `folder`; `builder` None is without buildx.

    The builder is named because the user's own choice may be another one, which does not see the engine's images.
    """
    args = [*build_options(spec.digest, labels, secrets, builder, spec.platform), f"--iidfile={folder / 'iid'}"]
    args += [f"--file={folder / 'Dockerfile'}", f"--build-arg=BASE_IMAGE={base_image}"]
    return [*args, str(folder / "context")]


def build_options(
    digest: str, labels: Mapping[str, str], secrets: Mapping[str, Path], builder: str | None, platform: str | None
) -> list[str]:
    """The beginning of every build's command: the image is tagged for `digest`, and what it says is plain text."""
    args = ["docker", "buildx", "build", f"--builder={builder}", "--load"] if builder else ["docker", "build"]
    args += ["--progress=plain", f"--tag={image_tag(digest)}", *([f"--platform={platform}"] if platform else [])]
    args += [f"--label={name}={value}" for name, value in labels.items()]
    return args + [f"--secret=id={name},src={path}" for name, path in secrets.items()]


def run_build(
    args: list[str],
    host: DockerHost,
    packaging: HostPackaging,
    log: Log,
    canceled: threading.Event,
    *,
    variables: Mapping[str, str] | None = None,
    secrets: Iterable[str] = (),
    on_line: Log = lambda _line: None,
) -> None:
    """Run a build to its end, with `variables` beside its own; raises what its log tells of when it fails.

    `secrets` are words that its log must not show.  `on_line` gets each line as Docker prints it, with secrets.
    """
    build_log = BuildLog(log, packaging.build_variables.values(), secrets)

    def write(line: str) -> None:
        on_line(line)
        build_log.write(line)

    own = {"DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    code = host.run(args, {**host.variables, **(variables or {}), **own}, write, canceled)
    if code != 0:
        failure: EmulatorError = build_failure(build_log.lines)
        raise failure


def read_text_of_image(client: docker.DockerClient, image: str, path: str) -> str:
    """Return the text of a file in an image, or '' if it does not exist, without starting a container."""
    with docker_errors(f"image {image}"):
        container = client.containers.create(image)
        try:
            blocks, told = container.get_archive(path)
            # Code of packages could have made the file huge, or a link, which the archive keeps as a link.
            if told is None or told["size"] > _MAX_FILE_BYTES:
                return ""
            with tarfile.open(fileobj=io.BytesIO(b"".join(blocks))) as archive:
                member = archive.getmembers()[0]
                file = archive.extractfile(member) if member.isfile() else None
                return file.read().decode("utf-8", "replace") if file else ""
        except docker.errors.NotFound:
            return ""
        finally:
            container.remove(force=True, v=True)


def glibc_of_image(client: docker.DockerClient, image: str) -> str:
    """Return the glibc version of an image, such as 2.35, or an old version if the image cannot tell."""
    with contextlib.suppress(docker.errors.DockerException):
        said = client.containers.run(
            image, ["GNU_LIBC_VERSION"], entrypoint="getconf", remove=True, network_mode="none"
        )
        if found := re.search(rb"glibc (\d+\.\d+)", said):
            return found[1].decode()
    return OLDEST_GLIBC
