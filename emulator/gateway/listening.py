"""Sockets to listen on, and the error for a port that cannot be used."""

from __future__ import annotations

import errno
import socket

from emulator.errors import BadArgument

BACKLOG = 4096
_OTHER_PORT = "stop what listens there, or choose another port"
_PRIVILEGED = "ports below 1024 take root or CAP_NET_BIND_SERVICE: choose another"
_NO_ADDRESS = "AMLEMU_BIND_HOST names an address that this machine has now; 127.0.0.1 is always there"


def bind(host: str, port: int, target: str, hint: str = _OTHER_PORT) -> socket.socket:
    """Return a socket that listens on the port; BadArgument names `target`, the port and the program that uses it.

    `hint` is for a port that another program uses.
    """
    try:
        return _listen(host, port)
    except (OSError, UnicodeError) as error:
        raise BadArgument(
            f"port {port} of {host} cannot be used: {_why(error)}{_used_by(error, port)}",
            target=target,
            hint=_hint(error) or hint,
        ) from error


def is_free(host: str, port: int) -> bool:
    """Whether a program could listen on the port now."""
    try:
        _listen(host, port).close()
    except (OSError, UnicodeError):
        return False
    return True


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        # also while connections of the port are in TIME_WAIT; a port with a listener stays refused
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _hint(error: Exception) -> str:
    """Return the hint for an error other than a port in use; '' for that."""
    if isinstance(error, PermissionError):
        return _PRIVILEGED
    is_taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
    return "" if is_taken else _NO_ADDRESS


def _used_by(error: Exception, port: int) -> str:
    """Name the processes that listen on the port, as far as this user may see them."""
    if not isinstance(error, OSError) or error.errno != errno.EADDRINUSE:
        return ""
    import psutil  # imported only when a port is taken: it would slow every start

    try:
        found = {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,) and connection.pid
        }
        names = [f"process {pid} ({psutil.Process(pid).name()})" for pid in sorted(found)]
    except (psutil.Error, OSError):
        return ""
    return f" by {', '.join(names)}" if names else ""
