"""One scoring container of the process engine, from its start to its exit code.

Run as a script by `sys.executable -I -S`, detached, so that the container outlives the emulator.  It uses nothing but
the standard library: a start must not pay for imports.

Standard input is the plan, one JSON object (see `emulator.engines.process.isolation.supervisor_plan`); it holds the
environment variables, which therefore never touch a disk.  An empty plan means that the emulator died: exit.
Standard output is answered once, with nothing when the server has been started and with the reason when it has not.
File descriptor 3 is the bound socket that the server is to listen on, handed over as systemd does (LISTEN_FDS), which
gunicorn takes in every version: no other process can get the port in between.

With a process namespace there are two processes: this one, outside, which keeps the log and writes the exit code, and
its child, the namespace's init, which starts the server and reaps orphans.  When either ends, the kernel kills all
that runs in the namespace.  Without one, this process is the reaper of its descendants and kills them itself.

A program that runs while an environment is made ends with the emulator (`ends_with_emulator`), containers do not.
SIGTERM is passed to the server, as `docker stop` does; SIGUSR1 kills everything at once.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import struct
import sys
import time
from typing import Any, NoReturn

SOCKET = 3
UID = 1000

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT = 1, 2, 4, 8, 32
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWPID = 0x20000, 0x8000000, 0x10000000, 0x20000000
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
_MNT_DETACH = 2
# The same number on every architecture but Alpha; in the kernel since 5.12.
_SYS_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = -100, 0x8000, 1

# keyctl(KEYCTL_JOIN_SESSION_KEYRING), which libc has no function for.
_SYS_KEYCTL, _JOIN_SESSION_KEYRING = {"x86_64": 250, "aarch64": 219}, 1
_MOST_DESCRIPTORS = 1 << 20

_LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True) if _LINUX else None


def main() -> None:
    """Read the plan, start the server, say so, and stay until it has ended."""
    os.setsid()
    os.chdir("/")
    os.umask(0o022)
    if _LINUX:  # whatever else the emulator's process had open is none of a script's
        os.closerange(SOCKET + 1, _MOST_DESCRIPTORS)
    # Kept back until their handlers know whom to pass them to.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    text = sys.stdin.buffer.read()
    if not text:
        return
    plan = json.loads(text)
    if plan.get("ends_with_emulator") and _LINUX:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        child, output = _start(plan)
    except OSError as error:
        _answer(_reason(error))
        return
    _answer("")
    os.close(SOCKET)
    _write_exit_code(plan["folder"], _Supervisor(plan, child, output).run())


_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1}


def _reason(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)


def _answer(text: str) -> None:
    os.write(1, text.encode())
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _write_exit_code(folder: str, code: int) -> None:
    temporary = f"{folder}/exit.json.new"
    with open(temporary, "w") as file:  # noqa: PTH123 - importing pathlib would cost every start some milliseconds
        json.dump({"exit_code": code}, file)
    os.replace(temporary, temporary.removesuffix(".new"))  # noqa: PTH105


def _start(plan: dict[str, Any]) -> tuple[int, int]:
    """Fork the container's first process and wait until the server runs in it.

    Returns its process id and the pipe that the server writes to.  OSError says why there is none.
    """
    output, output_end = os.pipe()
    failed, failed_end = os.pipe()
    _enter_outer_namespaces(plan)
    child = os.fork()
    if child == 0:
        os.close(output)
        os.close(failed)
        _run_inside(plan, output_end, failed_end)
    os.close(output_end)
    os.close(failed_end)
    with open(failed, "rb") as pipe:  # noqa: PTH123
        reason = pipe.read().decode()
    if reason:
        os.waitpid(child, 0)
        raise OSError(0, reason)
    return child, output


# --- the container's own processes -----------------------------------------------------------------------------------


def _run_inside(plan: dict[str, Any], output: int, failed: int) -> NoReturn:
    """In the child: mounts, then the server, which is exec'ed here or, in a process namespace, below this init."""
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if plan["pid_namespace"]:
            _die_with_parent()
        _leave_keyring()
        if plan["mounts"]:
            _mount_all(plan["mounts"])
        if not plan["pid_namespace"]:
            _exec_server(plan)
        _reap_until(_fork_server(plan))
    except OSError as error:
        os.write(failed, _reason(error).encode())
    os._exit(127)


def _fork_server(plan: dict[str, Any]) -> int:
    """The server's process id.  As root it is born into a user namespace, in which its processes are counted: outside,
    those of every container, and of the machine's own uid 1000, would count with them."""
    (asked, asks), (told, tells) = os.pipe(), os.pipe()
    server = os.fork()
    if server == 0:
        if plan["mode"] == "root":
            os.write(asks, b"1" if _libc and _libc.unshare(_CLONE_NEWUSER) == 0 else b"0")
            os.read(told, 1)
        _exec_server(plan)
    os.close(asks)
    if plan["mode"] == "root" and os.read(asked, 1) == b"1":
        for name in ("uid_map", "gid_map"):
            _write(f"/proc/{server}/{name}", f"0 0 1\n{UID} {UID} 1\n")
    os.write(tells, b"1")
    return server


def _leave_keyring() -> None:
    """What keys the emulator's user has in the kernel are none of a script's."""
    if _libc and (number := _SYS_KEYCTL.get(os.uname().machine)):
        _libc.syscall(ctypes.c_long(number), ctypes.c_ulong(_JOIN_SESSION_KEYRING), None)


def _reap_until(server: int) -> NoReturn:
    """The namespace's init: pass signals on, reap orphans, end as the server ends, whereupon all else is killed."""
    signal.signal(signal.SIGTERM, lambda *_: os.kill(server, signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    # Its own ends of the pipes would keep the supervisor from seeing that the server was exec'ed, and that it ended.
    os.closerange(0, 64)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == server:
            os._exit(_exit_code(status))


def _exec_server(plan: dict[str, Any]) -> NoReturn:
    command = plan["command"]
    environment = dict(plan["environment"])
    environment["LISTEN_FDS"], environment["LISTEN_PID"] = "1", str(os.getpid())
    os.setsid()
    _drop_privileges(plan["mode"])
    if not plan["pid_namespace"]:
        _die_with_parent()
    _allow_many_files()
    _set_limits(plan["limits"])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them, and exec would pass that on
    os.set_inheritable(SOCKET, True)
    if not command:
        os._exit(0)
    os.chdir(plan["working_dir"])
    os.execve(command[0], command, environment)


def _allow_many_files() -> None:
    """A container may open as many files as the hard limit allows; shells and service managers set a low soft one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _set_limits(limits: dict[str, int]) -> None:
    """Each by its name in `resource`; never more than this process has."""
    for name, wanted in limits.items():
        number = getattr(resource, name)
        _, hard = resource.getrlimit(number)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(number, (most, most))


def _drop_privileges(mode: str) -> None:
    if not _LINUX:
        return
    if mode != "none":
        for capability in range(64):
            if _prctl(_PR_CAPBSET_DROP, capability) < 0:
                break
    if mode == "root":
        os.setgroups([])
        os.setgid(UID)
        os.setuid(UID)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _die_with_parent() -> None:
    if not _LINUX:
        return
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before that call; then nobody reads this process's output any more.
    readers = select.poll()
    readers.register(1, 0)
    if readers.poll(0):
        os._exit(137)


def _exit_code(status: int) -> int:
    """As shells and Docker count: 128 + n after signal n."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


# --- namespaces and mounts -------------------------------------------------------------------------------------------


def _enter_outer_namespaces(plan: dict[str, Any]) -> None:
    """What the next fork is to be born into; this process itself keeps its process ids and its mounts."""
    flags = _CLONE_NEWPID if plan["pid_namespace"] else 0
    if plan["mode"] == "user":
        uid, gid = os.geteuid(), os.getegid()
        _unshare(flags | _CLONE_NEWUSER)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{UID} {uid} 1")
        _write("/proc/self/gid_map", f"{UID} {gid} 1")
    elif flags:
        _unshare(flags)
    if _LINUX and not plan["pid_namespace"]:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _mount_all(mounts: list[dict[str, str]]) -> None:
    """Do each of `mounts` in a private mount namespace.

    `folder`, `file` (with `text`), `link` (with `source`), `tmpfs` (with `options`), `proc`, `terminals`, `bind` and
    `optional_bind` (with `source`) make what they name at `path`; `hide` puts nothing in the place of what is there,
    `readonly` makes everything below `path` so, and `root` makes it the root folder.
    """
    _unshare(_CLONE_NEWNS | _CLONE_NEWIPC)
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    bound: list[str] = []
    for mount in mounts:
        kind, path = mount["kind"], mount["path"]
        if kind == "link":
            os.symlink(mount["source"], path)  # noqa: PTH211
        elif kind == "folder":
            os.makedirs(path, exist_ok=True)  # noqa: PTH103
        elif kind == "file":
            _write(path, mount["text"], os.O_CREAT | os.O_EXCL)
        elif kind == "readonly":
            _make_readonly(path, bound)
        elif kind == "root":
            _pivot(path)
        elif kind == "hide":
            _hide(path, bound)
        elif kind == "terminals":
            _mount_terminals(path)
        elif kind in ("tmpfs", "proc"):
            os.makedirs(path, exist_ok=True)  # noqa: PTH103
            _mount(kind, path, kind, _MS_NOSUID | _MS_NODEV, mount.get("options"))
        else:
            _bind(mount["source"], path, optional=kind == "optional_bind")
            bound.append(path)


def _hide(path: str, bound: list[str]) -> None:
    if os.path.isdir(path):  # noqa: PTH112
        _mount("tmpfs", path, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0755,size=64k")
    elif os.path.isfile(path):  # noqa: PTH113
        _mount(os.devnull, path, None, _MS_BIND)
    else:
        return
    bound.append(path)


def _mount_terminals(path: str) -> None:
    """Pseudo terminals of the container's own; without them where the machine does not allow that."""
    try:  # noqa: SIM105
        _mount("devpts", path, "devpts", _MS_NOSUID | _MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
    except OSError:
        pass


def _bind(source: str, path: str, *, optional: bool) -> None:
    try:
        if os.path.isdir(source):  # noqa: PTH112
            os.makedirs(path, exist_ok=True)  # noqa: PTH103
        elif not os.path.lexists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
            _write(path, "", os.O_CREAT)
        _mount(source, path, None, _MS_BIND | _MS_REC)
    except OSError:
        if not optional:
            raise


def _make_readonly(path: str, bound: list[str]) -> None:
    """Everything mounted at and below `path`; before Linux 5.12 only `path` and the `bound` folders themselves."""
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    arguments = (_AT_FDCWD, path.encode(), _AT_RECURSIVE, attributes, ctypes.c_size_t(len(attributes)))
    if _libc and _libc.syscall(ctypes.c_long(_SYS_MOUNT_SETATTR), *arguments) == 0:
        return
    for mounted in (path, *(inner for inner in bound if inner.startswith(f"{path}/"))):
        # In a user namespace the flags that a mount has already are locked: they must be given again.
        kept = os.statvfs(mounted).f_flag & (_MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        _mount(None, mounted, None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | kept)


def _pivot(path: str) -> None:
    os.chdir(path)
    _checked(_libc.pivot_root(b".", b".") if _libc else -1, "pivot_root")
    _checked(_libc.umount2(b".", _MNT_DETACH) if _libc else -1, "umount2")
    os.chdir("/")


def _mount(source: str | None, path: str, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = [text.encode() if text is not None else None for text in (source, path, kind, options)]
    done = _libc.mount(*texts[:3], ctypes.c_ulong(flags), texts[3]) if _libc else -1
    _checked(done, f"mount {path}")


def _unshare(flags: int) -> None:
    _checked(_libc.unshare(flags) if _libc else -1, "unshare")


def _prctl(option: int, value: int) -> int:
    zero = ctypes.c_ulong(0)
    return int(_libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero)) if _libc else -1


def _checked(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _write(path: str, text: str, flags: int = 0) -> None:
    descriptor = os.open(path, os.O_WRONLY | flags, 0o644)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


# --- outside: the log, the signals, the end --------------------------------------------------------------------------


class _Log:
    """A file of at most `limit` bytes, which becomes `<path>.1` when it is full: two of them at most."""

    def __init__(self, path: str, limit: int) -> None:
        self._path, self._limit = path, limit
        self._open()

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._file).st_size

    def write(self, data: bytes) -> None:
        if self._size + len(data) > self._limit:
            # Between two lines, so that readers may count them file by file.
            end = data.rfind(b"\n") + 1
            self._append(data[:end])
            data = data[end:]
            os.close(self._file)
            os.replace(self._path, self._path + ".1")  # noqa: PTH105
            self._open()
        self._append(data)

    def _append(self, data: bytes) -> None:
        try:  # noqa: SIM105 - importing contextlib would cost every start some milliseconds
            self._size += os.write(self._file, data)
        except OSError:
            pass  # a full disk must not stop the server, whose output nobody would read then


class _Supervisor:
    """Keeps the log, passes signals on, and kills what the server leaves behind."""

    def __init__(self, plan: dict[str, Any], child: int, output: int) -> None:
        self._child, self._output = child, output
        self._alone = not plan["pid_namespace"]
        self._log = _Log(f"{plan['folder']}/log", plan["log_bytes"])
        self._code: int | None = None

    def run(self) -> int:
        """Until the server has ended and its last output is written; its exit code."""
        wakeup, wakeup_end = os.pipe()
        for descriptor in (wakeup, wakeup_end, self._output):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(wakeup_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._signal(signal.SIGTERM))
        signal.signal(signal.SIGUSR1, lambda *_: self._signal(signal.SIGKILL))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        sources = [self._output, wakeup]
        while self._code is None:
            ready, _, _ = select.select(sources, [], [])
            if self._output in ready and not self._copy():
                sources.remove(self._output)
            if wakeup in ready:
                os.read(wakeup, 4096)
            self._reap()
        if self._alone:
            self._kill_leftovers()
        while self._copy():
            pass
        return self._code

    def _signal(self, number: int) -> None:
        if self._code is None:
            os.kill(self._child, number)

    def _copy(self) -> bool:
        """Return what there is of output; False at its end and when there is none."""
        try:
            data = os.read(self._output, 65536)
        except BlockingIOError:
            return False
        if data:
            self._log.write(data)
        return bool(data)

    def _reap(self) -> None:
        try:
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == self._child:
                    self._code = _exit_code(found[1])
        except ChildProcessError:
            pass

    def _kill_leftovers(self) -> None:
        """Where no namespace does it: the server's process group, and on Linux every orphan, which has come to us."""
        try:  # noqa: SIM105
            os.killpg(self._child, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        deadline = time.monotonic() + 2
        while _LINUX and time.monotonic() < deadline and (orphans := _descendants(os.getpid())):
            for pid in orphans:
                try:  # noqa: SIM105
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self._reap()
            time.sleep(0.01)


def _descendants(ancestor: int) -> list[int]:
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:  # noqa: PTH123
                    parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = [ancestor]
    for known in found:
        found.extend(pid for pid, parent in parents.items() if parent == known)
    return found[1:]


if __name__ == "__main__":
    main()
