"""Write results/report.html: one page that needs no other file, no scripts and no network."""

from __future__ import annotations

import datetime
import re
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

from csdn.artifacts.files import readable, write_text
from csdn.artifacts.shipped import shipped_record
from csdn.config.base import EMBEDDED
from csdn.config.layouts import MODALITIES
from csdn.config.params import Params
from csdn.figures.catalogue import Entry, figure_entries
from csdn.reporting import summary
from csdn.reporting.costs import cost_group
from csdn.reporting.descriptions import description_group
from csdn.reporting.published import SETTINGS, published_rows
from csdn.reporting.tables import DIFFERENCE_KIND, PRIMARY_KIND, ROW_KIND, Kind, labelled
from csdn.results import report_inputs
from csdn.statistics.comparison import Row, protocol_order
from csdn.study.files import (
    COSTS,
    PRIMARY,
    differences_table,
    shown_small_clip,
    small_clips,
    trains_small_clip,
    zero_shot_file,
)
from csdn.study.job_graph import duration, job_graph, read_jobs, steps_in_order
from csdn.study.jobs import study_jobs
from csdn.study.labels import dataset_label, in_report_order, in_table_order, protocol_label
from csdn.study.paths import paths_of

COLOURS = {  # colours of style.mplstyle and charts.py, and their variables on the page
    "#1f2328": "var(--ink)", "#59636e": "var(--muted)", "#d0d7de": "var(--rule)",
    "#e6eaef": "var(--grid)", "#ffffff": "var(--paper)", "#0072b2": "var(--blue)",
}  # fmt: skip
PRECISIONS = {"fp32": "float32 (no TF32)", "tf32": "TF32", "bf16": "bfloat16"}  # in words
SHOWN_APART = (PRIMARY, "components", "matches", "sweep", "differences")  # with the summary or their table


def write_report(params: Params, output: Path | str, *, date: datetime.date | None = None) -> None:
    """Write the report page from tables, figures and provenance records in the results folder.

    Args:
        params: the settings, shown on the page.
        output: the HTML file.
        date: printed on the page; today if None.

    Raises:
        UserError: a table, figure, provenance record or the zero-shot table is missing.
    """
    context = {
        "date": (date or datetime.datetime.now(datetime.UTC).date()).isoformat(),
        "primary": _primary(params),
        "datasets": [_dataset(params, name) for name in in_report_order(params)],
        "zero_shot": _zero_shot(params),
        "clip_figures": [_figure(params, f) for f in figure_entries(params) if f.kind == "zero_shot"],
        "published": _published(params),
        "provenance": _provenance(params),
        "settings": yaml.safe_dump(params.model_dump(mode="json"), sort_keys=False, default_flow_style=None, width=110),
        "recipe": _recipe(params),
        "luminance_share": params.benchmark.luminance_share,
        "embedded": any(dataset.root == EMBEDDED for dataset in params.datasets.values()),
    }
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("csdn.reporting", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = _unbroken
    write_text(output, environment.get_template("report.html.jinja").render(context))


def inline_svg(svg: str, name: str) -> Markup:
    """A figure as markup for the page, with colours that follow light and dark mode and with ids of its own.

    Args:
        svg: a file that `figures.save` wrote.
        name: unique on the page.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = svg.replace("image-rendering:crisp-edges;image-rendering:pixelated", "")
    for colour, variable in COLOURS.items():
        svg = svg.replace(colour, variable)
    return Markup(svg)  # noqa: S704 - matplotlib wrote and escaped it


def _primary(params: Params) -> dict[str, Any] | None:
    """The primary question with its answers, table and figure; None if none is asked."""
    if params.primary is None:
        return None
    rows = report_inputs.read_table(params, PRIMARY)
    figures = [figure for figure in figure_entries(params) if figure.kind == PRIMARY]
    return {
        "question": summary.question_sentence(rows),
        "dataset": dataset_label(params.primary.dataset, params.datasets[params.primary.dataset]),
        "answers": summary.primary_answers(rows),
        "rows": _grouped(rows, [params.primary.protocol], PRIMARY_KIND),
        "note": PRIMARY_KIND.note,
        "figures": [_figure(params, figure) for figure in figures],
    }


def _dataset(params: Params, name: str) -> dict[str, Any]:
    """One dataset's section: sentences, tables and figures."""
    figures = [figure for figure in figure_entries(params) if figure.dataset == name]
    protocols = params.protocols_of(name)
    tables: list[dict[str, Any]] = []
    claims: list[summary.Claim] = []
    floor: str | None = None
    for table_name, table in params.tables.items():
        rows = [row for row in report_inputs.read_table(params, table_name) if row["dataset"] == name]
        of_pairs = report_inputs.read_table(params, differences_table(table_name)) if table.differences else []
        pairs = [row for row in of_pairs if row["dataset"] == name]
        if not rows:
            continue
        answered = {claim.title for claim in claims}
        found = summary.claims(pairs, protocol_order(pairs, protocols))
        claims += [claim for claim in found if claim.title not in answered]
        floor = floor or _floor(params, name, rows)
        tables.append(
            {
                "name": table_name,
                "caption": labelled(table.caption, rows),
                "rows": _grouped(rows, protocols, ROW_KIND),
                "note": ROW_KIND.note,
                "differences": _grouped(pairs, protocols, DIFFERENCE_KIND),
                "difference_note": DIFFERENCE_KIND.note,
                "figures": {f.kind: _figure(params, f) for f in figures if f.subject == table_name},
            }
        )
    return {
        "name": name,
        "label": dataset_label(name, params.datasets[name]),
        "real": params.datasets[name].root != EMBEDDED,
        "claims": claims,
        "floor": floor,
        "tables": tables,
        "time": _training_time(params, name),
        "descriptions": description_group(params, name),
        "costs": cost_group([row for row in report_inputs.read_table(params, COSTS) if row["dataset"] == name]),
        "figures": [_figure(params, f) for f in figures if f.kind not in SHOWN_APART],
    }


def _unbroken(text: str) -> str:
    """The text with non-breaking spaces before percent signs."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _training_time(params: Params, dataset: str) -> str:
    """Mean seconds of stage 2 of each variant: `baseline 41 s, csdn 43 s`; empty without training."""
    times, histories = [], report_inputs.encoder_histories(params, dataset)
    for variant in in_table_order(params, list(histories)):
        seconds = [run["seconds"].sum() for run in histories[variant] if "seconds" in run]
        if seconds:
            times.append(f"{variant} {statistics.mean(seconds):.0f} s")
    return ", ".join(times)


def _floor(params: Params, dataset: str, rows: list[Row]) -> str | None:
    """A sentence about the untrained floor in the dataset's first protocol."""
    untrained = set(params.variants) - set(params.trained_variants_of(dataset))
    first = protocol_order(rows, params.protocols_of(dataset))[0]
    return summary.floor_sentence([row for row in rows if row["protocol"] == first], list(untrained))


def _grouped(rows: list[Row], protocols: list[str], kind: Kind) -> list[dict[str, Any]]:
    """Rows as displayed, grouped by protocol."""
    return [
        {"protocol": protocol_label(protocol), "rows": [kind.cells(row) for row in rows if row["protocol"] == protocol]}
        for protocol in protocol_order(rows, protocols)
    ]


def _figure(params: Params, entry: Entry) -> dict[str, Any]:
    path = Path(paths_of(params).figure.format(figure=entry.name))
    with readable(path):
        svg = inline_svg(path.read_text(encoding="utf-8"), entry.name)
    words = {"title": entry.title, "caption": _unbroken(entry.caption)}
    return {"name": entry.name, "kind": entry.kind, "svg": svg} | words


def _zero_shot(params: Params) -> list[dict[str, Any]]:
    """One row for each attribute of the small CLIP's table; empty if no variant starts from the small CLIP."""
    path = zero_shot_file(params)
    if path is None:
        return []
    frame = report_inputs.read_zero_shot(path)
    rows = []
    for attribute, group in frame.groupby("attribute", sort=False):
        first = group.iloc[0]
        found = {row.modality: (row.balanced_accuracy, row.low, row.high) for row in group.itertuples()}
        row: dict[str, Any] = {"attribute": str(attribute).replace("_", " ")}
        row["accuracy"] = [found.get(name) for name in MODALITIES]
        row |= {"classes": int(first["classes"]), "images": int(first["images"]), "chance": float(first["chance"])}
        rows.append(row)
    return rows


def _recipe(params: Params) -> dict[str, Any]:
    """How the small CLIP was trained: `people`, `images` of each, `steps`, `batch` and whether it saw `infrared`.

    `draw` is the one whose own it is, if it is of one, and `clips` how many the study pre-trained.
    """
    if trains_small_clip(params):
        images, training = params.benchmark.pretraining.model_dump(), params.clip.pretraining.model_dump()
    else:
        recipe = shipped_record()["parameters"]
        images, training = recipe["benchmark"]["pretraining"], recipe["clip"]["pretraining"]
    recipe = training | {"people": images["identities"], "images": images["images"], "infrared": images["infrared"]}
    return recipe | {"draw": shown_small_clip(params), "clips": len(small_clips(params))}


def _published(params: Params) -> list[dict[str, Any]]:
    """Published results for each real dataset; none for rendered data, to which they do not apply."""
    out = []
    for name in in_report_order(params):
        dataset = params.datasets[name]
        if dataset.root != EMBEDDED:
            settings = SETTINGS[dataset.layout]
            rows = published_rows(dataset.layout)
            out.append({"label": dataset_label(name, dataset), "settings": list(settings.values()), "rows": rows})
    return out


def _provenance(params: Params) -> dict[str, Any]:
    """Code, versions and machines of all provenance records without repetition, and the jobs' durations."""
    records = report_inputs.read_provenance(params).values()
    packages: dict[str, set[str]] = {}
    for record in records:
        packages.setdefault("Python", set()).add(str(record.get("python")))
        for package, version in record.get("packages", {}).items():
            if version:
                packages.setdefault(package, set()).add(version)
    study = study_jobs(params)
    jobs = read_jobs([params.runtime.results, params.runtime.data], list(steps_in_order(study)))
    return {
        "count": len(records),
        "code": sorted({str(record["code"]) for record in records if record.get("code")}),
        "packages": [(name, ", ".join(sorted(versions))) for name, versions in packages.items()],
        "machines": sorted({_machine_in_words(record.get("machine", {})) for record in records}),
        "computed": _computed(records),
        "jobs": [(job, duration(job.mean), duration(job.seconds)) for job in jobs],
        "graph": job_graph(study, jobs),
        "total": duration(sum(job.seconds for job in jobs)),
    }


def _computed(records: Iterable[dict[str, Any]]) -> list[str]:
    """What networks computed on: a sentence for each device with the steps of each precision."""
    devices: dict[str, dict[str, set[str]]] = {}
    for record in records:
        if compute := record.get("compute"):
            kernels = "deterministic kernels only" if compute["deterministic"] else "any kernels"
            device = f"{compute['name']} ({compute['device']}), {kernels}"
            step = str(record.get("parameters", {}).get("step"))
            devices.setdefault(device, {}).setdefault(PRECISIONS[compute["precision"]], set()).add(step)
    return [
        f"{device}: " + "; ".join(f"{precision} in {', '.join(sorted(steps))}" for precision, steps in used.items())
        for device, used in sorted(devices.items())
    ]


def _machine_in_words(machine: dict[str, Any]) -> str:
    """A machine in words: `Linux, AMD EPYC, 2 CPUs`."""
    known = [str(value) for name, value in machine.items() if name != "cpus" and value]
    return ", ".join([*known, f"{machine.get('cpus')} CPUs"])
