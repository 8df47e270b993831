"""Who owns local executions: a process on a machine, written `local:host:pid`."""

from __future__ import annotations

import os
import socket


def this_process() -> str:
    """How this process is called as an owner."""
    return f"local:{socket.gethostname()}:{os.getpid()}"


def lives(owner: str) -> bool:
    """Whether another process, or a worker, may still run what it owns; what cannot be seen from here counts as alive.

    Example:
        >>> lives(this_process()), lives("ada")
        (False, True)
    """
    _, host, pid = [*owner.split(":"), "", ""][:3]
    if host != socket.gethostname() or not pid.isdigit():
        return True
    if int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
