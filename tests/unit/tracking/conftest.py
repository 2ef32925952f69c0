"""A store that tests of this folder share, each with experiments of its own."""

import pytest

from csdn.config.tracking import Tracking


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return Tracking(store=str(tmp_path_factory.mktemp("tracking") / "mlruns"))


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
