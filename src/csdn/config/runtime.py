"""The section `runtime` of params.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from csdn.config.base import Count, Folder, Strict, Weight


class Runtime(Strict):
    """Where things are written and what they run on; never changes what a result means."""

    data: Folder = Field("data", description="Folder of rendered images, indices and caches.")
    results: Folder = Field("results", description="Folder of models, scores, tables and the report.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="`auto`: a GPU if one can be used.")
    threads: Count = Field(1, description="CPU threads of a training job.")
    pretraining_threads: Count = Field(
        2, description="CPU threads of the small CLIP's pre-training, which all other jobs wait for."
    )
    deterministic: bool = Field(True, description="Use deterministic kernels only.")
    compile: bool = Field(False, description="Compile the encoder's network with torch.compile (needs a C++ compiler).")
    scratch: Folder | None = Field(
        None,
        description="Folder on a node's own disk, such as `$TMPDIR`; pixel caches are copied to it once, verified, and "
        "read from there (null: they are read where they are).",
    )
    checkpoint_seconds: Weight = Field(
        60.0,
        description="Seconds between checkpoints within an epoch; each epoch also ends with one. 0: after every step.",
    )
