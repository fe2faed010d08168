"""Verbs on environments, and how a deployment's environment becomes an image."""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from emulator.difference import Difference, differs
from emulator.engines import Image
from emulator.entities import Environment, is_arm_id, not_found, parse_reference
from emulator.environments import (
    CURATED_REGISTRY,
    DEFAULT_ENVIRONMENT,
    FOLDERS_NEARBY,
    AnyImageSpec,
    ExistingImageSpec,
    channel_urls,
    curated_environment,
    file_beside,
    find_curated,
    from_pypi,
    prebuilt_stand_in,
    read_environment,
    select_spec,
    with_files_nearby,
)
from emulator.errors import (
    BadArgument,
    BadDocument,
    DamagedDocument,
    EmulatorError,
    EngineUnavailable,
    ImageBuildFailure,
)
from emulator.names import LATEST, check_version
from emulator.secret import MASK, Secret, mask_credentials, revealed
from emulator.store.build_contexts import read_context
from emulator.store.sources import file_names
from emulator.workspace.core import Core
from emulator.workspace.effects import CondaSources, Progress


class Environments:
    """Registered environments, curated ones, environment files, and their images."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._versions = threading.Lock()

    def register(self, environment: Environment) -> Environment:
        """Register the environment, or return the registered one of its name with the same content.

        Without a version it gets the next.  Raises BadArgument for a registered version with other content.
        """
        environment.check_name()
        if environment.version == LATEST:
            check_version(environment.version)
        if environment.build:
            kept = self._core.store.keep_build_context(environment.build)
            environment = environment.model_copy(update={"build": kept})
        self.spec(environment)  # raises for one that cannot be built
        with self._versions:
            known = [e for e in self._core.store.environments() if e.name == environment.name]
            candidates = [e for e in known if not _has_version(environment) or e.version == environment.version]
            same = next((e for e in candidates if _registered(e) == _registered(environment)), None)
            if same:
                return same
            if _has_version(environment):  # raises for a damaged document, which is not replaced
                self._core.store.find_environment(environment.name, environment.version)
            if candidates and _has_version(environment):
                message = f"version {environment.version} is registered already with other content"
                hint = "give it another version, or none to register it as the next one"
                raise BadArgument(message, target=f"environment {environment.id}", hint=hint)
            if not _has_version(environment):
                versions = self._core.store.environment_versions(environment.name)
                numbers = [int(version) for version in versions if version.isdecimal()]
                environment = environment.model_copy(update={"version": str(max(numbers, default=0) + 1)})
            self._core.store.put_environment(environment)
            return environment

    def find_registered(self, built: Environment, name: str, version: str) -> Environment | None:
        """Return the registered environment of which `built` is the build, from channels or from PyPI."""
        found = self._core.store.find_environment(name, version)
        if found is None or _content(found) == _content(built):
            return found
        with suppress(BadDocument):
            return found if _content(from_pypi(found)) == _content(built) else None
        return None

    def list_versions(self) -> list[Environment]:
        """Every registered environment."""
        return self._core.store.environments()

    def list_curated(self) -> list[Environment]:
        """Return every curated environment as it is built here, also where a registered one has its name."""
        return [curated_environment(curated) for curated in self._core.config.curated]

    def get(self, reference: str) -> Environment:
        """Return the environment that a reference names: registered, built-in, or curated of any version.

        ResourceNotFound names the existing versions, or the nearest name.
        """
        wanted = parse_reference(reference, "environment")
        known = [e for e in self._core.store.environments() if e.name == wanted.name]
        found = [e for e in known if wanted.version in (None, e.version)]
        for version in self._core.store.environment_versions(wanted.name):
            if wanted.version in (None, version):  # raises for a damaged document: no other version may stand in
                self._core.store.find_environment(wanted.name, version)
        if found:
            differences = (*found[-1].differences, *wanted.differences)
            return found[-1].model_copy(update={"differences": differences})
        if wanted.name == DEFAULT_ENVIRONMENT.name and not wanted.registry:
            return DEFAULT_ENVIRONMENT
        curated = find_curated(wanted.name, self._core.config.curated)
        if curated and not known and wanted.registry in ("", CURATED_REGISTRY):
            return curated_environment(curated, wanted.version)
        names = {e.name for e in self._core.store.environments()} | {
            curated.name for curated in self._core.config.curated
        }
        register = (
            "amlemu environment register -f FILE, or give --environment the file itself;"
            " amlemu environment list --curated names the curated ones"
        )
        raise not_found(wanted, [e.version for e in known], names, register)

    def read(self, file: Path) -> Environment:
        """Return the environment that a file describes."""
        reach = self._core.store.reach(file.parent)
        text = reach.read(file.name, "environment file")
        return read_environment(text, file.name, reach.read, str(file.parent.absolute()), reach.find)

    def of_deployment(self, environment: str | Environment | None, script_folder: Path | None) -> Environment:
        """Return a deployment's environment: its own, a file's, a registered one, else that of the file beside the
        script or the default."""
        if isinstance(environment, Environment):
            return environment
        if environment is None:
            return self._beside(script_folder) if script_folder else DEFAULT_ENVIRONMENT
        if Path(environment).is_absolute() and not is_arm_id(environment):
            return self.read(Path(environment))
        return self.get(environment)

    def _beside(self, script_folder: Path) -> Environment:
        """Return the environment of the file beside the script, else the default with notes on unused files nearby."""
        reach = self._core.store.reach(script_folder)
        name = file_beside(file_names(reach.find(".")))
        if name:
            return self.read(script_folder / name)
        nearby: list[str] = []
        for folder in FOLDERS_NEARBY:
            with suppress(EmulatorError):  # no such folder, or out of this document's reach
                nearby += [posixpath.join(folder, file) for file in file_names(reach.find(folder or "."))]
        return with_files_nearby(DEFAULT_ENVIRONMENT, nearby)

    def decided(self, environment: Environment, conda: str | None = None) -> Environment:
        """Return the environment as it will be built; `conda` overrides where its conda packages come from.

        Unless the image is built, checks for up to two seconds whether the channels respond.  Raises BadDocument.
        """
        return _resolve_conda_source(environment, self._core.config.conda, conda, self._is_built)

    def shown(self, environment: Environment, conda: str | None = None) -> Environment:
        """Return the same as `decided`, without a network check."""
        return _resolve_conda_source_offline(environment, conda or self._core.config.conda.choice, self._is_built)

    def _is_built(self, environment: Environment) -> bool:
        return self._core.engine.find_image(self.spec(environment).digest) is not None

    def spec(self, environment: Environment) -> AnyImageSpec:
        """Return the specification of the environment's image."""
        return self._spec(environment)[0]

    def digest_and_dockerfile(self, environment: Environment, *, reveal: bool) -> tuple[str, str]:
        """Return the digest and the Dockerfile of the environment's image; `reveal` keeps the secrets in it."""
        spec = self.spec(environment)
        if reveal:
            return spec.digest, spec.dockerfile
        masked = dict.fromkeys(environment.variables, Secret(MASK))
        shown = self.spec(environment.model_copy(update={"variables": masked})) if masked else spec
        return spec.digest, mask_credentials(shown.dockerfile)

    def digests(self) -> set[str]:
        """Return the digests of all images that registered environments may be built as.

        An environment whose build context was removed has none.
        """
        found = set()
        for environment in self.list_versions():
            with suppress(BadArgument):
                found |= {
                    self.spec(_resolve_conda_source_offline(environment, choice, lambda _: False)).digest
                    for choice in ("channels", "pip")
                }
        return found

    def _spec(self, environment: Environment) -> tuple[AnyImageSpec, tuple[Difference, ...]]:
        choices = self._core.config
        return select_spec(
            environment,
            choices.launcher,
            choices.images,
            read_context,
            choices.mlflow_script,
            choices.conda.mirrors,
        )

    def build(self, environment: Environment, progress: Progress) -> Image:
        """Return the environment's image, built if it does not exist; the build log is kept."""
        spec, told = self._spec(environment)
        for difference in environment.differences:
            if difference.text.startswith(f"{environment.source}:"):  # of its file
                progress.log(difference.text)
        if isinstance(spec, ExistingImageSpec):
            image = self._find_own(environment, spec, progress)
        else:
            image = self._find_or_build(environment, spec, progress)
        return replace(image, differences=(*told, *image.differences))

    def _find_or_build(self, environment: Environment, spec: AnyImageSpec, progress: Progress) -> Image:
        image = self._core.engine.find_image(spec.digest)
        with suppress(DamagedDocument):  # the image can be built without it
            if self._core.store.find_image_environment(spec.digest) is None:  # the image may be another home's
                self._core.store.put_image_environment(spec.digest, environment)
        if image is None:
            progress.step(f"building the environment from {environment.source or environment.id}")
            image = self._build(spec, progress)
        return replace(image, own_command=environment.runs_own_command)

    def _find_own(self, environment: Environment, spec: ExistingImageSpec, progress: Progress) -> Image:
        """Return the image of that name, or the substitute for a prebuilt image that cannot be pulled."""
        progress.step(f"image: {spec.name}")
        try:
            image = self._build(spec, progress)
        except EngineUnavailable as error:
            stand_in = prebuilt_stand_in(environment, self._core.config.curated)
            if stand_in is None:
                raise
            packages = ", ".join(stand_in.requirements)
            told = f"Python {stand_in.python_version} with {packages} stands for it: {error.message}"
            image = self.build(stand_in, progress)
            not_used = differs("image.prebuilt_not_used", f"image {environment.image} is not used. {told}")
            return replace(image, differences=(not_used, *image.differences))
        # Pinned by digest, so that a later pull gets the same image.
        pinned = image.pinned if "@" in image.pinned else spec.name
        self._core.store.put_image_environment(image.digest, environment.model_copy(update={"image": pinned}))
        return replace(image, own_command=True)

    def rebuild(self, digest: str, progress: Progress) -> Image:
        """Return the image of that digest, rebuilt from what was deployed when it is gone."""
        found = self._core.engine.find_image(digest)
        if found:
            return found
        environment = self._core.store.find_image_environment(digest)
        if environment is None:
            raise ImageBuildFailure("the image is gone, and what it was built from is not known", hint="deploy again")
        # Built by this version of amlemu it may have another digest.
        return self.build(environment, progress)

    def _build(self, spec: AnyImageSpec, progress: Progress) -> Image:
        with self._core.prune_lock.work(), self._core.store.logs.build(spec.digest) as keep:

            def log(line: str) -> None:
                line = mask_credentials(line)
                keep(line)
                progress.log(line)

            return self._core.engine.build_image(spec, log, progress.canceled)


def _has_version(environment: Environment) -> bool:
    """Return whether its author has given it a version."""
    return "version" in environment.model_fields_set


def _registered(environment: Environment) -> tuple[object, ...]:
    """Return the values in which two equal registered versions agree."""
    return (*_content(environment), environment.platform, environment.no_code)


def _content(environment: Environment) -> tuple[object, ...]:
    e = environment
    return (
        e.image,
        e.build,
        e.python_version,
        e.requirements,
        e.system_packages,
        e.channels,
        e.conda_dependencies,
        tuple(sorted(revealed(e.variables).items())),
        e.inference_config,
    )


def _resolve_conda_source(
    environment: Environment, sources: CondaSources, choice: str | None, is_built: Callable[[Environment], bool]
) -> Environment:
    """Return the environment as it will be built: with its conda packages, or with PyPI's equivalents.

    `choice` overrides that of `sources`.  An image that is already built is reused without a network check, so a PyPI
    fallback stays in use until `channels` is asked for.  Raises BadDocument for what pip cannot express.
    """
    choice = choice or sources.choice
    if choice == "channels" or not environment.conda_dependencies or (choice == "auto" and is_built(environment)):
        return environment
    if choice == "pip":
        return from_pypi(environment, "as was asked for")
    # Whether PyPI can stand in is not known yet, and where channels answer it need not.
    built = _stand_in(environment)
    if built and is_built(built):
        return built
    why = sources.unreachable(channel_urls(environment.channels, sources.mirrors))
    return from_pypi(environment, f"the channels cannot be reached: {why}") if why else environment


def _resolve_conda_source_offline(
    environment: Environment, choice: str, is_built: Callable[[Environment], bool]
) -> Environment:
    """Return the same without a network check: an environment that is not built is shown with its channels."""
    if choice == "channels" or not environment.conda_dependencies or is_built(environment):
        return environment
    stand_in = _stand_in(environment)
    return stand_in if stand_in and (choice == "pip" or is_built(stand_in)) else environment


def _stand_in(environment: Environment) -> Environment | None:
    try:
        return from_pypi(environment)
    except BadDocument:
        return None
