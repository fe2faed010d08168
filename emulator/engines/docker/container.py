"""Convert a ContainerSpec to Docker's arguments, and `docker inspect` to a Container.  Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from docker.types import DeviceRequest, LogConfig, Mount

from emulator.containers.data_collection import SINK_FOLDER
from emulator.containers.spec import EMPTY_BYTES, LABEL_WORKSPACE, SCORING_PORT, ContainerSpec, layout_mounts
from emulator.difference import differs
from emulator.engines import Container
from emulator.engines.docker.errors import disk_full, is_disk_full
from emulator.engines.docker.mounts import MakeMount, bind_mount
from emulator.errors import BadArgument, EmulatorError, EngineUnavailable, ResourceNotReady

# Where the scoring server listens inside; an engine that comes later must know.
LABEL_PORT = "amlemu.port"
LABEL_OTHER_PORTS = "amlemu.other_ports"
PORT_VARIABLE = "AMLEMU_PORT"

# A script that prints without end must not fill the disk; the last 32 MB are enough to see why.
_LOG_LIMIT = {"max-size": "16m", "max-file": "2"}
_ROOT = differs("image.root_user", "the image's user is root: it keeps Docker's default capabilities, without NET_RAW")


_KILLED = 137


@dataclass(frozen=True)
class Network:
    """How the gateway reaches containers: on the bridge's own addresses, or on ports published on 127.0.0.1.

    `name` is the network that containers are started on, and where the gateway's own container is too; '' is the
    engine's default.
    """

    publish: bool
    name: str = ""


def network_of(info: Mapping[str, Any], base_url: str, platform: str, name: str = "") -> Network:
    """Return where scoring servers answer, from the engine's `info`, the URL of its socket and `sys.platform`.

    On a network that we are on ourselves (`name`) they answer at their addresses there.

    The bridge's addresses are reachable where the engine shares this machine's network: a unix socket on Linux that
    is neither rootless (its bridge is in a namespace of its own) nor Docker Desktop's (a virtual machine).  Nothing
    needs to be published then, which saves a proxy process and its latency.
    """
    if name:
        return Network(publish=False, name=name)
    on_this_machine = platform == "linux" and base_url.startswith(("unix:", "http+unix:", "http+docker://localhost"))
    options = " ".join(info.get("SecurityOptions") or ())
    elsewhere = "rootless" in options or "Docker Desktop" in str(info.get("OperatingSystem", ""))
    return Network(publish=not on_this_machine or elsewhere)


def is_root(user: str) -> bool:
    """Return whether an image's USER is root, by name, by number or by default.

    >>> is_root(""), is_root("0:0"), is_root("root"), is_root("1000:0"), is_root("nginx")
    (True, True, True, False, False)
    """
    return user.partition(":")[0] in ("", "0", "root")


def create_arguments(
    spec: ContainerSpec,
    image: str,
    workspace_id: str,
    network: Network,
    *,
    user: str = "1000:1000",
    mount: MakeMount = bind_mount,
    memory_bytes: int | None = None,
    pids_limit: int | None = None,
) -> dict[str, Any]:
    """The keyword arguments of the SDK's `containers.create`; `mount` turns the specification's folders into mounts.

    `memory_bytes` and `pids_limit` hold for a specification without its own; None is no limit.

    The `user` is the image's own (uid 1000 in what amlemu builds).  One that is root cannot do its work without any
    capability: it keeps Docker's default ones, but for NET_RAW, which lets it forge packets.  The root file system is
    writable, as in the cloud, where scripts write to /tmp and HOME; only code and models are read-only, unless the
    specification says otherwise.  There is no restart policy: the core decides what happens to a container that died.
    """
    arguments: dict[str, Any] = {
        "image": image,
        "name": spec.name,
        "labels": dict(spec.labels) | {LABEL_WORKSPACE: workspace_id} | _port_labels(spec),
        "environment": dict(spec.environment_variables) | _port_variable(spec),
        "working_dir": spec.working_dir,  # None is the image's own
        "mounts": _mounts(spec, mount),
        "cap_drop": ["NET_RAW" if is_root(user) else "ALL"],
        "security_opt": ["no-new-privileges"],
        "log_config": LogConfig(type=LogConfig.types.JSON, config=_LOG_LIMIT),
        "ports": _ports(spec, network),
    }
    if network.name:
        arguments["network"] = network.name
    memory = spec.memory_bytes if spec.memory_bytes is not None else memory_bytes
    if memory is not None:
        # Without swap on top, so that the script is killed where the cloud kills it.
        arguments |= {"mem_limit": memory, "memswap_limit": memory}
    if spec.cpus is not None:
        arguments["nano_cpus"] = round(spec.cpus * 1e9)
    pids = spec.pids_limit if spec.pids_limit is not None else pids_limit
    if pids is not None:
        arguments["pids_limit"] = pids
    if spec.gpus is not None:
        arguments["device_requests"] = [gpu_request(spec.gpus)]
    return arguments


def _mounts(spec: ContainerSpec, mount: MakeMount) -> list[Mount]:
    mounts = [
        Mount(one.path, None, type="tmpfs", read_only=True, tmpfs_size=EMPTY_BYTES)
        if one.folder is None
        else mount(one.path, posixpath.normpath(posixpath.join(spec.layout, one.folder)), spec.read_only)
        for one in layout_mounts(spec.model_mount)
    ]
    return [*mounts, *([mount(SINK_FOLDER, spec.sink, False)] if spec.sink else [])]


def _port_labels(spec: ContainerSpec) -> dict[str, str]:
    others = {LABEL_OTHER_PORTS: ",".join(map(str, spec.other_ports))} if spec.other_ports else {}
    return {LABEL_PORT: str(spec.port), **others}


def _port_variable(spec: ContainerSpec) -> dict[str, str]:
    return {PORT_VARIABLE: str(spec.port)} if spec.launched and spec.port != SCORING_PORT else {}


def _ports(spec: ContainerSpec, network: Network) -> dict[str, tuple[str, int | None]]:
    ports: dict[str, tuple[str, int | None]] = {}
    if network.publish:
        ports |= {f"{port}/tcp": ("127.0.0.1", None) for port in (spec.port, *spec.other_ports)}
    if spec.debug_port is not None:
        ports[f"{spec.debug_port}/tcp"] = ("127.0.0.1", spec.debug_port)
    return ports


def gpu_request(gpus: str) -> DeviceRequest:
    """`docker run --gpus` in the SDK's terms: `all`, a count, or `device=0,1`.

    >>> gpu_request("2")["Count"], gpu_request("device=0,GPU-3a")["DeviceIDs"]
    (2, ['0', 'GPU-3a'])
    """
    capabilities = [["gpu"]]
    if gpus == "all":
        return DeviceRequest(count=-1, capabilities=capabilities)
    if gpus.isdecimal() and int(gpus) > 0:
        return DeviceRequest(count=int(gpus), capabilities=capabilities)
    ids = [part for part in gpus.removeprefix("device=").split(",") if part]
    if gpus.startswith("device=") and ids:
        return DeviceRequest(device_ids=ids, capabilities=capabilities)
    raise BadArgument(f"gpus '{gpus}' is not 'all', a number, or 'device=ID,ID'")


def start_failure(spec: ContainerSpec, reason: str) -> EmulatorError:
    """Return the error for a container that the engine created but did not start."""
    target = f"container {spec.name}"
    if "port is already allocated" in reason or "address already in use" in reason:
        message = f"port {spec.debug_port} of this machine is in use"
        return BadArgument(message, target=target, hint="name another port, or stop what listens on it")
    if "could not select device driver" in reason or "nvidia" in reason.lower():
        message = f"the Docker Engine cannot give GPUs '{spec.gpus}' to a container: {reason}"
        hint = "install the NVIDIA Container Toolkit, or deploy without --gpus"
        return BadArgument(message, target=target, hint=hint)
    if is_disk_full(reason):
        return disk_full(reason, target)
    if "exec: " in reason or "exec format error" in reason:
        hint = "what an image starts is its own ENTRYPOINT and CMD; docker run shows the same"
        return ResourceNotReady(f"the image's command cannot be run: {reason}", target=target, hint=hint)
    return EngineUnavailable(f"the Docker Engine could not start the container: {reason}", target=target)


def container_of(attributes: Mapping[str, Any], network: Network) -> Container:
    """Return the container that `docker inspect` described."""
    state = attributes["State"]
    labels = dict(attributes["Config"].get("Labels") or {})
    port = int(labels.get(LABEL_PORT, SCORING_PORT))
    others = [int(other) for other in labels.get(LABEL_OTHER_PORTS, "").split(",") if other]
    running = bool(state.get("Running"))
    host, reached = address_of(attributes, network, port) if running else ("", 0)
    ended = state.get("Status") in ("exited", "dead")
    exit_code = int(state.get("ExitCode", 0)) if ended else None
    return Container(
        id=attributes["Id"],
        name=str(attributes.get("Name", "")).lstrip("/"),
        labels=labels,
        host=host,
        port=reached,
        running=running,
        exit_code=exit_code,
        # Newer engines say so also of a container that has lost a worker, and ended later for another reason.
        oom_killed=bool(state.get("OOMKilled")) and exit_code == _KILLED,
        differences=(_ROOT,) if is_root(str(attributes["Config"].get("User") or "")) else (),
        other_ports={other: address_of(attributes, network, other)[1] if running else 0 for other in others},
    )


def address_of(attributes: Mapping[str, Any], network: Network, port: int) -> tuple[str, int]:
    """Host and port at which the running container's scoring server is reached; empty and 0 before it has one."""
    settings = attributes.get("NetworkSettings") or {}
    if network.publish:
        bindings = (settings.get("Ports") or {}).get(f"{port}/tcp") or []
        return ("127.0.0.1", int(bindings[0]["HostPort"])) if bindings else ("", 0)
    networks = settings.get("Networks") or {}
    if network.name:
        host = (networks.get(network.name) or {}).get("IPAddress") or ""
        return (host, port) if host else ("", 0)
    # The address at the top level is gone from newer engines.
    addresses = [n.get("IPAddress") for n in networks.values()]
    host = next((address for address in addresses if address), settings.get("IPAddress") or "")
    return (host, port) if host else ("", 0)
