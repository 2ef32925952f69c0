"""`make mlflow-server`: MLflow's server on PostgreSQL, for jobs on several hosts; runs until it is interrupted.

The database is the one named in CSDN_TRACKING_DATABASE or, by default, a private one in the server's folder, reachable
only through a local socket. Metrics and parameters are in the database, files in `artifacts`.
"""

from __future__ import annotations

import argparse
import getpass
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from csdn.errors import UserError

DATABASE_VARIABLE = "CSDN_TRACKING_DATABASE"  # postgresql://user:password@host/database
DATABASE = "mlflow"
INSTALL = "install PostgreSQL (Debian: apt-get install postgresql), or name a database in " + DATABASE_VARIABLE


def server_command(database: str, artifacts: Path, host: str, port: int, workers: int) -> list[str]:
    """The command line of MLflow's server, which also stores and serves the artifacts."""
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", str(workers)),
        *("--backend-store-uri", database, "--artifacts-destination", artifacts.resolve().as_uri()),
    ]


def postgres_programs() -> Path:
    """The folder of `initdb` and `postgres`; Debian keeps them out of PATH.

    Raises:
        UserError: PostgreSQL is not installed.
    """
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise UserError(f"PostgreSQL: no initdb in PATH or /usr/lib/postgresql; {INSTALL}")


def _version(programs: Path) -> list[int]:
    """`[9, 6]` of `/usr/lib/postgresql/9.6/bin`."""
    return [int(number) for number in re.findall(r"\d+", programs.parent.name)]


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run a private PostgreSQL on the data in `folder`, which are created if necessary, and yield its URI.

    PostgreSQL refuses to run as root; root starts it as the user `postgres` of Debian's package.

    Raises:
        UserError: PostgreSQL is not installed or does not start.
    """
    programs, user = postgres_programs(), getpass.getuser()
    run_as: list[str] = []
    if os.geteuid() == 0:
        user = "postgres"
        try:
            account = pwd.getpwnam(user)
        except KeyError:
            raise UserError(f"PostgreSQL: cannot run as root, and there is no user `postgres`; {INSTALL}") from None
        run_as = ["runuser", "-u", user, "--"]
    folder.mkdir(parents=True, exist_ok=True)
    data = folder.resolve() / "postgres"
    # A socket's path is limited to about 100 characters, so it cannot be in `folder`, whose path may be longer.
    sockets = Path(tempfile.mkdtemp(prefix="csdn-"))
    for path in (data, sockets):
        path.mkdir(mode=0o700, exist_ok=True)
        if run_as:
            os.chown(path, account.pw_uid, account.pw_gid)
    control = [*run_as, str(programs / "pg_ctl"), "-D", str(data), "-w", "-s", "-l", str(data / "server.log")]
    try:
        if not (data / "PG_VERSION").exists():
            _call([*run_as, str(programs / "initdb"), "-D", str(data), "-U", user, "-A", "trust", "-E", "UTF8"])
        _call([*control, "start", "-o", f"-c listen_addresses='' -c unix_socket_directories='{sockets}'"])
        try:
            connect = [*run_as, str(programs / "psql"), "-h", str(sockets), "-U", user, "-d", "postgres"]
            if DATABASE not in _call([*connect, "-Atc", "SELECT datname FROM pg_database"]).split():
                _call([*connect, "-c", f"CREATE DATABASE {DATABASE}"])
            yield f"postgresql://{user}@/{DATABASE}?host={sockets}"
        finally:
            _call([*control, "stop", "-m", "fast"])
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


def _call(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")  # noqa: S603
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        program = command[command.index("--") + 1 if "--" in command else 0]
        raise UserError(f"PostgreSQL: {Path(program).name}: {lines[-1]}; see server.log next to its data")
    return done.stdout


def serve(folder: Path, host: str, port: int, workers: int) -> int:
    """Run the server until it ends or is interrupted, and return its exit code.

    Raises:
        UserError: PostgreSQL or its driver is not installed, or the database does not start.
    """
    try:
        import psycopg2  # noqa: F401
    except ImportError:
        raise UserError(
            "PostgreSQL's driver is missing: .venv/bin/pip install -c constraints.txt -e '.[server]'"
        ) from None
    artifacts = folder / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    if given := os.environ.get(DATABASE_VARIABLE):
        return _serve_on(given, artifacts, host, port, workers)
    with postgres(folder) as database:
        return _serve_on(database, artifacts, host, port, workers)


def _serve_on(database: str, artifacts: Path, host: str, port: int, workers: int) -> int:
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = server_command(database, artifacts, host, port, workers)
    server = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603

    def end(number: int, _: FrameType | None) -> None:
        os.killpg(server.pid, signal.SIGTERM)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        print(f"export MLFLOW_TRACKING_URI=http://{host}:{port}", flush=True)
        code = server.wait()
        return 0 if code in (-signal.SIGTERM, -signal.SIGINT) else code
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> None:
    """Parse the arguments and serve; wrong input gives one line and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m csdn.tracking.server", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the database and the artifacts")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    try:
        sys.exit(serve(given.folder, given.host, given.port, given.workers))
    except UserError as error:
        print(f"csdn: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
