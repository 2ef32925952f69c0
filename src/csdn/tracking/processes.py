"""Names of processes that outlive them: tells what a killed job left behind from the work of a live one."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def this_process() -> str:
    """Host, process id and start of this process."""
    return f"{socket.gethostname()} {os.getpid()} {_started(os.getpid())}"


def is_gone(process: str) -> bool:
    """Whether a process of this host is no more; those of other hosts, and unreadable names, are taken to live.

    Args:
        process: what `this_process` returned there.
    """
    host, _, rest = process.partition(" ")
    pid, _, started = rest.partition(" ")
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it is somebody else's
    return started != _started(int(pid))


def _started(pid: int) -> str:
    """When a process began, in the kernel's ticks, because ids are used again; empty where there is no /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
