"""Names as a reader sees them: datasets, protocols, loss terms."""

from csdn.config import EMBEDDED, Dataset

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
SUFFIXES = {"-official": "official gallery", "-reranked": "re-ranked"}


def protocol_label(protocol: str) -> str:
    """A protocol in words, its gallery and re-ranking included."""
    base, *suffixes = protocol.split("-")
    words = [PROTOCOL_LABELS.get(base, base.replace("_", " "))]
    return ", ".join(words + [SUFFIXES.get(f"-{suffix}", suffix) for suffix in suffixes])


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
