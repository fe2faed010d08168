"""Verbs on environments, and the way from a deployment's words to an image."""

from __future__ import annotations

import threading
from pathlib import Path

from emulator.engines import Engine, Image
from emulator.entities import Environment
from emulator.environments import DEFAULT_ENVIRONMENT, ImageSpec, file_beside, image_spec, read_environment
from emulator.errors import ImageBuildFailure, ResourceNotFound
from emulator.names import check_asset_name
from emulator.store import Store
from emulator.store.sources import file_names, read_text
from emulator.workspace.conda_sources import CondaSources, decide, decided_offline
from emulator.workspace.effects import Progress
from emulator.workspace.gate import Gate


class Environments:
    """Registered environments, environment files, and their images."""

    def __init__(self, store: Store, engine: Engine, launcher: str, gate: Gate, conda: CondaSources) -> None:
        self._store = store
        self._engine = engine
        self._launcher = launcher
        self._versions = threading.Lock()
        self._gate = gate
        self._conda = conda

    def create_or_update(self, file: Path) -> Environment:
        """Register the environment that `file` describes; without a version of its own it gets the next one."""
        environment = self.read(file)
        check_asset_name(environment.name, "environment")
        with self._versions:
            known = [e for e in self._store.environments() if e.name == environment.name]
            same = next((e for e in known if _content(e) == _content(environment)), None)
            if same:
                return same
            if any(e.version == environment.version for e in known):
                numbers = [int(e.version) for e in known if e.version.isdecimal()]
                environment = environment.model_copy(update={"version": str(max(numbers, default=0) + 1)})
            self._store.put_environment(environment)
            return environment

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

    def of_deployment(self, environment: str | None, script_folder: Path) -> Environment:
        """What a deployment names: a file, a registered environment; else the file beside the script or the default."""
        if environment is None:
            name = file_beside(file_names(script_folder))
            return self.read(script_folder / name) if name else DEFAULT_ENVIRONMENT
        if Path(environment).is_absolute():
            return self.read(Path(environment))
        return self.get(environment)

    def decided(self, environment: Environment, conda: str | None = None) -> Environment:
        """The environment as it will be built: `conda` says where its conda packages come from, None as is set.

        Asks channels whether they answer, for two seconds at most, unless it is built.  Raises BadDocument.
        """
        return decide(environment, self._conda, conda, self._is_built)

    def shown(self, environment: Environment) -> Environment:
        """As `decided`, as far as is known without asking anybody."""
        return decided_offline(environment, self._conda.choice, self._is_built)

    def _is_built(self, environment: Environment) -> bool:
        return self._engine.find_image(self.spec(environment).digest) is not None

    def digests(self, environment: Environment) -> list[str]:
        """Of every image that the environment may be built as."""
        choices = [decided_offline(environment, choice, lambda _: False) for choice in ("channels", "pip")]
        return [self.spec(choice).digest for choice in choices]

    def spec(self, environment: Environment) -> ImageSpec:
        """What the environment's image is made of; its `dockerfile` can be printed."""
        return image_spec(environment, self._launcher, self._conda.mirrors)

    def build(self, environment: Environment, progress: Progress) -> Image:
        """The environment's image: the one that is there, or a new one, whose log is kept."""
        spec = self.spec(environment)
        found = self._engine.find_image(spec.digest)
        if found:
            return found
        progress.step(f"building the environment from {environment.source or environment.id}")
        self._store.put_image_environment(spec.digest, environment)
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


def _content(environment: Environment) -> tuple[object, ...]:
    e = environment
    packages = (e.requirements, e.system_packages, e.channels, e.conda_dependencies)
    return (e.image, e.python_version, *packages, tuple(sorted(e.variables.items())))
