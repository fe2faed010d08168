"""The composition root: one process with the core, the control API and the gateway."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import random
import resource
import secrets
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from emulator import __version__
from emulator.config import PORTS_FILE, Settings, ports_to_remember, shown_settings, with_free_ports
from emulator.config.admin_token import check_admin_token, is_loopback, obtain_admin_token
from emulator.config.home_lock import HomeLock
from emulator.containers.size import DEFAULT_LIMITS, DefaultLimits
from emulator.containers.usage import Gpu
from emulator.control_api import Condition, Services, all_restored, control_server, engine_answers
from emulator.engines import Engine
from emulator.engines.packaging.conda_reach import channel_reach
from emulator.engines.packaging.python_packages import HostPackaging, read_host_packaging
from emulator.environments import BaseImages, ImageChoices, read_curated, with_curated
from emulator.errors import EngineUnavailable
from emulator.gateway import Gateway, PayloadLog
from emulator.gateway.listening import bind, is_free
from emulator.profiles import overridden, read_overrides
from emulator.routing.jwks import read_jwks
from emulator.routing.tokens import AadTrust
from emulator.secret import mask_credentials
from emulator.server.first_demo import FirstDemo, demo_command, demo_environ
from emulator.server.gpus import gpu_reader
from emulator.server.http_probe import probe
from emulator.store import Store
from emulator.store.disk import write_document
from emulator.store.lines import LineWriter
from emulator.store.sources import read_text
from emulator.system.child_process import end_orphaned_builds, marked
from emulator.system.package_files import launcher_text, mlflow_script_text, sink_text
from emulator.workspace import CondaSources, Effects, GatewayControl, Workspace, WorkspaceConfig
from emulator.workspace.collecting.collector import Collecting
from emulator.workspace.operations import Operations

PROCESS_FOLDER = "process"
_MOST_FILES = 65_536
_OTHER_CONTROL_PORT = "AMLEMU_PORT chooses another, 0 a free one; `amlemu status` shows an emulator that runs already"
_GATEWAY_GRACE_SECONDS = 5.0
_CANCEL_SECONDS = 15.0


@dataclass(frozen=True)
class ChosenEngine:
    """The engine in use, and why `auto` did not choose Docker."""

    engine: Engine
    reason: str = ""


def choose_engine(
    wanted: str,
    store: Store,
    packaging: HostPackaging,
    network: str = "",
    limits: DefaultLimits = DEFAULT_LIMITS,
) -> ChosenEngine:
    """Return the engine of that name; `auto` is Docker where it answers, else processes of this machine.

    `network` is Docker's network of scoring containers when the emulator runs in a container itself, `limits` are the
    defaults of their limits.

    Raises EngineUnavailable when the wanted one cannot run.
    """
    from emulator.engines.process.engine import ProcessEngine

    reason = ""
    if wanted in ("auto", "docker"):
        try:
            return ChosenEngine(_docker(store, packaging, network, limits))
        except EngineUnavailable as error:
            if wanted == "docker":
                raise
            reason = error.message
    engine = ProcessEngine(store.home / PROCESS_FOLDER, store.workspace_id, packaging, limits=limits)
    engine.check()
    return ChosenEngine(engine, reason)


def _limits(settings: Settings) -> DefaultLimits:
    return DefaultLimits(settings.container_memory, settings.container_pids, settings.container_disk)


def _docker(store: Store, packaging: HostPackaging, network: str, limits: DefaultLimits) -> Engine:
    from emulator.engines.docker.engine import connect_docker_engine

    engine = connect_docker_engine(store.workspace_id, packaging, network, store.home, limits)
    engine.check()
    return engine


def serve(
    settings: Settings,
    environ: Mapping[str, str],
    started: Callable[[dict[str, Any]], None],
    *,
    demo: bool = False,
) -> None:
    """Run the emulator until it is stopped; call `started` with its description once it serves.

    With `demo` a new workspace begins with the demo.

    SIGTERM, SIGINT and POST /_amlemu/shutdown stop it; scoring containers end with it, and their desired state stays.
    Raises BadArgument for a home or a port that is taken, EngineUnavailable.
    """
    _raise_file_limit()
    if settings.token:
        check_admin_token(settings.token)
    lock = HomeLock(settings.home)
    lock.take({"version": __version__})
    try:
        token = settings.token or obtain_admin_token(settings.home, lambda: secrets.token_urlsafe(32))
        with contextlib.ExitStack() as stack:
            settings = with_free_ports(settings, lambda port: is_free(settings.bind_host, port), random.randrange)
            _run(replace(settings, token=token), environ, started, stack, lock, demo=demo)
    finally:
        lock.release()


def _raise_file_limit() -> None:
    """Raise the limit of open files to the maximum; shells set a lower one, because of select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else _MOST_FILES
    if soft != resource.RLIM_INFINITY and soft < min(most, _MOST_FILES):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, _MOST_FILES), hard))


def _run(
    settings: Settings,
    environ: Mapping[str, str],
    started: Callable[[dict[str, Any]], None],
    stack: contextlib.ExitStack,
    lock: HomeLock,
    *,
    demo: bool,
) -> None:
    # The settings have been checked against the table when they were read.
    stack.enter_context(overridden(read_overrides(settings.assumed)[0]))
    store = Store(settings.home)
    packaging = read_packaging(environ, store, was_killed=lock.was_abandoned)
    chosen = choose_engine(settings.engine, store, packaging, settings.network, _limits(settings))
    stack.callback(chosen.engine.close)
    collecting = Collecting(store, effects(), sink_text())
    gateway = _gateway(settings, store, collecting)
    stopping = _Stopping()
    workspace = build_workspace(settings, store, chosen.engine, gateway, collecting, packaging)
    first_demo = _first_demo(store, environ) if demo else None
    operations = Operations(lambda: secrets.token_hex(8), _log_error, _now)
    description = _description(settings, workspace, chosen)
    services = Services(
        workspace=workspace,
        operations=operations,
        public_host=settings.public_host,
        shared_port=settings.gateway_port,
        describe=lambda: _with_engine_error(description, workspace),
        shutdown=stopping.request,
        metrics=gateway.metrics,
        abandoned=gateway.abandoned,
        report=_log_error,
        is_loopback=is_loopback(settings.bind_host),
        conditions=_conditions(workspace, first_demo),
    )
    control = _announced_control_server(stack, settings, services, lock)
    _start_gateway(gateway, settings, stack)
    stopping.on_signals()
    _reconcile(workspace)
    workspace.health.start()
    stack.callback(workspace.health.stop)
    collecting.start()
    stack.callback(collecting.stop)
    threading.Thread(target=control.run, name="control-api", daemon=True).start()
    stack.callback(control.close)
    started(description)
    with first_demo or contextlib.nullcontext():
        keep_containers = stopping.wait()
    _shut_down(workspace, operations, keep_containers=keep_containers)


def _shut_down(workspace: Workspace, operations: Operations, *, keep_containers: bool) -> None:
    operations.cancel_all(_CANCEL_SECONDS)
    workspace.end(_CANCEL_SECONDS)
    if not keep_containers:
        workspace.deployments.stop_all()


def _conditions(workspace: Workspace, first_demo: FirstDemo | None) -> tuple[Condition, ...]:
    """Return the conditions of being ready."""
    usual = (all_restored(workspace.restoring), engine_answers(workspace.engine.running_ids))
    return (*usual, first_demo.blocking_reason) if first_demo else usual


def _reconcile(workspace: Workspace) -> None:
    """Reconcile, after removing the half-made containers that a killed emulator left; only processes have any."""
    from emulator.engines.process.engine import ProcessEngine

    if isinstance(workspace.engine, ProcessEngine):
        workspace.engine.remove_unfinished()
    workspace.reconcile()


def _first_demo(store: Store, environ: Mapping[str, str]) -> FirstDemo:
    return FirstDemo(store, demo_command(store.home), demo_environ(environ, store.home), _say)


def read_packaging(environ: Mapping[str, str], store: Store, *, was_killed: bool) -> HostPackaging:
    """Return how packages are obtained; end the builds that a killed emulator of this home left running."""
    if was_killed:
        end_orphaned_builds(store.workspace_id)
    packaging = read_host_packaging(environ)
    return replace(packaging, variables=marked(packaging.variables, store.workspace_id))


def _gateway(settings: Settings, store: Store, collecting: Collecting) -> Gateway:
    lines = LineWriter(store.logs.requests)
    # A generator of its own, so that collecting data does not change how requests are routed.
    sampling = random.random if settings.traffic_seed is None else random.Random(settings.traffic_seed).random
    return Gateway(
        settings.bind_host,
        settings.gateway_port,
        lambda name, line: lines.write(name, json.dumps(line, default=str)),
        random.random if settings.traffic_seed is None else random.Random(settings.traffic_seed).random,
        enforce_limits=settings.limits == "cloud",
        payloads=PayloadLog(collecting.write, collecting.drop, sampling),
    )


def _start_gateway(gateway: Gateway, settings: Settings, stack: contextlib.ExitStack) -> None:
    """Start the gateway; then all ports are bound, and the home remembers them for its next start."""
    gateway.start()
    stack.callback(gateway.stop, _GATEWAY_GRACE_SECONDS)
    write_document(settings.home / PORTS_FILE, ports_to_remember(settings))


class _Stopping:
    """Waits for a signal or a request to stop."""

    def __init__(self) -> None:
        self._wanted = threading.Event()
        self._keep_containers = False

    def request(self, keep_containers: bool) -> None:
        self._keep_containers = keep_containers
        self._wanted.set()

    def on_signals(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda _number, _frame: self.request(False))

    def wait(self) -> bool:
        while not self._wanted.wait(0.5):  # a bare wait() does not run signal handlers on every platform
            pass
        return self._keep_containers


def _announced_control_server(
    stack: contextlib.ExitStack, settings: Settings, services: Services, lock: HomeLock
) -> Any:
    """Bind the control API, and only then write its URL to the home: clients send the token to that URL."""
    control = _control_server(stack, settings, services)
    lock.write_holder({"url": settings.control_url, "version": __version__})
    return control


def _control_server(stack: contextlib.ExitStack, settings: Settings, services: Services) -> Any:
    sock = stack.enter_context(bind(settings.bind_host, settings.port, "control API", _OTHER_CONTROL_PORT))
    return control_server(services, sock)


def _description(settings: Settings, workspace: Workspace, chosen: ChosenEngine) -> dict[str, Any]:
    return {
        "version": __version__,
        "workspace_id": workspace.id,
        "engine": chosen.engine.name,
        "engine_reason": chosen.reason,
        "pid": os.getpid(),
        "url": settings.control_url,
        "gateway_port": settings.gateway_port,
        "home": str(settings.home),
        "assumed": settings.assumed,
        "curated_environments": settings.curated_environments,
        "base_images": settings.base_images,
        "platform": settings.platform,
        "settings": shown_settings(settings) | {"engine": chosen.engine.name},
    }


def _with_engine_error(description: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    away = workspace.health.engine_error
    return description | ({"engine_error": away.message} if away else {})


def build_workspace(
    settings: Settings,
    store: Store,
    engine: Engine,
    gateway: GatewayControl,
    collecting: Collecting,
    packaging: HostPackaging,
) -> Workspace:
    """Build the core on that store and engine, as the settings say."""
    curated, _ = read_curated(settings.curated_environments)  # checked when the settings were read
    config = WorkspaceConfig(
        launcher=launcher_text(),
        mlflow_script=mlflow_script_text(),
        aad_trust=_aad_trust(settings),
        curated=with_curated(curated),
        images=_image_choices(settings),
        conda=CondaSources(settings.conda, settings.conda_channels, channel_reach(packaging).unreachable),
        admin_token=settings.token,
        max_upload_bytes=settings.max_upload_bytes,
        endpoint_ports=settings.endpoint_ports,
    )
    return Workspace(store, engine, gateway, effects(), config, collecting)


def _aad_trust(settings: Settings) -> AadTrust:
    """Return whose aad_tokens are valid; the file is read once, when the emulator starts."""
    file = settings.aad_keys
    keys = read_jwks(read_text(file, "set of keys of aad_keys"), str(file)) if file else ()
    return AadTrust(keys, settings.aad_tenant)


def _image_choices(settings: Settings) -> ImageChoices:
    return ImageChoices(BaseImages(settings.base_images), settings.platform or None)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def effects() -> Effects:
    """Return the real clock, randomness, threads and probes."""
    return Effects(
        now=_now,
        epoch=time.time,
        monotonic=time.monotonic,
        sleep=time.sleep,
        new_key=lambda: secrets.token_urlsafe(24),
        probe=probe,
        background=lambda work: threading.Thread(target=work, daemon=True).start(),
        gpus=_gpus,
    )


@functools.cache
def _gpu_reader() -> Callable[[], tuple[Gpu, ...]]:
    return gpu_reader()


def _gpus() -> tuple[Gpu, ...]:
    return _gpu_reader()()


def _say(line: str) -> None:
    """Write a line to the server's own log."""
    print(mask_credentials(line), file=sys.stderr, flush=True)


def _log_error(error: BaseException) -> None:
    """Write an unexpected error with its traceback to the server's own log."""
    print(mask_credentials("".join(traceback.format_exception(error))), file=sys.stderr, flush=True)


def configure_logging() -> None:
    """Log only warnings of libraries, with the credentials in their URLs masked."""
    handler = logging.StreamHandler()
    handler.setFormatter(_MaskingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


class _MaskingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return mask_credentials(super().format(record))
