"""A resident process that has imported everything: jobs are forked from it instead of importing for ten seconds each.

`python -m csdn.launch.preloaded SOCKET PARENT` serves as long as its parent process lives; `scripts/snake` starts it
beside Snakemake and names the socket in CSDN_PRELOADED. A `csdn` that finds it there hands over its arguments, folder,
environment and standard streams, waits, and ends as its job ended. One that finds none does its work itself, so
nothing depends on it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import csdn

VARIABLE = "CSDN_PRELOADED"  # path of the socket, relative to the folder that jobs run in
MODULES = (
    *("alembic.command", "csdn.cli.main"),
    *("csdn.jobs.pretraining", "csdn.jobs.training", "csdn.jobs.evaluation", "csdn.jobs.explanation"),
    *("csdn.evaluation.scoring", "csdn.figures.draw", "csdn.reporting.page", "csdn.reporting.tables"),
    *("csdn.tracking.scores", "mlflow", "mlflow.store.tracking.sqlalchemy_store"),
    *("pyarrow.dataset", "pyarrow.pandas_compat", "pyarrow.parquet", "safetensors.numpy"),
)
LOOK_EVERY = 1.0  # seconds between looks at whether the parent still lives
_NUMBER = struct.Struct("!i")


def identity() -> list[str]:
    """What server and client must have in common: the interpreter and the code."""
    return [str(Path(sys.prefix).resolve()), str(Path(csdn.__file__).resolve())]


def run_there(arguments: Sequence[str]) -> int | None:
    """Run `csdn ARGUMENTS` in a fork of the resident process and return its exit code.

    None where there is no such process, or one of another installation: the caller then does the work itself.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError:
            return None
        request = {"arguments": list(arguments), "folder": str(Path.cwd()), "environment": dict(os.environ)}
        message = json.dumps(request | {"identity": identity()}).encode()
        try:
            socket.send_fds(connection, [_NUMBER.pack(len(message))], [0, 1, 2])
            connection.sendall(message)
            job = _receive_number(connection)
        except OSError:
            return None
        if not job:
            return None
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, lambda received, _: os.kill(job, received))
        code = _receive_number(connection)
        if code is None:  # the resident process is gone
            with contextlib.suppress(ProcessLookupError):
                os.kill(job, signal.SIGTERM)
            return 1
        return code


def serve(path: str, parent: int, modules: Sequence[str] = MODULES) -> None:
    """Fork jobs until the process `parent`, whose child this one is, is gone.

    `modules` are imported once the first job runs, so that a workflow with nothing to do costs nothing.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the jobs; this process ends with its parent
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the socket is removed
    Path(path).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.umask(0o077)
        listener.bind(path)
        os.umask(before)
        listener.listen(64)
        own = Path(path).stat().st_ino
        try:
            _Server(listener, modules).run(parent)
        finally:
            # The next run may have bound its own by now: this process sees after a while only that its parent ended.
            with contextlib.suppress(FileNotFoundError):
                if Path(path).stat().st_ino == own:
                    Path(path).unlink()


def _preload(modules: Sequence[str]) -> None:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"  # before the import, which reads them
    for module in modules:
        importlib.import_module(module)
    gc.freeze()  # a collection in a fork then leaves the shared pages alone


class _Server:
    """Accepts jobs, forks them and reports how they ended; no threads, so that forking is safe."""

    def __init__(self, listener: socket.socket, modules: Sequence[str]) -> None:
        self._listener = listener
        self._modules = modules
        self._clients: dict[int, socket.socket] = {}  # by process id of the job
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._wake, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wakes)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the selector
        self._selector.register(self._wake, selectors.EVENT_READ)

    def run(self, parent: int) -> None:
        while os.getppid() == parent:
            for key, _ in self._selector.select(LOOK_EVERY):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj == self._wake:
                    os.read(self._wake, 512)
                else:
                    self._client_left(key.data)
            self._reap()
        for job in self._clients:
            os.kill(job, signal.SIGTERM)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        streams: list[int] = []
        try:
            connection.settimeout(10)
            request, streams = _receive_request(connection)
            if request["identity"] != identity():
                connection.sendall(_NUMBER.pack(0))
                connection.close()
                return
            job = os.fork()
            if job == 0:
                self._become(request, streams, connection)
            connection.sendall(_NUMBER.pack(job))
        except (OSError, ValueError, KeyError):
            connection.close()
            return
        finally:
            for stream in streams:
                os.close(stream)
        self._clients[job] = connection
        self._selector.register(connection, selectors.EVENT_READ, job)
        _preload(self._modules)
        self._modules = ()

    def _client_left(self, job: int) -> None:
        """A client sends nothing after its request: what arrives is its end, and its job ends with it."""
        self._selector.unregister(self._clients[job])
        with contextlib.suppress(ProcessLookupError):
            os.kill(job, signal.SIGTERM)

    def _reap(self) -> None:
        while self._clients:
            job, status = os.waitpid(-1, os.WNOHANG)
            if not job:
                return
            connection = self._clients.pop(job)
            with contextlib.suppress(KeyError):
                self._selector.unregister(connection)
            code = os.waitstatus_to_exitcode(status)
            with connection, contextlib.suppress(OSError):
                connection.sendall(_NUMBER.pack(code if code >= 0 else 128 - code))

    def _become(self, request: dict[str, Any], streams: list[int], connection: socket.socket) -> NoReturn:
        """In the fork: take the client's place and run its command."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for inherited in (self._listener, connection, *self._clients.values()):
                inherited.close()  # so that a client sees the end of the server
            for target, stream in enumerate(streams):
                os.dup2(stream, target)
            os.chdir(request["folder"])
            os.environ.clear()
            os.environ.update(request["environment"])
            os.environ.pop(VARIABLE, None)
            sys.argv = ["csdn", *request["arguments"]]
            from csdn.cli.main import main

            main(request["arguments"])
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else int(bool(ending.code))
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


def _receive_request(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, streams, _, _ = socket.recv_fds(connection, _NUMBER.size, 3)
    if len(head) != _NUMBER.size or len(streams) != 3:
        raise ValueError("not a request")
    left, parts = _NUMBER.unpack(head)[0], []
    while left:
        part = connection.recv(min(left, 1 << 16))
        if not part:
            raise ValueError("cut short")
        parts.append(part)
        left -= len(part)
    return json.loads(b"".join(parts)), streams


def _receive_number(connection: socket.socket) -> int | None:
    data = connection.recv(_NUMBER.size, socket.MSG_WAITALL)
    return _NUMBER.unpack(data)[0] if len(data) == _NUMBER.size else None


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
