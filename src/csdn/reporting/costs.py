"""The table of costs: what each variant trains, computes and takes, and what it gains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from csdn.artifacts.files import write_csv, write_json, write_text
from csdn.reporting.tables import percent
from csdn.study.files import COSTS
from csdn.study.labels import MINUS, protocol_label

CostRow = dict[str, Any]

STAGES = ("prompts", "fusion", "encoder")
COLUMNS = [
    "dataset", "variant", "runs",
    *[f"{stage}_{kind}" for kind in ("parameters", "flops", "seconds") for stage in STAGES],
    "parameters", "training_flops", "training_seconds", "image_flops", "activation_bytes", "protocol", "map_mean",
    "above", "added_parameters", "added_flops", "added_seconds", "added_map",
]  # fmt: skip
ADDED = {"parameters": "parameters", "flops": "training_flops", "seconds": "training_seconds", "map": "map_mean"}
CAPTION = "What each variant costs, and what it gains"
NOTE = (
    "Trainable parameters; operations of the training (forward and backward, a multiplication and an addition counting "
    "as two; matrix products, convolutions and attention only); operations of one image's descriptor; what a step of "
    "stage 2 keeps for its backward pass in float32; seconds of training, mean over runs, each stage as if the variant "
    "had trained it alone. In parentheses: the change from the row above. Seconds include the effect of whatever else "
    "was running."
)


def add_differences(rows: Sequence[CostRow]) -> list[CostRow]:
    """Rows of one dataset with their change from the row above; None in the first row."""
    out: list[CostRow] = []
    for row in rows:
        above = out[-1] if out else dict.fromkeys(["variant", *ADDED.values()])
        added = {f"added_{name}": _difference(row[key], above[key]) for name, key in ADDED.items()}
        out.append(row | {"above": above["variant"]} | added)
    return out


def write_costs(rows: Sequence[CostRow], modules: dict[str, Any], folder: Path) -> None:
    """Write costs.csv, costs.md and costs.json.

    Args:
        rows: COLUMNS of each dataset and variant.
        modules: costs of the modules, by dataset and variant, for the JSON file.
    """
    write_csv(folder / f"{COSTS}.csv", pd.DataFrame(list(rows), columns=COLUMNS))
    write_text(folder / f"{COSTS}.md", to_markdown(rows))
    content = {"table": COSTS, "caption": CAPTION, "note": NOTE, "rows": list(rows), "modules": modules}
    write_json(folder / f"{COSTS}.json", content)


def to_markdown(rows: Sequence[CostRow]) -> str:
    """The table as GitHub Markdown."""
    cells = [{"Dataset": row["dataset"]} | cost_cells(row) for row in rows]
    header = list(cells[0]) if cells else ["Dataset", "Variant"]
    lines = [f"**{CAPTION}**", "", "| " + " | ".join(header) + " |"]
    lines.append("|" + "|".join(" --- " if i < 2 else " ---: " for i in range(len(header))) + "|")
    lines += ["| " + " | ".join(cell.values()) + " |" for cell in cells]
    return "\n".join([*lines, "", NOTE]) + "\n"


def cost_cells(row: CostRow) -> dict[str, str]:
    """The cells of a row as displayed, without the dataset."""
    return {
        "Variant": row["variant"],
        "Parameters": _with_added(row["parameters"], row["added_parameters"], quantity),
        "Training FLOPs": _with_added(row["training_flops"], row["added_flops"], quantity),
        "FLOPs an image": quantity(row["image_flops"]),
        "Step memory": f"{row['activation_bytes'] / 2**20:,.0f} MiB",
        "Seconds": _with_added(row["training_seconds"], row["added_seconds"], "{:,.0f}".format),
        "mAP": _with_added(row["map_mean"], row["added_map"], percent),
    }


def cost_group(rows: Sequence[CostRow]) -> dict[str, Any]:
    """One dataset's rows as the page shows them, with the protocol of the gain as heading."""
    protocol = f"mAP: {protocol_label(rows[0]['protocol'])}" if rows else ""
    return {"caption": CAPTION, "note": NOTE, "protocol": protocol, "rows": [cost_cells(row) for row in rows]}


def quantity(value: float) -> str:
    """A number with a unit prefix: 39.8 M, 11.9 G."""
    for size, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.1f} {prefix}"
    return f"{value:.0f}"


def _with_added(value: float | None, added: float | None, show: Callable[[Any], str]) -> str:
    change = "" if added is None else f" ({'+' if added >= 0 else MINUS}{show(abs(added))})"
    return f"{show(value)}{change}"


def _difference(value: float | None, above: float | None) -> float | None:
    return None if value is None or above is None else value - above
