"""Which figures the settings require, in the order of the report, and their captions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from csdn.config.params import Params
from csdn.config.shared_keys import semantics_key
from csdn.study.files import PRIMARY, shown_small_clip, shown_variant, stage_one_keys, zero_shot_file
from csdn.study.labels import comparable, in_report_order, protocol_label, selection_note
from csdn.study.sweeps import find_sweep


@dataclass(frozen=True)
class Entry:
    """A figure that the settings require.

    Attributes:
        name: file name without suffix.
        kind: a key of TITLES.
        dataset: of params.yaml, or "" if the figure belongs to none.
        subject: table or protocol that it belongs to, or "".
        caption: what to look for in it.
    """

    name: str
    kind: str
    dataset: str
    subject: str
    caption: str

    @property
    def title(self) -> str:
        """What the figure shows, in words."""
        place = protocol_label(self.subject) if self.kind == "ranks" else ""
        return f"{TITLES[self.kind]}: {place}" if place else TITLES[self.kind]


def figure_entries(params: Params) -> list[Entry]:
    """Every figure that `draw_figures` writes with these settings, in the order of the report."""
    figures = [Entry(PRIMARY, PRIMARY, "", "", CAPTIONS[PRIMARY])] if params.primary else []
    figures += [figure for dataset in in_report_order(params) for figure in _of_dataset(params, dataset)]
    if zero_shot_file(params):
        draw = f" The small CLIP of draw {shown}." if (shown := shown_small_clip(params)) else ""
        figures.append(Entry("clip_zero_shot", "zero_shot", "", "", CAPTIONS["zero_shot"] + draw))
    return figures


def is_described(params: Params, dataset: str) -> bool:
    """Whether the shown variant was trained with its own descriptions, so that its images can be compared with them."""
    shown = shown_variant(params, dataset)
    return bool(shown and semantics_key(params, shown) and params.variant(shown).encoder.text == "learned")


def has_maps(params: Params, variant: str) -> bool:
    """Whether a variant's image tower is a ResNet, which ends in a map of positions, unlike a vision transformer."""
    return "vit" not in params.variant(variant).clip.model.lower()


def _of_dataset(params: Params, dataset: str) -> Iterator[Entry]:
    def entry(kind: str, shows: Iterable[str] = (), *, suffix: str = "", subject: str = "", first: str = "") -> Entry:
        caption = f"{first}{CAPTIONS[kind]}{selection_note(params, shows)}"
        return Entry(f"{dataset}_{suffix or kind}", kind, dataset, subject, caption)

    variants = params.variants_of(dataset)
    yield entry("contact_sheet", first="First draw. " if params.datasets[dataset].has_draws else "")
    for name, table in params.tables.items():
        present = [variant for variant in table.variants if variant in variants]
        if present:
            yield entry("components", present, suffix=f"{name}_scores", subject=name)
            yield entry("matches", present, suffix=f"{name}_matches", subject=name)
            if find_sweep(params, name, dataset):
                yield entry("sweep", present, suffix=f"{name}_sweep", subject=name)
        if any(a in variants and b in variants and comparable(params, a, b) for a, b in table.differences):
            yield entry("differences", present, suffix=f"{name}_differences", subject=name)
    if stage_one_keys(params, dataset)[0]:
        yield entry("stage_one")
    shown = shown_variant(params, dataset)
    if shown:
        run = f"Variant {shown}, first run. "
        if is_described(params, dataset):
            yield entry("descriptions", [shown], first=run)
        yield entry("training", params.trained_variants_of(dataset))
        yield entry("plane", [shown], first=run)
    yield entry("distances", variants)
    if shown:
        if has_maps(params, shown):
            yield entry("maps", [shown], first=run)
        for protocol in _shown_protocols(params, dataset):
            yield entry("ranks", [shown], suffix=f"ranks_{protocol}", subject=protocol, first=run)


def _shown_protocols(params: Params, dataset: str) -> list[str]:
    """Both directions; but only the first of SYSU-MM01's four protocols, because they have the same queries."""
    protocols = params.protocols_of(dataset)
    return protocols[:1] if params.datasets[dataset].layout == "sysu_mm01" else protocols


TITLES = {
    PRIMARY: "The primary question",
    "contact_sheet": "What the images look like",
    "components": "Variants",
    "matches": "Cumulative match curves",
    "sweep": "Sweep of one setting",
    "differences": "Differences",
    "stage_one": "Stage 1: do the descriptions fit?",
    "descriptions": "Each image and its own description",
    "training": "Stage 2: training",
    "plane": "Features before and after training",
    "distances": "Distances within and between identities",
    "maps": "Where the network looks",
    "ranks": "Rank lists",
    "zero_shot": "What the small CLIP can name",
}
CAPTIONS = {
    PRIMARY: "One panel a setting. Large mark: mean over draws. Ticks below it: single draws, each with people, "
    "cameras and trainings of its own. Bar, from three draws on: t-interval over draws, at the level of the test. "
    "Filled: supported. Hollow: not supported, or not tested. Contrasts that were not run have no mark.",
    "contact_sheet": "Test identities drawn at random; all images are shown as the encoder gets them. For each row: "
    "could a person tell from the visible images which infrared images belong to it?",
    "components": "Large mark: mean over runs. Ticks below it: single runs. Bar: 95 % bootstrap interval over test "
    "identities. If the ticks of two variants interleave, repeating the training can reverse their order.",
    "matches": "Share of queries whose first match is found within the first k ranks, mean over runs. Bars at ranks "
    "1, 5, 10 and 20, side by side: 95 % bootstrap intervals over test identities. Variants have the same test "
    "identities, so overlapping bars do not rule out a difference: the paired tests above decide.",
    "sweep": "Variants of the table that differ in this number only, evenly spaced whatever its values. Bar: 95 "
    "% bootstrap interval over test identities; short lines: single runs; filled: the value of the variant that the "
    "other figures show. A flat line means that the setting hardly matters within this range.",
    "differences": "Each difference paired by run and identity. Bar: 95 % interval over test identities, which holds "
    "for all rows of the table at once, but for the models trained here only: it covers neither other trainings nor "
    "other people to train on. Ticks: single runs. Hollow: the bar contains zero.",
    "stage_one": "Share of training images whose own identity's description is the nearest of all. Descriptions with "
    "a low share carry little information about the identity into stage 2.",
    "descriptions": "Training images drawn at random, one mark each: cosine similarity to the description of its own "
    "identity against that to the nearest other description. Above the line its own description is nearer. Upper "
    "row: the frozen CLIP that the descriptions were learned with. Lower row: the encoder after stage 2, whose "
    "features the semantic loss pulls to them; a lower share there means that the other losses pulled harder.",
    "training": "Mean over runs; thin lines are single runs. If there is a validation mAP: a baseline whose mAP still "
    "rises at the last epoch is under-trained, and any gain over it would flatter the method.",
    "plane": "Test images of up to 20 random identities by t-SNE of their descriptors, numbered next to the visible "
    "ones. Before training the two modalities are apart and long lines cross; afterwards an identity's circles and "
    "triangles should meet. Each panel has its own coordinates: only neighbourhoods have a meaning, not the size of "
    "gaps. The share above each panel is computed from the descriptors themselves.",
    "distances": "Shares of all pairs of test images by their cosine distance, first run of each variant; areas are "
    "equal. Overlap is the area that both have in common: 0 separates everyone, 1 no one. Retrieval uses the pairs "
    "on the right, visible to infrared.",
    "maps": "One person a row, drawn at random. Attention: weights of the attention pool, mean over its heads. "
    "Grad-CAM: what in the last map makes the descriptors of these two images similar. Yellow is the strongest cell "
    "of a map, purple is zero; cells are not interpolated. Heat on the background, or on different parts of the "
    "body in the two modalities, would mean that something other than the person is matched.",
    "ranks": "On the left the query, then the first ten gallery images. Solid green frame and tick: the same person; "
    "dashed orange frame and cross: another person. Queries are drawn at random, half of them failures.",
    "zero_shot": "Balanced accuracy on held-out people if the class is the one whose sentences are nearest to the "
    "image. Tick: chance. Infrared images show no colours, so those are not tested. The shorter the bar, the less of "
    "that attribute a description can express.",
}
