"""Verbs on environments, and the way from a deployment's words to an image."""

from __future__ import annotations

import threading
from pathlib import Path

from emulator.engines import Engine, Image
from emulator.entities import Environment
from emulator.environments import DEFAULT_ENVIRONMENT, ImageSpec, file_beside, image_spec, read_environment
from emulator.errors import BadArgument, ImageBuildFailure, ResourceNotFound
from emulator.names import check_asset_name
from emulator.store import Store
from emulator.store.sources import file_names, read_text
from emulator.workspace.effects import Progress
from emulator.workspace.gate import Gate


class Environments:
    """Registered environments, environment files, and their images."""

    def __init__(self, store: Store, engine: Engine, launcher: str, gate: Gate) -> None:
        self._store = store
        self._engine = engine
        self._launcher = launcher
        self._versions = threading.Lock()
        self._gate = gate

    def create_or_update(self, file: Path) -> Environment:
        """Register the environment that `file` describes; without a version of its own it gets the next one."""
        return self.register(self.read(file))

    def register(self, environment: Environment) -> Environment:
        """Register the environment, or take the one of its name with the same content.

        A version of its own that has other content is refused (BadArgument); without one it gets the next.
        """
        check_asset_name(environment.name, "environment")
        with self._versions:
            known = [e for e in self._store.environments() if e.name == environment.name]
            candidates = [e for e in known if not _has_version(environment) or e.version == environment.version]
            same = next((e for e in candidates if _content(e) == _content(environment)), None)
            if same:
                return same
            if candidates and _has_version(environment):
                message = f"version {environment.version} is registered already with other content"
                hint = "give it another version, or none to register it as the next one"
                raise BadArgument(message, target=f"environment {environment.id}", hint=hint)
            if not _has_version(environment):
                numbers = [int(e.version) for e in known if e.version.isdecimal()]
                environment = environment.model_copy(update={"version": str(max(numbers, default=0) + 1)})
            self._store.put_environment(environment)
            return environment

    def is_registered(self, environment: Environment) -> bool:
        """Whether its name and version are registered, with its very content."""
        found = self._store.find_environment(environment.name, environment.version)
        return found is not None and _content(found) == _content(environment)

    def list_versions(self) -> list[Environment]:
        """Every registered environment."""
        return self._store.environments()

    def get(self, reference: str) -> Environment:
        """`name:version`, `name@latest` or `name`, with or without `azureml:`; ResourceNotFound."""
        text = reference.removeprefix("azureml:").removesuffix("@latest")
        name, _, version = text.partition(":")
        known = [e for e in self._store.environments() if e.name == name]
        found = [e for e in known if version in ("", e.version)]
        if found:
            return found[-1]
        if name == DEFAULT_ENVIRONMENT.name:
            return DEFAULT_ENVIRONMENT
        what = f"; it has: {', '.join(e.version for e in known)}" if known else ""
        hint = "amlemu environment register -f FILE, or give --environment the file itself"
        message = f"no environment '{text}' is registered{what}"
        raise ResourceNotFound(message, target=f"environment {text}", hint=hint)

    def read(self, file: Path) -> Environment:
        """The environment that a file on disk describes."""
        text = read_text(file, "environment file")
        return read_environment(text, file.name, lambda name: read_text(file.parent / name, "file"))

    def of_deployment(self, environment: str | Environment | None, script_folder: Path | None) -> Environment:
        """What a deployment brings or names: an environment, a file, a registered environment; else the file beside the
        script or the default."""
        if isinstance(environment, Environment):
            return environment
        if environment is None:
            name = file_beside(file_names(script_folder)) if script_folder else None
            return self.read(script_folder / name) if script_folder and name else DEFAULT_ENVIRONMENT
        if Path(environment).is_absolute():
            return self.read(Path(environment))
        return self.get(environment)

    def spec(self, environment: Environment) -> ImageSpec:
        """What the environment's image is made of; its `dockerfile` can be printed."""
        return image_spec(environment, self._launcher)

    def build(self, environment: Environment, progress: Progress) -> Image:
        """The environment's image: the one that is there, or a new one, whose log is kept."""
        spec = self.spec(environment)
        if self._store.find_image_environment(spec.digest) is None:  # its image may be another home's
            self._store.put_image_environment(spec.digest, environment)
        found = self._engine.find_image(spec.digest)
        if found:
            return found
        progress.step(f"building the environment from {environment.source or environment.id}")
        return self._build(spec, progress)

    def rebuild(self, digest: str, progress: Progress) -> Image:
        """The image of that digest; when it is gone, one built again from what was deployed."""
        found = self._engine.find_image(digest)
        if found:
            return found
        environment = self._store.find_image_environment(digest)
        if environment is None:
            raise ImageBuildFailure("the image is gone, and what it was built from is not known", hint="deploy again")
        # Built by this version of amlemu it may have another digest.
        return self.build(environment, progress)

    def _build(self, spec: ImageSpec, progress: Progress) -> Image:
        with self._gate.work(), self._store.logs.build(spec.digest) as keep:

            def log(line: str) -> None:
                keep(line)
                progress.log(line)

            return self._engine.build_image(spec, log, progress.canceled)


def _has_version(environment: Environment) -> bool:
    """Whether its author has given it one."""
    return "version" in environment.model_fields_set


def _content(environment: Environment) -> tuple[object, ...]:
    e = environment
    return (
        e.image,
        e.build,
        e.python_version,
        e.requirements,
        e.system_packages,
        tuple(sorted(e.variables.items())),
        e.inference_config,
    )
