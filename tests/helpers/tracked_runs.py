"""What MLflow's embedded store holds after a test has logged to it."""

from csdn.tracking.runs import open_tracker
from csdn.tracking.store import ensure_store


def client(tracking):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=ensure_store(tracking.store))


def runs(tracking, experiment):
    api = client(tracking)
    return api.search_runs([api.get_experiment_by_name(f"csdn/{experiment}").experiment_id])


def log_once(tracking, *, replace, value=1.0, key="sysu/run", params=None):
    with open_tracker(tracking, key, replace=replace) as tracker:
        tracker.params(params or {})
        tracker.metrics({"map": value})
        return tracker.run_id
