"""Run scoring containers without Docker: virtual environments and processes of this machine.

What a container gives and this machine can give too (files, user, processes of its own) is given through namespaces,
see `process_isolation`; what is missing is a difference of the container.  Containers outlive the emulator; any later
engine on the same folder finds them again.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path, PurePosixPath

from emulator.containers.size import DEFAULT_LIMITS, DefaultLimits
from emulator.containers.spec import APP_ROOT, LABEL_WORKSPACE, ContainerSpec
from emulator.containers.usage import Machine, Usage
from emulator.engines import Container, Image, Log
from emulator.engines.packaging.python_packages import HostPackaging, linux_platform
from emulator.engines.process.containers import ContainerRecord, Containers
from emulator.engines.process.disk import DiskGuard
from emulator.engines.process.environment import EnvironmentRecord, Environments, FindCommand
from emulator.engines.process.files import is_readable_by_all, machine_errors
from emulator.engines.process.isolation import (
    Folders,
    Isolation,
    Most,
    candidates,
    command,
    differences,
    environment,
    not_shown,
    supervisor_plan,
    without_isolation,
    working_dir,
)
from emulator.engines.process.launch import (
    LaunchRefused,
    bound_socket,
    launch,
    probe,
    read_machine,
    resolver_folders,
)
from emulator.engines.process.log import LogLines
from emulator.engines.process.sandbox import Sandbox
from emulator.engines.process.usage import read_machine_size, usage_of_all
from emulator.environments import MLFLOW_SCRIPT, AnyImageSpec, ImageSpec
from emulator.errors import BadArgument, EngineUnavailable, ResourceNotFound
from emulator.system.child_process import marked

LOG_BYTES = 32 * 2**20
"""The size of one log file; a container keeps two."""


class ProcessEngine:
    """The engine without Docker; keeps the `Engine` protocol, from any thread.

    `folder`, which lies in the emulator's home, holds environments and containers. `isolations` are the ways of
    isolation that may be tried, the best first, for which the machine is asked when they are not given;
    `find_command` finds programs of this machine.
    Of `limits`, that of processes and threads is kept where a container is isolated, that of the disk everywhere.
    """

    name = "process"

    def __init__(
        self,
        folder: Path,
        workspace_id: str,
        packaging: HostPackaging,
        *,
        isolations: tuple[Isolation, ...] | None = None,
        find_command: FindCommand = shutil.which,
        log_bytes: int = LOG_BYTES,
        limits: DefaultLimits = DEFAULT_LIMITS,
    ) -> None:
        self._folder = folder.absolute()
        self._limits = limits
        self._workspace_id = workspace_id
        self._sandbox = Sandbox(
            self._folder / "sandboxes", self._folder.parent, self._isolation, marked({}, workspace_id)
        )
        self._environments = Environments(
            self._folder / "environments", workspace_id, packaging, find_command, self._is_isolated, self._sandbox
        )
        self._containers = Containers(self._folder / "containers", workspace_id)
        self._guard = DiskGuard(
            self._folder,
            self._containers.disk_shares,
            lambda container_id: self._containers.process(container_id).pid,
            self._containers.end,
        )
        self._isolations, self._log_bytes = isolations, log_bytes
        self._probed: dict[Isolation, str] = {}
        self._probing = threading.Lock()

    def check(self) -> None:
        """Raise EngineUnavailable where gunicorn, on which the scoring server stands, does not run."""
        if sys.platform == "win32":
            hint = "use --engine docker, or run amlemu in the Windows Subsystem for Linux"
            raise EngineUnavailable("the process engine does not run on Windows", hint=hint)
        with machine_errors():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._sandbox.clear()

    def find_image(self, digest: str) -> Image | None:
        """Return the environment if it is built already."""
        with machine_errors(f"image {digest[:12]}"):
            record = self._environments.find(digest)
        return self._environments.image(record) if record else None

    def build_image(self, spec: AnyImageSpec, log: Log, canceled: threading.Event) -> Image:
        """Build the environment; EngineUnavailable when this machine lacks its Python or a program it needs, and for an
        image, which only a container can run."""
        if not isinstance(spec, ImageSpec):
            message = "the process engine installs packages: it can neither run an image nor build a Dockerfile"
            raise EngineUnavailable(message, hint="use --engine docker")
        if linux_platform(spec.platform) != linux_platform():
            message = f"this machine runs no processes of another one: {spec.platform}"
            raise EngineUnavailable(message, hint="leave --platform out, or use --engine docker")
        with machine_errors(f"image {spec.digest[:12]}"):
            return self._environments.image(self._environments.build(spec, log, canceled))

    def start(self, spec: ContainerSpec) -> Container:
        """Start a container and return when its first program runs; what carries its name is removed first.

        Raises BadArgument when the debug port is taken.
        """
        target = f"container {spec.name}"
        with machine_errors(target):
            image = self._environments.find(spec.image)
            if image is None:
                raise ResourceNotFound(f"image {spec.image[:12]} is not built", target=target)
            _check_layout(spec, target)
            _check_model_mount(spec, target)
            _check_debug_port(spec, target)
            for leftover in self._containers.read_all():
                if leftover.name == spec.name:
                    self._containers.remove(leftover.id, 0)
            container = self._start(spec, image)
            self._guard.begin()
            self._environments.compile_rest(spec.image)
            return container

    def _start(self, spec: ContainerSpec, image: EnvironmentRecord) -> Container:
        isolation = self._isolation(self._is_readable_by_all(image, spec.layout))
        container_id, own = self._containers.create_folder(for_container_user=isolation.mode == "root")
        try:
            with bound_socket() as listener:
                port = listener.getsockname()[1]
                record = self._record(container_id, spec, isolation, port)
                self._containers.write(record)
                self._launch(record, own, spec, image, isolation, listener)
        except BaseException as error:
            self._containers.remove(container_id, 0)
            self._containers.discard(container_id)
            if isinstance(error, LaunchRefused):
                message = f"the scoring server could not be started: {error}"
                raise EngineUnavailable(message, target=f"container {spec.name}", hint="see `amlemu doctor`") from error
            raise
        return self._containers.read(container_id)

    def _folders(self, own: Path, spec: ContainerSpec, image: EnvironmentRecord) -> Folders:
        environment = self._environments.path(image.digest)
        return Folders(
            str(own),
            str(environment),
            spec.layout,
            not_shown((*image.visible, *resolver_folders())),
            writable_layout=not spec.read_only,
            sink=spec.sink,
            mlflow_script=(environment / MLFLOW_SCRIPT).exists(),
            hidden=hidden_folders(self._folder),
        )

    def _is_readable_by_all(self, image: EnvironmentRecord, layout: str) -> bool:
        """Whether uid 1000 can use them, judged by the folders' own modes: what lies above them is not in its way."""
        venv = self._environments.path(image.digest) / "venv"
        looked_at = [venv, venv / "bin/python", *venv.glob("lib/*/site-packages"), Path(layout)]
        return all(map(is_readable_by_all, [*looked_at, *map(Path, image.visible)]))

    def _launch(
        self,
        record: ContainerRecord,
        own: Path,
        spec: ContainerSpec,
        image: EnvironmentRecord,
        isolation: Isolation,
        listener: socket.socket,
    ) -> None:
        folders = self._folders(own, spec, image)
        port = listener.getsockname()[1]
        variables = environment(isolation, folders, image.variables, image.tool_folders, spec, port)
        plan = supervisor_plan(
            isolation,
            folders,
            read_machine(),
            command=command(isolation, folders),
            environment=variables,
            working_dir=working_dir(isolation, folders, spec),
            log_bytes=self._log_bytes,
            most=Most(spec.pids_limit or self._limits.pids_limit, record.most_bytes),
        )
        launch(plan, listener, lambda facts: self._containers.write_process(record.id, facts))

    def _is_isolated(self) -> bool:
        """Return whether containers find an environment at the path that it has in the cloud."""
        return self._isolation(True).mode != "none"

    def _isolation(self, readable_by_all: bool) -> Isolation:
        """Return the best isolation that this machine allows; it is asked once."""
        tried = self._isolations or candidates(sys.platform, os.geteuid(), readable_by_all=readable_by_all)
        with self._probing:
            for isolation in tried:
                if isolation not in self._probed:
                    self._probed[isolation] = probe(isolation, read_machine()) if isolation.mode != "none" else ""
                if not self._probed[isolation]:
                    return isolation
            return without_isolation([self._probed[isolation] for isolation in tried])

    def _record(self, container_id: str, spec: ContainerSpec, isolation: Isolation, port: int) -> ContainerRecord:
        most_bytes = self._limits.disk_on(shutil.disk_usage(self._folder).free)
        return ContainerRecord(
            id=container_id,
            workspace=self._workspace_id,
            name=spec.name,
            image=spec.image,
            labels={**spec.labels, LABEL_WORKSPACE: self._workspace_id},
            port=port,
            pid_namespace=isolation.pid_namespace,
            differences=differences(
                isolation, spec, _user_name(), port, is_root=os.geteuid() == 0, most_bytes=most_bytes
            ),
            most_bytes=most_bytes,
            sink=spec.sink or "",
            layout="" if spec.read_only else spec.layout,
            began=time.time(),
        )

    def inspect(self, container_id: str) -> Container:
        """Return the container as it is now."""
        with machine_errors(f"container {container_id}"):
            return self._containers.read(container_id)

    def list_containers(self) -> list[Container]:
        """Return every container of this workspace, also those that an earlier engine started."""
        with machine_errors():
            return self._containers.read_all()

    def running_ids(self) -> frozenset[str]:
        """Return the containers of this workspace whose server runs."""
        self._guard.begin()  # also where only an earlier emulator has started any
        with machine_errors():
            return self._containers.running_ids()

    def machine(self) -> Machine:
        """Return the processors and the memory of this machine."""
        return read_machine_size()

    def usage(self, container_ids: Iterable[str]) -> Mapping[str, Usage]:
        """Measure from the process table."""
        with machine_errors():
            return usage_of_all(self._containers.supervisors(container_ids), self._folder)

    def oom_kills(self) -> Mapping[str, int]:
        """Return nothing: processes have no memory limit here, so the kernel counts no kills."""
        return {}

    def logs(self, container_id: str, *, tail: int | None = None, follow: bool = False) -> Iterator[str]:
        """Return lines of stdout and stderr; of very long logs the last 32 to 64 MiB.

        The iterator may be closed from any thread.
        """
        with machine_errors(f"container {container_id}"):
            log = self._containers.log(container_id)
        return LogLines(log, tail, (lambda: self._containers.is_running(container_id)) if follow else None)

    def remove(self, container_id: str, *, grace_seconds: float = 10.0) -> None:
        """Stop and remove a container with all that it has started; no error when it is gone."""
        with machine_errors(f"container {container_id}"):
            self._containers.remove(container_id, grace_seconds)

    def remove_unfinished(self) -> None:
        """Remove what an emulator of this workspace that was killed had begun to start or to remove."""
        with machine_errors():
            self._containers.remove_unfinished()

    def prune(self, keep_images: Set[str], *, dry_run: bool = False) -> list[str]:
        """Remove containers that do not run, environments that are neither kept nor in use, and unfinished builds."""
        with machine_errors():
            keep = keep_images | self._containers.images_in_use()
            said = self._containers.prune(dry_run=dry_run) + self._environments.prune(keep, dry_run=dry_run)
            return said + self._sandbox.clear(dry_run=dry_run)

    def close(self) -> None:
        """End background work; containers keep running."""
        self._guard.close()
        self._environments.close()


def hidden_folders(folder: Path) -> tuple[str, ...]:
    """The emulator's home, in which the process engine has `folder`, and that of its user; under their real names."""
    home, mine = Path(os.path.realpath(folder.parent)), Path(os.path.realpath(Path.home()))
    return tuple(dict.fromkeys(str(path) for path in (mine, home)))


def _check_layout(spec: ContainerSpec, target: str) -> None:
    """The working directory must exist: nothing can be made in a layout, which is read-only."""
    inside = PurePosixPath(spec.working_dir or APP_ROOT)
    folder = Path(spec.layout)
    if inside.is_relative_to(APP_ROOT):
        folder /= inside.relative_to(APP_ROOT)
    if not folder.is_dir():
        raise ResourceNotFound(f"the working directory {inside} is not in the deployment's files", target=target)


def _check_model_mount(spec: ContainerSpec, target: str) -> None:
    if spec.model_mount is not None:
        message = f"the process engine has models below {APP_ROOT} only, not at {spec.model_mount}"
        raise EngineUnavailable(message, target=target, hint="leave model_mount_path out, or use --engine docker")


def _check_debug_port(spec: ContainerSpec, target: str) -> None:
    """Raise if the debug port is taken: the debugger listens on that port of this machine."""
    if spec.debug_port is None:
        return
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", spec.debug_port))
        except OSError as error:
            message = f"the debug port {spec.debug_port} is taken"
            raise BadArgument(message, target=target, hint="choose another one") from error


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in many containers; OSError since Python 3.13
        return f"with uid {os.getuid()}"
