"""The section `tracking` of params.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from csdn.config.base import Folder, Strict


class Tracking(Strict):
    """Where runs are recorded."""

    backend: Literal["mlflow", "none"] = Field("mlflow", description="`none` records nothing.")
    store: Folder = Field("mlruns", description="Folder of the SQLite database; MLFLOW_TRACKING_URI overrides it.")
    project: str = Field(
        "csdn", min_length=1, description="First part of the experiments' names, which keeps settings apart."
    )
