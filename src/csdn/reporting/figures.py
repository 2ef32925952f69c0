"""Draw every figure of the report from the files in results/ and data/, as PNG and SVG with reproducible bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import matplotlib as mpl
import matplotlib.style
from matplotlib.figure import Figure

from csdn.artifacts import atomic, read_tensors
from csdn.config import Params
from csdn.errors import UserError
from csdn.reporting import charts, places, selection, sheets
from csdn.reporting.comparison import Row, protocol_order, supported
from csdn.reporting.labels import comparable, protocol_label, selection_note
from csdn.reporting.retrieval import first_trial

FORMATS = ("png", "svg")


@dataclass(frozen=True)
class Planned:
    """A figure that the settings call for.

    Attributes:
        name: file name without suffix.
        kind: "contact_sheet", "training", "stage_one", "components", "differences", "matches" or "ranks".
        dataset: of params.yaml.
        subject: table or protocol it belongs to, or "".
        caption: what to see in it.
    """

    name: str
    kind: str
    dataset: str
    subject: str
    caption: str


def planned_figures(params: Params) -> list[Planned]:
    """Every figure that `draw_figures` writes with these settings, in the order of the report."""
    return [figure for dataset in params.datasets for figure in _of_dataset(params, dataset)]


def draw_figures(params: Params, output_folder: Path | str) -> list[Path]:
    """Write `<name>.png` and `<name>.svg` of every planned figure.

    Returns:
        The files written.

    Raises:
        UserError: an input is missing or malformed.
    """
    with style():
        drawn = {planned.name: _DRAW[planned.kind](params, planned) for planned in planned_figures(params)}
        return [path for name, figure in drawn.items() for path in save(figure, Path(output_folder) / name)]


@contextmanager
def style() -> Iterator[None]:
    """Context in which figures look like this project's: one style file over matplotlib's defaults."""
    with (
        as_file(files("csdn.reporting") / "templates" / "style.mplstyle") as path,
        matplotlib.style.context(path, after_reset=True),
    ):
        yield


def save(figure: Figure, base: Path) -> list[Path]:
    """Write `<base>.png` and `<base>.svg`; equal figures give equal bytes."""
    written = []
    with mpl.rc_context({"svg.hashsalt": base.name}):
        for kind in FORMATS:
            for image in (image for axis in figure.axes for image in axis.images):
                image.set_interpolation(
                    "none" if kind == "svg" else "bilinear"
                )  # SVG: viewers scale the original pixels
            metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
            with atomic(base.with_name(f"{base.name}.{kind}")) as temporary:
                figure.savefig(temporary, format=kind, metadata=metadata)
            figure.set_layout_engine("none")  # laid out once: the second format is the same picture
            written.append(base.with_name(f"{base.name}.{kind}"))
    return written


def _of_dataset(params: Params, dataset: str) -> list[Planned]:
    variants = params.variants_of(dataset)
    plan = [
        Planned(f"{dataset}_contact_sheet", "contact_sheet", dataset, "", _CAPTIONS["contact_sheet"]),
    ]
    for name, table in params.tables.items():
        shown = [variant for variant in table.variants if variant in variants]
        note = selection_note(params, shown)
        if shown:
            plan.append(Planned(f"{dataset}_{name}", "components", dataset, name, _CAPTIONS["components"] + note))
            plan.append(Planned(f"{dataset}_{name}_matches", "matches", dataset, name, _CAPTIONS["matches"] + note))
        if any(a in variants and b in variants and comparable(params, a, b) for a, b in table.differences):
            caption = _CAPTIONS["differences"] + note
            plan.append(Planned(f"{dataset}_{name}_differences", "differences", dataset, name, caption))
    if places.stage_one_keys(params, dataset)[0]:
        plan.append(Planned(f"{dataset}_stage_one", "stage_one", dataset, "", _CAPTIONS["stage_one"]))
    if places.trained_variants(params, dataset):
        caption = _CAPTIONS["training"] + selection_note(params, places.trained_variants(params, dataset))
        plan.append(Planned(f"{dataset}_training", "training", dataset, "", caption))
        variant = shown_variant(params, dataset)
        for protocol in _shown_protocols(params, dataset):
            caption = f"{protocol_label(protocol)}, variant {variant}, first run. {_CAPTIONS['ranks']}"
            caption += selection_note(params, [variant])
            plan.append(Planned(f"{dataset}_ranks_{protocol}", "ranks", dataset, protocol, caption))
    return plan


def shown_variant(params: Params, dataset: str) -> str:
    """The variant whose rank lists are shown: `csdn`, else the last that is trained."""
    trained = places.trained_variants(params, dataset)
    return "csdn" if "csdn" in trained else trained[-1]


def looks(params: Params) -> dict[str, charts.Look]:
    """A look for each variant by its place in params.yaml; what is not trained is grey."""
    untrained = [name for name in params.variants if params.variant(name).encoder.epochs == 0]
    trained = [name for name in params.variants if name not in untrained]
    return charts.looks(trained) | dict.fromkeys(untrained, charts.UNTRAINED)


def _shown_protocols(params: Params, dataset: str) -> list[str]:
    """Both directions; of SYSU-MM01's four protocols, which have the same queries, the first."""
    protocols = params.protocols_of(dataset)
    return protocols[:1] if params.datasets[dataset].layout == "sysu_mm01" else protocols


def _draw_contact_sheet(params: Params, planned: Planned) -> Figure:
    index, cache = places.read_images(params, planned.dataset)
    people = selection.portraits(index, cache, params.datasets[planned.dataset].splits[0])
    if not people:
        raise UserError(f"data/index/{planned.dataset}.parquet: no test identity in both modalities; index it again")
    return sheets.contact_sheet(people)


def _draw_training(params: Params, planned: Planned) -> Figure:
    return charts.training_curves(places.encoder_histories(params, planned.dataset), looks(params))


def _draw_stage_one(params: Params, planned: Planned) -> Figure:
    return charts.stage_one_curves(places.stage_one_histories(params, planned.dataset))


def _draw_components(params: Params, planned: Planned) -> Figure:
    rows = _rows(params, planned, planned.subject)
    return charts.component_chart(rows, params.tables[planned.subject].variants, looks(params))


def _draw_matches(params: Params, planned: Planned) -> Figure:
    return charts.match_curves(_rows(params, planned, planned.subject), looks(params))


def _draw_differences(params: Params, planned: Planned) -> Figure:
    rows = _rows(params, planned, f"{planned.subject}_differences")
    return charts.difference_chart([row | {"supported": supported(row)} for row in rows])


def _draw_ranks(params: Params, planned: Planned) -> Figure:
    dataset = params.datasets[planned.dataset]
    index, cache = places.read_images(params, planned.dataset)
    folder = places.run_folder(params, planned.dataset, shown_variant(params, planned.dataset))
    embeddings = read_tensors(folder / "embeddings.safetensors")
    permutations = places.read_permutations(params, planned.dataset)
    rows, features = embeddings["rows"], embeddings["features"]
    task = first_trial(index, dataset.splits[0], planned.subject, rows, features, permutations)
    found, missed = selection.ranked(index, cache, task)
    if not found and not missed:
        raise UserError(f"{planned.dataset}, {planned.subject}: no query has a match in the gallery; check the index")
    return sheets.rank_lists(found, missed)


def _rows(params: Params, planned: Planned, table: str) -> list[Row]:
    protocols = params.protocols_of(planned.dataset)
    rows = [row for row in places.read_table(params, table) if row["dataset"] == planned.dataset]
    if not rows:
        raise UserError(f"tables/{table}.json: no row of {planned.dataset}; score it and run compare-variants again")
    return [row for protocol in protocol_order(rows, protocols) for row in rows if row["protocol"] == protocol]


_DRAW: dict[str, Callable[[Params, Planned], Figure]] = {
    "contact_sheet": _draw_contact_sheet,
    "training": _draw_training,
    "stage_one": _draw_stage_one,
    "components": _draw_components,
    "matches": _draw_matches,
    "differences": _draw_differences,
    "ranks": _draw_ranks,
}
_CAPTIONS = {
    "contact_sheet": "Test identities drawn at random, all images as the encoder gets them. Ask of each row: could a "
    "person tell from the visible images which infrared images belong to it?",
    "components": "Large mark: mean over runs. Ticks below it: the single runs. Bar: 95 % bootstrap interval over test "
    "identities. Where the ticks of two variants interleave, training alone can exchange them.",
    "matches": "Share of queries whose first match is found within the first k ranks, mean over runs.",
    "differences": "Each difference paired by run and identity. Bar: 95 % bootstrap interval over test identities; "
    "ticks: single runs. Filled: Holm-corrected p below 0.05 and the same sign in every run. Hollow: not supported.",
    "stage_one": "Share of training images whose own identity's description is the nearest of all. Descriptions that "
    "do not reach a high share carry little of the identity into stage 2.",
    "training": "Mean over runs, single runs thin. A baseline whose validation mAP still rises at the last epoch is "
    "under-trained, and any gain over it would flatter the method.",
    "ranks": "Left the query, then the first ten gallery images. Solid green frame and tick: the same person; dashed "
    "orange frame and cross: another. Queries are drawn at random, half of them failures.",
}
