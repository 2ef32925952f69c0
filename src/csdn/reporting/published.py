"""Results published in papers, shown in a separate table and only with results on the same real dataset."""

from __future__ import annotations

from dataclasses import dataclass

Pair = tuple[float, float]  # Rank-1 and mAP in percent


@dataclass(frozen=True)
class Published:
    """One published row: (Rank-1, mAP) in percent by layout and setting."""

    method: str
    source: str
    figures: dict[str, Pair]


SETTINGS = {
    "sysu_mm01": {"sysu_all_single": "All search", "sysu_indoor_single": "Indoor search"},
    "regdb": {"regdb_visible_to_infrared": "Visible to infrared", "regdb_infrared_to_visible": "Infrared to visible"},
    "llcm": {"llcm_visible_to_infrared": "Visible to infrared", "llcm_infrared_to_visible": "Infrared to visible"},
}
_ALL, _INDOOR = "sysu_all_single", "sysu_indoor_single"
_REGDB, _REGDB_BACK = "regdb_visible_to_infrared", "regdb_infrared_to_visible"
_LLCM, _LLCM_BACK = "llcm_visible_to_infrared", "llcm_infrared_to_visible"
PUBLISHED = (
    Published("AGW", "Ye et al., Deep Learning for Person Re-identification: A Survey and Outlook, TPAMI 2022",
              {_ALL: (47.50, 47.65), _INDOOR: (54.17, 62.97), _REGDB: (70.05, 66.37)}),
    Published("DEEN", "Zhang and Wang, Diverse Embedding Expansion Network, CVPR 2023",
              {_ALL: (74.7, 71.8), _INDOOR: (80.3, 83.3), _REGDB: (91.1, 85.1), _REGDB_BACK: (89.5, 83.4)}),
    Published("MUN", "Yu et al., Modality Unifying Network, ICCV 2023",
              {_ALL: (76.24, 73.81), _INDOOR: (79.42, 82.06), _REGDB: (95.19, 87.15), _REGDB_BACK: (91.86, 85.01)}),
    Published("PartMix", "Kim et al., PartMix, CVPR 2023", {_ALL: (77.78, 74.62), _INDOOR: (81.52, 84.38)}),
    Published("SAAI, with affinity inference", "Fang et al., Semantic Alignment and Affinity Inference, ICCV 2023",
              {_ALL: (75.90, 77.03), _INDOOR: (83.20, 88.01), _REGDB: (91.07, 91.45), _REGDB_BACK: (92.09, 92.01)}),
    Published("IDKL, its code enables re-ranking",
              "Ren and Zhang, Implicit Discriminative Knowledge Learning, CVPR 2024",
              {_ALL: (81.42, 79.85), _INDOOR: (87.14, 89.37), _REGDB: (94.72, 90.19), _REGDB_BACK: (94.22, 90.43)}),
    Published("CSDN", "as quoted by a later paper, doi 10.1145/3767308.3836534",
              {_ALL: (75.2, 71.8), _INDOOR: (82.0, 85.0), _REGDB: (89.0, 84.7), _REGDB_BACK: (88.2, 82.8),
               _LLCM: (63.7, 66.5), _LLCM_BACK: (55.8, 63.5)}),
)  # fmt: skip


def published_rows(layout: str) -> list[Published]:
    """Published rows with a result in one of the layout's settings."""
    return [row for row in PUBLISHED if set(row.figures) & set(SETTINGS[layout])]
