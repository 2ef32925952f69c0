"""The table of descriptions: how alike they are in the two modalities, and how near images are to their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from csdn.config.layouts import MODALITIES
from csdn.config.params import Params
from csdn.config.shared_keys import semantics_key
from csdn.reporting.tables import percent
from csdn.results.report_inputs import Runs, encoder_histories, prompt_histories
from csdn.study.labels import MINUS, in_table_order

CAPTION = "Descriptions"
GROUP = "Training images, mean over runs"
NOTE = (
    "Cosine of the visible and the infrared description of an identity: near 1 they say the same, so that separate "
    "prompts cannot differ from a shared one. Semantic loss of the last epoch (visible / infrared) beside that of "
    "guessing, ln of the number of identities. Nearest to own: share of the training images of each modality, 1,000 at "
    "most, to which their own description is the nearest, in percent, for the frozen CLIP and for the trained encoder; "
    "for permuted descriptions, own is the wrong one that they were pulled to. A dash: not measured."
)
UNKNOWN = "\N{EN DASH}"


def description_group(params: Params, dataset: str) -> dict[str, Any] | None:
    """One dataset's rows as the page shows them; None if no variant is trained with descriptions.

    Raises:
        UserError: a history is missing.
    """
    described = [name for name in params.trained_variants_of(dataset) if semantics_key(params, name) is not None]
    if not described:
        return None
    encoders, prompts = encoder_histories(params, dataset), prompt_histories(params, dataset)
    rows = [description_cells(name, prompts, encoders) for name in in_table_order(params, described)]
    return {"caption": CAPTION, "note": NOTE, "protocol": GROUP, "rows": rows}


def description_cells(variant: str, prompts: Runs, encoders: Runs) -> dict[str, str]:
    """The cells of a variant, from the histories of its runs' prompts and encoders."""
    runs = encoders[variant]
    return {
        "Variant": variant,
        "Cosine, prompts": _number(_last(prompts[variant], "description_cosine"), 3),
        "Cosine, in training": _number(_last(runs, "description_cosine"), 3),
        "Semantic loss": _both(runs, "semantic_{}", lambda value: _number(value, 2)),
        "Guessing": _number(_last(runs, "description_chance"), 2),
        "Nearest to own, frozen": _both(runs, "description_{}_before", percent),
        "Nearest to own, trained": _both(runs, "description_{}_after", percent),
    }


def _last(runs: Sequence[pd.DataFrame], column: str) -> float | None:
    """The mean over runs of a column's last value; None if a run does not have it."""
    if not all(column in run and len(run) and pd.notna(run[column].iloc[-1]) for run in runs):
        return None
    return float(np.mean([run[column].iloc[-1] for run in runs]))


def _both(runs: Sequence[pd.DataFrame], column: str, show: Any) -> str:
    values = [_last(runs, column.format(name)) for name in MODALITIES]
    return " / ".join(UNKNOWN if value is None else show(value) for value in values)


def _number(value: float | None, digits: int) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}".replace("-", MINUS)
