from __future__ import annotations

import base64
import datetime
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from csdn.errors import UserError
from csdn.figures.catalogue import figure_entries
from csdn.reporting.page import inline_svg, write_report
from helpers.result_tree import Tree, make_params

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Checker(HTMLParser):
    """Collects ids, references and nesting errors."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("script", "style"):
            self.text += " "

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            elif name in ("href", "src", "xlink:href"):
                self.links.append(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.text += data


def check(path: Path) -> Checker:
    checker = Checker()
    checker.feed(path.read_text(encoding="utf-8"))
    assert not checker.open
    return checker


@pytest.fixture(scope="module")
def page(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(tree.params, path, date=datetime.date(2025, 1, 2))
    return path


def test_page_needs_nothing_else(page: Path):
    checker = check(page)
    assert page.read_text().count("<script") == 1  # sorting, inline; nothing below depends on it
    assert "script-src 'unsafe-inline'" in page.read_text()
    assert "default-src 'none'" in page.read_text()
    assert all(link.startswith(("data:", "#")) for link in checker.links)
    assert not re.search(r"url\((?!#)|@import", page.read_text())


def test_ids_are_unique_and_references_resolve(page: Path):
    checker = check(page)
    assert len(set(checker.ids)) == len(checker.ids)
    assert {link[1:] for link in checker.links if link.startswith("#")} <= set(checker.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", page.read_text())) <= set(checker.ids)


def test_page_shows_every_table_figure_and_claim(page: Path, tree: Tree):
    checker = check(page)
    assert {entry.name for entry in figure_entries(tree.params)} <= set(checker.ids)
    for text in ("All search, single-shot", "Infrared to visible", "csdn \N{MINUS SIGN} permuted_text", "2025-01-02"):
        assert text in checker.text
    assert "CSDN against the baseline" in checker.text
    assert "The primary question: Embedded benchmark, SYSU-MM01 layout" in checker.text
    assert "The test needs 3 draws or more" in checker.text
    assert "upper color" in checker.text
    assert "Nearest to own, trained" in checker.text
    assert "learning_rate:" in checker.text
    assert "torch" in checker.text
    assert "Mean time of a run: baseline 24 s" in checker.text


def test_durations_are_shown_where_snakemake_recorded_them(
    page: Path, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert "Durations are not known" in page.read_text()
    record = {"rule": "train_encoder", "log": ["logs/results/x.log"], "starttime": 5.0, "endtime": 75.0}
    (tmp_path / ".snakemake/metadata").mkdir(parents=True)
    name = base64.urlsafe_b64encode(f"{tree.results}/x".encode()).decode()
    (tmp_path / ".snakemake/metadata" / name).write_text(json.dumps(record))
    monkeypatch.chdir(tmp_path)
    write_report(tree.params, tmp_path / "report.html")
    assert "1 job, 1 min 10 s" in check(tmp_path / "report.html").text


def test_colours_follow_light_and_dark(page: Path):
    text = page.read_text()
    assert "prefers-color-scheme: dark" in text
    assert "fill: var(--ink)" in text
    assert "#1f2328; stroke" not in text


def test_same_results_give_the_same_page(page: Path, tree: Tree, tmp_path: Path):
    write_report(tree.params, tmp_path / "again.html", date=datetime.date(2025, 1, 2))
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_published_figures_are_shown_only_with_real_data(page: Path, tree: Tree, tmp_path: Path):
    assert "Published figures" not in page.read_text()
    assert "favours" in page.read_text()
    params = _copy(tree, tmp_path)
    real = {name: dataset.model_dump() | {"root": "/data"} for name, dataset in params.datasets.items()}
    write_report(make_params(tmp_path, datasets=real), tmp_path / "report.html")
    checker = check(tmp_path / "report.html")
    assert "These settings ask no primary question" in checker.text
    assert "Published figures" in checker.text
    assert "75.2 / 71.8" in checker.text
    assert "favours" not in checker.text


def test_texts_of_the_user_are_escaped(tree: Tree, tmp_path: Path):
    params = _copy(tree, tmp_path)
    tables = {"components": params.tables["components"].model_dump() | {"caption": "<script>alert(1)</script> & co"}}
    write_report(make_params(tmp_path, tables=tables), tmp_path / "report.html")
    assert "<script>alert" not in (tmp_path / "report.html").read_text()
    assert "<script>alert(1)</script> & co" in check(tmp_path / "report.html").text


@pytest.mark.parametrize("missing", ["tables/components.json", "figures/regdb_training.svg", "clip/mini/zero_shot.csv"])
def test_missing_input_is_named(tree: Tree, tmp_path: Path, missing: str):
    params = _copy(tree, tmp_path)
    (tmp_path / "results" / missing).unlink()
    with pytest.raises(UserError, match=Path(missing).name):
        write_report(params, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_results_without_provenance(tree: Tree, tmp_path: Path):
    params = _copy(tree, tmp_path)
    for path in (tmp_path / "results").rglob("*.provenance.json"):
        path.unlink()
    with pytest.raises(UserError, match="provenance"):
        write_report(params, tmp_path / "report.html")


def test_inline_svg_keeps_figures_apart():
    svg = '<?xml version="1.0"?><svg width="12pt" height="6pt"><metadata>x</metadata>'
    svg += '<g id="a"/><use xlink:href="#a"/></svg>'
    assert inline_svg(svg, "f") == '<svg><g id="f-a"/><use xlink:href="#f-a"/></svg>'


def _copy(tree: Tree, tmp_path: Path):
    shutil.copytree(tree.results, tmp_path / "results", copy_function=lambda a, b: Path(b).symlink_to(a))
    return make_params(tmp_path)


def test_of_several_small_clips_the_page_says_whose_it_shows(
    page: Path, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert "Shown is the small CLIP of draw" not in page.read_text()
    monkeypatch.setattr("csdn.reporting.page.small_clips", lambda params: ["1", "2"])
    monkeypatch.setattr("csdn.reporting.page.shown_small_clip", lambda params: "1")
    write_report(tree.params, tmp_path / "report.html")
    assert "Shown is the small CLIP of draw 1, one of 2 that were pre-trained" in check(tmp_path / "report.html").text
