"""One of several processes that log at once: `log_a_run.py KEY STEPS`, to MLFLOW_TRACKING_URI."""

import sys
from pathlib import Path

from csdn.config.tracking import Tracking
from csdn.tracking.runs import open_tracker

key, steps = sys.argv[1], int(sys.argv[2])
number = int(key.rpartition("_")[2])
with open_tracker(Tracking(store="unused"), key, replace=True) as tracker:
    tracker.params({"encoder": {"epochs": steps}, "seed": number})
    for step in range(steps):
        tracker.metrics({"loss": number + step / steps, "validation_map": step}, step)
    tracker.artifact(Path(__file__))
