"""Draw every figure of the report from the files in results/ and data/, as PNG and SVG with reproducible bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.figure import Figure

from csdn.artifacts.files import atomic
from csdn.config.params import Params
from csdn.errors import UserError
from csdn.figures import charts, feature_charts, heatmaps, planes, selection, sheets
from csdn.figures.catalogue import Entry, figure_entries
from csdn.figures.distances import distance_histograms
from csdn.figures.retrieval import first_trial
from csdn.results import report_inputs
from csdn.statistics.comparison import Row, protocol_order
from csdn.study.files import PRIMARY, differences_table, shown_split, shown_variant, zero_shot_file
from csdn.study.labels import in_table_order
from csdn.study.paths import index_path
from csdn.study.sweeps import find_sweep

FORMATS = ("png", "svg")


def draw_figures(params: Params, output_folder: Path | str) -> list[Path]:
    """Write `<name>.png` and `<name>.svg` of every figure of the catalogue.

    Returns:
        The files written.

    Raises:
        UserError: an input is missing or malformed.
    """
    with style():
        drawn = {entry.name: DRAW[entry.kind](params, entry) for entry in figure_entries(params)}
        return [path for name, figure in drawn.items() for path in save(figure, Path(output_folder) / name)]


@contextmanager
def style() -> Iterator[None]:
    """Context with this project's style: a style file on top of matplotlib's defaults."""
    with as_file(files("csdn.figures") / "style.mplstyle") as path, matplotlib.style.context(path, after_reset=True):
        yield


def save(figure: Figure, base: Path) -> list[Path]:
    """Write `<base>.png` and `<base>.svg`; equal figures give equal bytes."""
    written = []
    with mpl.rc_context({"svg.hashsalt": base.name}):
        for kind in FORMATS:
            interpolation = "none" if kind == "svg" else "bilinear"  # SVG: viewers scale the original pixels
            for image in (image for axis in figure.axes for image in axis.images):
                image.set_interpolation(interpolation)
            metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
            with atomic(base.with_name(f"{base.name}.{kind}")) as temporary:
                figure.savefig(temporary, format=kind, metadata=metadata)
            figure.set_layout_engine("none")  # laid out only once, so that the second format is the same figure
            written.append(base.with_name(f"{base.name}.{kind}"))
    return written


def variant_styles(params: Params) -> dict[str, charts.MarkStyle]:
    """A style for each variant by its place in the tables; what is not trained is grey."""
    untrained = [name for name in params.variants if params.variant(name).encoder.epochs == 0]
    trained = [name for name in in_table_order(params, list(params.variants)) if name not in untrained]
    return charts.styles_of(trained) | dict.fromkeys(untrained, charts.UNTRAINED)


def _draw_contact_sheet(params: Params, entry: Entry) -> Figure:
    index, cache = report_inputs.read_images(params, entry.dataset)
    split = shown_split(params, entry.dataset)
    people = selection.portraits(index, cache, split)
    if not people:
        path = index_path(params, entry.dataset, split)
        raise UserError(f"{path}: no test identity in both modalities; index it again")
    return sheets.contact_sheet(people)


def _draw_training(params: Params, entry: Entry) -> Figure:
    histories = report_inputs.encoder_histories(params, entry.dataset)
    ordered = {variant: histories[variant] for variant in in_table_order(params, list(histories))}
    return charts.training_curves(ordered, variant_styles(params))


def _draw_stage_one(params: Params, entry: Entry) -> Figure:
    return charts.stage_one_curves(report_inputs.stage_one_histories(params, entry.dataset))


def _draw_components(params: Params, entry: Entry) -> Figure:
    rows = _rows(params, entry, entry.subject)
    return charts.component_chart(rows, params.tables[entry.subject].variants, variant_styles(params))


def _draw_matches(params: Params, entry: Entry) -> Figure:
    return charts.match_curves(_rows(params, entry, entry.subject), variant_styles(params))


def _draw_differences(params: Params, entry: Entry) -> Figure:
    return charts.difference_chart(_rows(params, entry, differences_table(entry.subject)))


def _draw_sweep(params: Params, entry: Entry) -> Figure:
    sweep = find_sweep(params, entry.subject, entry.dataset)
    if sweep is None:
        raise ValueError(f"{entry.name}: drawn without a sweep")
    rows, mark = _rows(params, entry, entry.subject), charts.MarkStyle(charts.COLOURS[0], "o", "-")
    return feature_charts.sweep_chart(rows, sweep.values, sweep.name, mark, shown_variant(params, entry.dataset))


def _draw_distances(params: Params, entry: Entry) -> Figure:
    index = report_inputs.read_image_index(params, entry.dataset)
    persons, infrared = index["person_id"].to_numpy(), (index["modality"] == "infrared").to_numpy()
    histograms = {}
    for variant in in_table_order(params, params.variants_of(entry.dataset)):
        embeddings = report_inputs.read_embeddings(params, entry.dataset, variant)
        rows = embeddings["rows"]
        histograms[variant] = distance_histograms(embeddings["features"], persons[rows], infrared[rows])
    return feature_charts.distance_chart(histograms)


def _draw_plane(params: Params, entry: Entry) -> Figure:
    index = report_inputs.read_image_index(params, entry.dataset)
    explained = report_inputs.read_explanations(params, entry.dataset, report_inputs.PLANE)
    persons = index["person_id"].to_numpy()[explained["rows"]]
    infrared = (index["modality"] == "infrared").to_numpy()[explained["rows"]]
    features = {name.capitalize(): explained[f"features_{name}"] for name in ("before", "after")}
    shares = {name: planes.nearest_share(values, persons, infrared) for name, values in features.items()}
    flat = {name: planes.plane(values) for name, values in features.items()}
    return planes.feature_planes(flat, shares, persons, infrared)


def _draw_maps(params: Params, entry: Entry) -> Figure:
    index, cache = report_inputs.read_images(params, entry.dataset)
    explained = report_inputs.read_explanations(params, entry.dataset, report_inputs.MAPS)
    persons = index["person_id"].to_numpy()
    maps = [explained[name] for name in ("attention_before", "attention_after", "grad_cam")]
    people = []
    for place, pair in enumerate(explained["pair_rows"].T):
        sides = [
            heatmaps.Looked(np.asarray(cache[row]), [values[side, place] for values in maps])
            for side, row in enumerate(pair)
        ]
        people.append((f"Identity {persons[pair[0]]}", sides[0], sides[1]))
    return heatmaps.map_sheet(people)


def _draw_descriptions(params: Params, entry: Entry) -> Figure:
    index = report_inputs.read_image_index(params, entry.dataset)
    explained = report_inputs.read_explanations(params, entry.dataset, report_inputs.DESCRIBED)
    infrared = (index["modality"] == "infrared").to_numpy()[explained["described_rows"]]
    likeness = {
        network: {
            modality: feature_charts.Likeness(explained[f"own_{when}"][chosen], explained[f"hardest_{when}"][chosen])
            for modality, chosen in (("visible", ~infrared), ("infrared", infrared))
        }
        for network, when in (("Frozen CLIP", "before"), ("Encoder", "after"))
    }
    return feature_charts.description_chart(likeness)


def _draw_ranks(params: Params, entry: Entry) -> Figure:
    index, cache = report_inputs.read_images(params, entry.dataset)
    embeddings = report_inputs.read_embeddings(params, entry.dataset, str(shown_variant(params, entry.dataset)))
    permutations = report_inputs.read_permutations(params, entry.dataset)
    rows, features = embeddings["rows"], embeddings["features"]
    split = shown_split(params, entry.dataset)
    task = first_trial(index, split, entry.subject, rows, features, permutations)
    found, missed = selection.ranked(index, cache, task)
    if not found and not missed:
        raise UserError(f"{entry.dataset}, {entry.subject}: no query has a match in the gallery; check the index")
    return sheets.rank_lists(found, missed)


def _rows(params: Params, entry: Entry, table: str) -> list[Row]:
    protocols = params.protocols_of(entry.dataset)
    rows = [row for row in report_inputs.read_table(params, table) if row["dataset"] == entry.dataset]
    if not rows:
        raise UserError(f"tables/{table}.json: no row of {entry.dataset}; score it and run compare-variants again")
    return [row for protocol in protocol_order(rows, protocols) for row in rows if row["protocol"] == protocol]


def _draw_zero_shot(params: Params, entry: Entry) -> Figure:
    return feature_charts.attribute_chart(report_inputs.read_zero_shot(str(zero_shot_file(params))))


DRAW: dict[str, Callable[[Params, Entry], Figure]] = {
    PRIMARY: lambda params, _: charts.primary_chart(report_inputs.read_table(params, PRIMARY)),
    "contact_sheet": _draw_contact_sheet,
    "training": _draw_training,
    "stage_one": _draw_stage_one,
    "components": _draw_components,
    "matches": _draw_matches,
    "differences": _draw_differences,
    "ranks": _draw_ranks,
    "sweep": _draw_sweep,
    "distances": _draw_distances,
    "plane": _draw_plane,
    "maps": _draw_maps,
    "descriptions": _draw_descriptions,
    "zero_shot": _draw_zero_shot,
}
