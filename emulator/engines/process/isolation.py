"""What separates a container of the process engine from the machine: decided here, carried out by its supervisor.

Pure: from facts about the machine to a plan.  Three modes, the best one that the machine allows:

`root`
    The emulator is root.  A mount namespace whose root folder holds only the machine's system folders, read-only, and
    what the container owns; uid 1000 without capabilities.
`user`
    The same in a user namespace, for any user: the emulator's own user is shown as uid 1000.
`none`
    Neither, as on macOS: the server sees the machine, and paths below /var/azureml-app are rewritten.

In `root` and `user` the server finds what the image of the Docker engine has, at the same paths: the layout at
/var/azureml-app, the environment at /azureml-envs/amlemu, the launcher, an empty home, /tmp and /dev/shm of its own.
Home folders, /srv, /mnt and whatever else lies beside the system's folders are not there, as they would not be in the
cloud.  Proxies and CA bundles of the machine's variables are not passed on: containers do not get them either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from emulator.containers.data_collection import SINK_FOLDER
from emulator.containers.spec import APP_ROOT, ContainerSpec
from emulator.difference import Difference, differs, only_here
from emulator.environments import ENVIRONMENT_FOLDER, LAUNCHER, MLFLOW_FOLDER, MLFLOW_SCRIPT

CONTAINER_UID = 1000
HOME = "/home/dockeruser"
_SYSTEM_FOLDERS = frozenset(
    ("bin", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "sys", "usr", "nix", "gnu", "snap")
)
_LISTED_FOLDERS = ("var", "opt")
_NOT_BOUND = frozenset({"/var/tmp", "/var/azureml-app", "/opt/amlemu"})  # noqa: S108 - the container gets its own
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The folders that a container may write to, by their names among its own folders on the machine.
_WRITABLE = {HOME: "home", "/tmp": "tmp", "/var/tmp": "var-tmp"}  # noqa: S108
# As /etc/passwd of the image: libraries ask it for the name of uid 1000.
_PASSWD = f"root:x:0:0:root:/root:/bin/sh\ndockeruser:x:{CONTAINER_UID}:{CONTAINER_UID}::{HOME}:/bin/sh\n"
_GROUP = f"root:x:0:\ndockeruser:x:{CONTAINER_UID}:\n"
# As in Docker: none of them leads to a terminal or to a disk.
_DEVICES = ("null", "zero", "full", "random", "urandom")
_DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
                 "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"}  # fmt: skip
# What only root may read; where the emulator is root and its containers cannot be uid 1000, they could too.
_SECRETS = ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers", "/etc/sudoers.d",
            "/etc/ssh", "/etc/ssl/private", "/var/spool/cron", "/var/mail", "/var/log", "/var/backups")  # fmt: skip
# Docker's own default.
_SHARED_MEMORY = "mode=1777,size=64m"


@dataclass(frozen=True)
class Isolation:
    """`mode` is `root`, `user` or `none`; `reason` says why it is not a better one, empty for the best."""

    mode: str
    pid_namespace: bool
    reason: str = ""


@dataclass(frozen=True)
class Most:
    """What the kernel lets a container have: processes with threads, and bytes of each file; None is no limit."""

    processes: int | None = None
    file_bytes: int | None = None


NO_LIMIT = Most()


@dataclass(frozen=True)
class Entry:
    """Something in a folder of the machine: a folder, or a symbolic link when `target` is given."""

    path: str
    target: str | None = None


@dataclass(frozen=True)
class Folders:
    """Absolute paths of one container on the machine.

    `own` holds the container's `home`, `tmp`, `var-tmp` and `root` folders; `environment` the `venv` folder and
    `launch.py`, and with `mlflow_script` the script of MLflow models; `layout` is read-only to the container unless
    `writable_layout`; `visible` are folders outside the system's that the environment needs: its interpreter, its Java.
    `sink` is writable too, None without one.  What lies in `hidden`, the home of the emulator and that of its user, is
    not there, wherever it is.
    """

    own: str
    environment: str
    layout: str
    visible: tuple[str, ...] = ()
    writable_layout: bool = False
    sink: str | None = None
    mlflow_script: bool = False
    hidden: tuple[str, ...] = ()


def candidates(system: str, euid: int, *, readable_by_all: bool) -> list[Isolation]:
    """Return what to try on this machine, the best first.

    `system` is sys.platform.  uid 1000 must be able to read interpreter, environment and layout (`readable_by_all`),
    else root keeps its own user.
    """
    if system != "linux":
        return [Isolation("none", False, f"{system} has no mount namespaces")]
    modes = ["root"] if euid == 0 and readable_by_all else []
    return [Isolation(mode, pid) for mode in [*modes, "user"] for pid in (True, False)]


def without_isolation(refusals: Sequence[str]) -> Isolation:
    """Return what is left when the machine has refused everything else."""
    return Isolation("none", False, "; ".join(dict.fromkeys(refusals)))


def not_shown(paths: Sequence[str]) -> tuple[str, ...]:
    """Return those of `paths` that do not lie in a folder of the system, which is shown anyway; none twice."""
    return tuple(path for path in dict.fromkeys(paths) if _is_covered(path) or not _is_system(PurePosixPath(path)))


def _is_system(path: PurePosixPath) -> bool:
    top = path.parts[1] if len(path.parts) > 1 else ""
    return top in _SYSTEM_FOLDERS or (top in _LISTED_FOLDERS and len(path.parts) > 2)


def mounts(isolation: Isolation, folders: Folders, machine: Sequence[Entry]) -> list[dict[str, str]]:
    """Return the mounts of a container, in order; the kinds are those of `supervisor._mount_all`.

    `machine` lists the entries of /, /var and /opt, and the devices of GPUs.
    """
    if isolation.mode == "none":
        return []
    root = f"{folders.own}/root"
    layout = {"kind": "bind", "source": folders.layout, "path": root + APP_ROOT}
    return [
        {"kind": "tmpfs", "path": root, "options": "mode=0755,size=1m"},
        *(_system_mount(root, entry) for entry in machine if _is_shown(entry)),
        *({"kind": "hide", "path": root + path} for path in (*_SECRETS, *folders.hidden) if _is_below_system(path)),
        *_devices(root, machine),
        *({"kind": "bind", "source": path, "path": root + path} for path in folders.visible if not _is_covered(path)),
        {"kind": "bind", "source": f"{folders.environment}/venv", "path": root + ENVIRONMENT_FOLDER},
        {"kind": "bind", "source": f"{folders.environment}/launch.py", "path": root + LAUNCHER},
        *_mlflow_mount(root, folders),
        {"kind": "folder", "path": root + APP_ROOT} if folders.writable_layout else layout,
        *_users(root),
        *(
            {"kind": "folder", "path": root + path}
            for path in (*_WRITABLE, *([SINK_FOLDER] if folders.sink else []), "/proc")
        ),
        {"kind": "readonly", "path": root},
        *({"kind": "bind", "source": f"{folders.own}/{name}", "path": root + path} for path, name in _WRITABLE.items()),
        *([layout] if folders.writable_layout else []),
        *([{"kind": "bind", "source": folders.sink, "path": root + SINK_FOLDER}] if folders.sink else []),
        *(step for path in folders.visible if _is_covered(path) for step in _readonly_bind(path, root + path)),
        {"kind": "tmpfs", "path": f"{root}/dev/shm", "options": _SHARED_MEMORY},  # noqa: S108
        {"kind": "terminals", "path": f"{root}/dev/pts"},
        _proc(f"{root}/proc", isolation),
        {"kind": "root", "path": root},
    ]


def _is_below_system(path: str) -> bool:
    return len(PurePosixPath(path).parts) > 2 and _is_system(PurePosixPath(path))


def _devices(root: str, machine: Sequence[Entry]) -> list[dict[str, str]]:
    """A /dev with the few devices that every container has, those of the machine's GPUs, and no terminal."""
    return [
        {"kind": "tmpfs", "path": f"{root}/dev", "options": "mode=0755,size=64k"},
        *({"kind": "optional_bind", "source": f"/dev/{name}", "path": f"{root}/dev/{name}"} for name in _DEVICES),
        *({"kind": "link", "source": to, "path": f"{root}/dev/{name}"} for name, to in _DEVICE_LINKS.items()),
        *(_system_mount(root, entry) for entry in machine if entry.path.startswith("/dev/")),
        *({"kind": "folder", "path": f"{root}/dev/{name}"} for name in ("shm", "pts")),
    ]


def _mlflow_mount(root: str, folders: Folders) -> list[dict[str, str]]:
    source, place = f"{folders.environment}/{MLFLOW_SCRIPT}", f"{root}{MLFLOW_FOLDER}/{MLFLOW_SCRIPT}"
    return [{"kind": "bind", "source": source, "path": place}] if folders.mlflow_script else []


def _is_shown(entry: Entry) -> bool:
    parts = PurePosixPath(entry.path).parts
    if len(parts) == 2:
        return parts[1] in _SYSTEM_FOLDERS
    return parts[1] != "dev" and entry.path not in _NOT_BOUND


def _system_mount(root: str, entry: Entry) -> dict[str, str]:
    if entry.target is not None:
        return {"kind": "link", "source": entry.target, "path": root + entry.path}
    return {"kind": "optional_bind", "source": entry.path, "path": root + entry.path}


def _users(root: str) -> list[dict[str, str]]:
    made = [("passwd", _PASSWD), ("group", _GROUP)]
    return [
        {"kind": "folder", "path": f"{root}/run"},
        *({"kind": "file", "path": f"{root}/run/amlemu-{name}", "text": text} for name, text in made),
        *(
            {"kind": "optional_bind", "source": f"{root}/run/amlemu-{name}", "path": f"{root}/etc/{name}"}
            for name, _ in made
        ),
    ]


def _is_covered(path: str) -> bool:
    """Return whether what lies there disappears behind one of the container's own folders."""
    return any(PurePosixPath(path).is_relative_to(own) for own in _WRITABLE)


def _readonly_bind(source: str, path: str) -> list[dict[str, str]]:
    return [{"kind": "bind", "source": source, "path": path}, {"kind": "readonly", "path": path}]


def _proc(path: str, isolation: Isolation) -> dict[str, str]:
    return (
        {"kind": "proc", "path": path} if isolation.pid_namespace else {"kind": "bind", "source": "/proc", "path": path}
    )


def working_dir(isolation: Isolation, folders: Folders, spec: ContainerSpec) -> str:
    """Return where the server is started, as the machine names it in mode `none`."""
    inside = spec.working_dir or APP_ROOT  # where the images that amlemu builds begin
    places = {APP_ROOT: spec.layout, MLFLOW_FOLDER: folders.environment}
    return inside if isolation.mode != "none" else _rewritten(inside, places)


def command(isolation: Isolation, folders: Folders) -> list[str]:
    """Return what is executed: the environment's Python with the launcher."""
    if isolation.mode != "none":
        return [f"{ENVIRONMENT_FOLDER}/bin/python", LAUNCHER]
    return [f"{folders.environment}/venv/bin/python", f"{folders.environment}/launch.py"]


def environment(
    isolation: Isolation,
    folders: Folders,
    image_variables: Mapping[str, str],
    tool_folders: Sequence[str],
    spec: ContainerSpec,
    port: int,
) -> dict[str, str]:
    """Return all variables of the server: those of every container, the image's, the deployment's.

    HOSTNAME is the container's id, as in Docker; where no process namespace keeps a container's processes together they
    are found by it, so that it cannot be set otherwise.  `tool_folders` come on PATH behind the environment's own.
    """
    base = {
        "PATH": ":".join([f"{ENVIRONMENT_FOLDER}/bin", *tool_folders, SYSTEM_PATH]),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": HOME,
        "HOSTNAME": PurePosixPath(folders.own).name,
        "AZUREML_CONDA_ENVIRONMENT_PATH": ENVIRONMENT_FOLDER,
        "PYTHONUNBUFFERED": "1",
    }
    ours = {"AMLEMU_HOST": "127.0.0.1", "AMLEMU_PORT": str(port)}
    if not isolation.pid_namespace:
        ours["HOSTNAME"] = base["HOSTNAME"]
    given = base | dict(image_variables) | dict(spec.environment_variables) | ours
    if isolation.mode != "none":
        return given
    places = {
        APP_ROOT: spec.layout,
        ENVIRONMENT_FOLDER: f"{folders.environment}/venv",
        MLFLOW_FOLDER: folders.environment,
        HOME: f"{folders.own}/home",
        SINK_FOLDER: folders.sink or SINK_FOLDER,
    }
    own_tmp = {"TMPDIR": f"{folders.own}/tmp"}  # noqa: S108
    return own_tmp | {name: _rewritten(value, places) for name, value in given.items()}


def _rewritten(text: str, places: Mapping[str, str]) -> str:
    """`text`, a path or a list of paths, with each path below a key of `places` moved below its value."""
    for inside, outside in places.items():
        text = re.sub(rf"(?:(?<=:)|^){re.escape(inside)}(?=[/:]|$)", lambda _, to=outside: to, text)  # type: ignore[misc]
    return text


def supervisor_plan(
    isolation: Isolation,
    folders: Folders,
    machine: Sequence[Entry],
    *,
    command: Sequence[str],
    environment: Mapping[str, str],
    working_dir: str,
    log_bytes: int,
    most: Most = NO_LIMIT,
) -> dict[str, Any]:
    """Return what `supervisor` reads from its standard input."""
    return {
        "folder": folders.own,
        "mode": isolation.mode,
        "pid_namespace": isolation.pid_namespace,
        "mounts": mounts(isolation, folders, machine),
        "command": list(command),
        "environment": dict(environment),
        "working_dir": working_dir,
        "log_bytes": log_bytes,
        "limits": _kernel_limits(isolation, most),
    }


def _kernel_limits(isolation: Isolation, most: Most) -> dict[str, int]:
    """By name; no core dumps, and processes only where they are counted apart from their user's others."""
    counted = most.processes if isolation.mode != "none" else None
    asked = {"RLIMIT_CORE": 0, "RLIMIT_NPROC": counted, "RLIMIT_FSIZE": most.file_bytes}
    return {name: limit for name, limit in asked.items() if limit is not None}


def differences(
    isolation: Isolation,
    spec: ContainerSpec,
    user: str,
    port: int,
    *,
    is_root: bool = False,
    most_bytes: int | None = None,
) -> tuple[Difference, ...]:
    """Return where a container differs from what was asked; `user` is the emulator's own user's name, who may be root.

    `most_bytes` is what it may write to the disk, None without a limit.
    """
    found = {
        "network": f"no private network: the server listens on 127.0.0.1:{port}, where other users of this machine"
        " reach it, and the script reaches what listens on this machine"
    }
    if isolation.mode == "user":
        found["user"] = f"runs as this machine's user {user}, shown as uid {CONTAINER_UID} inside"
    if isolation.mode == "user" and is_root:
        found["processes_not_counted"] = "its processes are not counted, for the kernel counts none of root's"
    if isolation.mode == "user" and not isolation.pid_namespace:
        found["emulator_readable"] = (
            "what the emulator's processes hold can be read: its variables, its files, its token"
        )
    if isolation.mode == "none":
        found |= _without_namespaces(isolation, spec, user)
    elif not isolation.pid_namespace:
        found["processes_visible"] = "no process namespace: the processes of this machine are visible"
    if most_bytes is None:
        found["disk_limit"] = "no limit of disk space: what it writes to its home and to /tmp is this machine's"
    elif isolation.mode == "none":
        found["disk_limit"] = "of disk space only what it writes to its home and to TMPDIR is counted"
    isolated = (only_here(f"process.{code}", text) for code, text in found.items())
    return (*isolated, *_limits(isolation, spec))


def _without_namespaces(isolation: Isolation, spec: ContainerSpec, user: str) -> dict[str, str]:
    return {
        "paths_rewritten": f"no private {APP_ROOT} ({isolation.reason}): paths that begin with it are rewritten to"
        f" {spec.layout}",
        "user": f"runs as this machine's user {user}, not as uid {CONTAINER_UID}, with all that user's rights: it can"
        " read the emulator's files and token",
        "processes_not_counted": "its processes are not counted: a script that starts too many takes this machine's",
    }


def _limits(isolation: Isolation, spec: ContainerSpec) -> list[Difference]:
    """Return what is asked for and not enforced.

    The limits that a process can be given count address space, of which numerical libraries reserve far more than they
    use: a script that the cloud runs would be killed here.
    """
    asked = {
        f"memory limit of {(spec.memory_bytes or 0) / 2**20:.0f} MiB": spec.memory_bytes,
        f"limit of {spec.cpus or 0:g} CPUs": spec.cpus,
        f"limit of {spec.pids_limit} processes": spec.pids_limit if isolation.mode == "none" else None,
        f"choice of GPUs ({spec.gpus})": spec.gpus if spec.gpus != "all" else None,
    }
    return [
        differs("process.limit_not_enforced", f"the {what} is not enforced")
        for what, value in asked.items()
        if value is not None
    ]
