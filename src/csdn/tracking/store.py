"""MLflow's embedded store: one SQLite file, created once, safe for many jobs at the same time."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from csdn.config.loading import load_params
from csdn.errors import UserError, first_line

if TYPE_CHECKING:
    from mlflow import MlflowClient


def ensure_store(folder: Path | str) -> str:
    """The URI of the SQLite store in `folder`, which is created if necessary.

    Several processes that create the database at the same time would damage it, so it is created under a lock, once, in
    WAL mode.

    Raises:
        UserError: the folder cannot be written, or the database is not usable by this version of MLflow.
    """
    root = Path(folder).resolve()
    database, ready = root / "mlflow.db", root / ".ready"
    uri = f"sqlite:///{database}"
    if ready.exists() and database.exists():
        return uri
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / ".lock").acquire()
    except OSError as error:
        raise UserError(
            f"tracking.store: {root} cannot be written ({error.strerror}); choose another folder"
        ) from error
    with lock:
        if not (ready.exists() and database.exists()):
            ready.unlink(missing_ok=True)
            _create(uri, database)
            ready.touch()
    return uri


def _create(uri: str, database: Path) -> None:
    quiet = [logging.getLogger(name) for name in ("alembic", "mlflow.store.db.utils")]
    for logger in quiet:
        logger.setLevel(logging.WARNING)
    try:
        mlflow_client(uri).search_experiments(max_results=1)  # creates or migrates the tables
    except Exception as error:
        raise UserError(
            f"{database}: cannot be used by this version of MLflow ({first_line(error)}); move it away, or upgrade it"
        ) from error
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def mlflow_client(uri: str) -> MlflowClient:
    """MLflow's client, imported late (it takes seconds) and without telemetry."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # before the import, which reads it
    os.environ["DO_NOT_TRACK"] = "true"
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


if __name__ == "__main__":  # python -m csdn.tracking.store PARAMS...: prints the URI of their store
    print(os.environ.get("MLFLOW_TRACKING_URI") or ensure_store(load_params(sys.argv[1:]).tracking.store))
