"""Names as a reader sees them: datasets, protocols, loss terms."""

from collections.abc import Iterable

from csdn.config.base import EMBEDDED
from csdn.config.datasets import Dataset
from csdn.config.params import Params

LAYOUTS = {"sysu_mm01": "SYSU-MM01", "regdb": "RegDB", "llcm": "LLCM"}
PROTOCOL_LABELS = {
    "sysu_all_single": "All search, single-shot",
    "sysu_all_multi": "All search, multi-shot",
    "sysu_indoor_single": "Indoor search, single-shot",
    "sysu_indoor_multi": "Indoor search, multi-shot",
    "regdb_visible_to_infrared": "Visible to infrared",
    "regdb_infrared_to_visible": "Infrared to visible",
    "llcm_visible_to_infrared": "Visible to infrared",
    "llcm_infrared_to_visible": "Infrared to visible",
}
MINUS = "\N{MINUS SIGN}"
SELECTED_ON_TEST = "-selected_on_test"
SUFFIXES = {"-official": "official gallery", "-reranked": "re-ranked", SELECTED_ON_TEST: "selected on the test set"}


def protocol_label(protocol: str) -> str:
    """A protocol in words, its gallery and re-ranking included."""
    base, *suffixes = protocol.split("-")
    words = [PROTOCOL_LABELS.get(base, base.replace("_", " "))]
    return ", ".join(words + [SUFFIXES.get(f"-{suffix}", suffix) for suffix in suffixes])


def selection_note(params: Params, variants: Iterable[str]) -> str:
    """A sentence for the caption of what shows `variants`, if an epoch of any was chosen on the test set."""
    known = [name for name in variants if params.variant(name).encoder.selection == "best_on_test"]
    return f" Selected on the test set: {', '.join(known)}." if known else ""


def comparable(params: Params, a: str, b: str) -> bool:
    """Whether the epochs of both variants, or of neither, were chosen on the test set."""
    return bool(selection_note(params, [a])) == bool(selection_note(params, [b]))


def in_report_order(params: Params) -> list[str]:
    """Names of the datasets as papers order them: SYSU-MM01, RegDB, LLCM; equal layouts keep their order."""
    layouts = list(LAYOUTS)
    return sorted(params.datasets, key=lambda name: layouts.index(params.datasets[name].layout))


def dataset_label(name: str, dataset: Dataset) -> str:
    """A dataset in words; the embedded benchmark is never called by a real dataset's name alone."""
    layout = LAYOUTS[dataset.layout]
    if dataset.root == EMBEDDED:
        return f"Embedded benchmark, {layout} layout"
    return layout if name == dataset.layout else f"{layout} ({name})"


LOSS_LABELS = {
    "identity": "Identity (CE)",
    "modality_shared": "Modality-shared (MSEL)",
    "triplet": "Triplet (WRT)",
    "semantic_visible": "Semantic, visible (HSE)",
    "semantic_infrared": "Semantic, infrared (HSE)",
}


def loss_label(column: str) -> str:
    """A column of history.csv in words."""
    return LOSS_LABELS.get(column, column.replace("_", " ").capitalize())


def in_table_order(params: Params, variants: list[str]) -> list[str]:
    """Variants as the tables name them, then those that no table names.

    The order does not depend on that of keys in params.yaml, which a job's settings have lost.
    """
    named = [name for _, table in sorted(params.tables.items()) for name in table.variants]
    return [name for name in dict.fromkeys([*named, *sorted(variants)]) if name in variants]
