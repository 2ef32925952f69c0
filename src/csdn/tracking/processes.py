"""Names of processes that outlive them: tells what a killed job left behind from the work of a live one."""

from __future__ import annotations

import socket

import psutil

CLOCK_SET = 10.0  # seconds by which setting the clock may move the start of a process


def this_process() -> str:
    """Host, process id and start of this process."""
    process = psutil.Process()
    return f"{socket.gethostname()} {process.pid} {process.create_time():.2f}"


def is_gone(process: str) -> bool:
    """Whether a process of this host has ended; those of other hosts, and unreadable names, are taken to live.

    Args:
        process: what `this_process` returned there.
    """
    try:
        host, pid, started = process.split(" ")
        if host != socket.gethostname():
            return False
        return abs(psutil.Process(int(pid)).create_time() - float(started)) > CLOCK_SET  # its id is used again
    except psutil.NoSuchProcess:
        return True
    except (ValueError, psutil.AccessDenied):
        return False
