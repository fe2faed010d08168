"""`doctor`: checks of this machine, with what is missing and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from emulator import __version__
from emulator.cli.output import output_option, print_result
from emulator.config import Settings, not_in_force, origin_of, unknown_variables
from emulator.containers.size import DEFAULT_LIMITS, DefaultLimits
from emulator.containers.usage import Machine, size_text
from emulator.errors import EmulatorError, EngineUnavailable

_LOW_DISK_BYTES = 5_000_000_000
_NO_BASE_IMAGES = "none here: each is pulled when an environment first needs it; `amlemu images` makes stand-ins"


@dataclass(frozen=True)
class Finding:
    """The result of one check: whether it passed, what was found, what to do."""

    name: str
    ok: bool
    found: str
    hint: str = ""


@click.command("doctor")
@click.option("--fix", is_flag=True, help="Move damaged documents of the home aside; nothing is deleted.")
@output_option
def doctor_command(fix: bool, output: str) -> int:
    """Check what this machine has and name what is missing; exit code 3 when no engine can run."""
    from emulator.cli.connection import current_settings

    settings = current_settings()
    findings = [*(_fixed(settings) if fix else ()), *examine(settings)]
    print_result([asdict(f) for f in findings], output, lambda: _print(findings))
    engines = [f.ok for f in findings if f.name.startswith("engine")]
    return 0 if any(engines) else 3


def _print(findings: list[Finding]) -> None:
    for finding in findings:
        mark = click.style("ok  ", fg="green") if finding.ok else click.style("MISS", fg="red")
        click.echo(f"{mark}  {finding.name:18} {finding.found}")
        if finding.hint and not finding.ok:
            click.echo(f"      {'':18} → {finding.hint}")


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield every finding, the most important first."""
    yield Finding("amlemu", True, __version__)
    yield Finding("python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield from settings_findings(settings, os.environ)
    yield _home(settings)
    yield from _documents(settings)
    yield _packaging()
    more: list[Finding] = []
    yield _checked("engine docker", lambda: _docker(settings, more.append))
    yield from more
    yield from _docker_parts()
    yield _checked("engine process", lambda: _process(settings))
    yield _emulator(settings)


def settings_findings(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield which settings are set, and where; the ports; unknown variables."""
    asked = [f"{name} ({origin_of(name, settings)})" for name in settings.origins]
    yield Finding("settings", True, ", ".join(asked) or "all are defaults; `amlemu config` shows them")
    ports = settings.endpoint_ports
    text = f"{settings.port} ({origin_of('port', settings)}), {settings.gateway_port}, {ports.start}-{ports.stop - 1}"
    yield Finding("ports", True, text if settings.port else "free ones, when the emulator starts")
    for name in unknown_variables(environ):
        yield Finding("variable", False, f"{name} means nothing to amlemu", "`amlemu config` lists what does")


def _checked(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, check())
    except EmulatorError as error:
        return Finding(name, False, error.message, error.hint)


def _home(settings: Settings) -> Finding:
    folder = next(p for p in (settings.home, *settings.home.parents) if p.exists())
    free = shutil.disk_usage(folder).free
    found = f"{settings.home}, {free / 1e9:.0f} GB free"
    if not os.access(folder, os.W_OK):
        return Finding("home", False, f"{settings.home} cannot be written", "set AMLEMU_HOME to a folder of yours")
    return Finding("home", free > _LOW_DISK_BYTES, found, "images and environments need some GB")


def _documents(settings: Settings) -> Iterator[Finding]:
    """Yield the documents of the home that cannot be read."""
    from emulator.server.offline import list_damage

    for damage in list_damage(settings.home):
        hint = "`amlemu down`, then `amlemu doctor --fix` moves it aside, and deletes nothing"
        if damage.file.endswith("keys.json") and not Path(damage.file).exists():
            hint = f"`amlemu keys {damage.endpoint} --regenerate primary` makes new keys"
        yield Finding("document", False, str(damage), hint)


def _fixed(settings: Settings) -> Iterator[Finding]:
    """Move damaged documents aside; yield where each is."""
    from emulator.server.offline import list_damage, move_damage_aside

    if not list_damage(settings.home):
        return
    moved = move_damage_aside(settings.home, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    if moved is None:
        hint = "`amlemu down`, then `amlemu doctor --fix` again"
        yield Finding("fix", False, "an emulator runs on this home: nothing was moved", hint)
    for damage, target in moved or ():
        yield Finding("fix", True, f"{damage.file} of {damage.resource} is at {target} now")


def _packaging() -> Finding:
    from emulator.engines.packaging.python_packages import read_host_packaging

    def check() -> str:
        packaging = read_host_packaging(os.environ)
        indexes = "an index of your own" if packaging.build_variables else "PyPI"
        folders = f", wheels in {', '.join(map(str, packaging.wheel_folders))}" if packaging.wheel_folders else ""
        return f"uv {packaging.uv.name}, {indexes}{folders}, CA bundle {packaging.ca_bundle or 'of uv'}"

    return _checked("packages", check)


def docker_answers() -> bool:
    """Return whether a Docker Engine can be used."""
    return _checked("engine docker", lambda: _docker(None)).ok


def _docker(settings: Settings | None, tell: Callable[[Finding], None] = lambda _finding: None) -> str:
    from emulator.engines.docker.engine import connect_docker_engine
    from emulator.engines.packaging.python_packages import read_host_packaging

    limits = DefaultLimits(settings.container_memory, settings.container_pids) if settings else DEFAULT_LIMITS
    engine = connect_docker_engine("doctor", read_host_packaging(os.environ), limits=limits)
    try:
        engine.check()
        tell(Finding("container limits", True, _limits_text(engine.machine(), limits)))
        tell(Finding("base images", True, ", ".join(engine.base_images()) or _NO_BASE_IMAGES))
    finally:
        engine.close()
    return "answers"


def _limits_text(machine: Machine, limits: DefaultLimits) -> str:
    """Return the limits of a container whose deployment sets none."""
    memory = f"{size_text(machine.container_bytes)} of memory" if machine.container_bytes else "memory without a limit"
    pids = f"{limits.pids} processes" if limits.pids else "processes without a limit"
    whose = f"each container without an instance_type, of this machine's {size_text(machine.memory_bytes)}"
    return f"{memory}, {pids}: {whose} (AMLEMU_CONTAINER_MEMORY, AMLEMU_CONTAINER_PIDS)"


def _docker_parts() -> Iterator[Finding]:
    """Yield the programs that builds need beside the engine."""
    command = shutil.which("docker")
    yield Finding(
        "docker command", command is not None, command or "not on PATH", "builds need it: install Docker's CLI"
    )
    folders = [Path.home() / ".docker/cli-plugins", *map(Path, _PLUGIN_FOLDERS)]
    for plugin in ("buildx", "compose"):
        found = next((f / f"docker-{plugin}" for f in folders if (f / f"docker-{plugin}").exists()), None)
        yield Finding(f"docker {plugin}", found is not None, str(found or "not installed"), f"install docker-{plugin}")


_PLUGIN_FOLDERS = (
    "/usr/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
)


def _process(settings: Settings) -> str:
    from emulator.engines.packaging.python_packages import read_host_packaging
    from emulator.engines.process.engine import ProcessEngine

    engine = ProcessEngine(settings.home / "process", "doctor", read_host_packaging(os.environ))
    engine.check()
    return f"can run: virtual environments and processes of this machine, no containers; {_disk_text(settings)}"


def _disk_text(settings: Settings) -> str:
    folder = next(p for p in (settings.home, *settings.home.parents) if p.exists())
    most = DefaultLimits(disk_bytes=settings.container_disk).disk_on(shutil.disk_usage(folder).free)
    share = f"up to {size_text(most)} each" if most else "without a limit"
    return f"what they write to the disk: {share} (AMLEMU_CONTAINER_DISK)"


def _running(settings: Settings, description: Mapping[str, Any]) -> Finding:
    """Return the finding about the emulator that commands here use."""
    where = f"at {settings.url or description['url']}"
    found = f"version {description['version']} runs {where}, engine {description['engine']}, home {description['home']}"
    missing = not_in_force(settings, description.get("settings", {}))
    if missing:
        return Finding("emulator", False, f"{found}; not in force: {'; '.join(missing)}", "`amlemu down`, `amlemu up`")
    return Finding("emulator", True, found)


def _emulator(settings: Settings) -> Finding:
    from emulator.cli.connection import connect

    try:
        with connect(settings) as client:
            description = client.describe()
        return _running(settings, description)
    except EngineUnavailable:
        pass  # none runs: could one?
    except EmulatorError as error:
        return Finding("emulator", False, error.message, error.hint)
    wanted = [port for port in (settings.port, settings.gateway_port) if port]
    if taken := [port for port in wanted if _is_taken(port)]:
        ports = " and ".join(f"port {port}" for port in taken)
        found = f"does not run; used by another program: {ports}"
        return Finding("emulator", False, found, "AMLEMU_PORT=0 takes free ones, AMLEMU_PORT=19080 those from there on")
    free = f"port {settings.port} is free" if settings.port else "it takes free ports"
    return Finding("emulator", True, f"does not run; {free}")


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
