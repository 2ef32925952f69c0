"""Which figures the settings require, and what their captions say."""

from __future__ import annotations

from pathlib import Path

from csdn.figures.catalogue import figure_entries
from helpers.result_tree import UNTRAINED, make_params


def test_the_catalogue_follows_the_settings(tmp_path: Path):
    params = make_params(tmp_path)
    kinds = [(entry.dataset, entry.kind) for entry in figure_entries(params)]
    assert kinds.count(("sysu_mm01", "ranks")) == 1
    assert kinds.count(("regdb", "ranks")) == 2
    untrained = make_params(
        tmp_path,
        datasets={"sysu_mm01": {"layout": "sysu_mm01", "variants": ["clip_init"]}},
        variants={"clip_init": UNTRAINED},
        tables={},
    )
    assert [entry.kind for entry in figure_entries(untrained)] == ["contact_sheet", "distances", "zero_shot"]


def captions(folder: Path, **changes: object) -> dict[str, str]:
    """Caption of each figure's kind, the last of a kind."""
    return {figure.kind: figure.caption for figure in figure_entries(make_params(folder, **changes))}


def test_a_vision_transformer_has_no_maps(tmp_path: Path):
    assert "maps" in captions(tmp_path)
    real = {"model": "ViT-B-16-quickgelu", "weights": "openai"}
    assert "maps" not in captions(tmp_path, clip=real)
    assert "maps" in captions(tmp_path, clip=real | {"model": "RN50-quickgelu"})


def test_images_are_compared_with_descriptions_only_if_they_were_trained_with_their_own(tmp_path: Path):
    one = {"datasets": {"sysu_mm01": {"layout": "sysu_mm01"}}, "tables": {}}
    assert "descriptions" in captions(tmp_path, **one, variants={"csdn": {}})
    for text in ("none", "permuted", "random"):
        assert "descriptions" not in captions(tmp_path, **one, variants={"csdn": {"encoder": {"text": text}}}), text


def test_captions_name_the_run_that_is_shown_and_titles_the_protocol(tmp_path: Path):
    figures = figure_entries(make_params(tmp_path))
    assert all(f.caption.startswith("Variant csdn, first run. ") for f in figures if f.kind in ("plane", "ranks"))
    assert [f.title for f in figures if f.kind == "ranks"] == [
        "Rank lists: All search, single-shot",
        "Rank lists: Visible to infrared",
        "Rank lists: Infrared to visible",
    ]
    assert {f.title for f in figures if f.kind == "plane"} == {"Features before and after training"}


def test_of_several_small_clips_the_figure_says_whose_it_shows():
    one = make_params(Path(), clip={"weights": "mini"}, tables={})
    drawn = {"sysu_mm01": {"layout": "sysu_mm01", "splits": ["2", "1"]}}
    clip = {"weights": "mini", "pretraining": {"one_per_draw": True}}
    several = make_params(Path(), clip=clip, datasets=drawn, tables={})
    captions = [figure_entries(params)[-1].caption for params in (one, several)]
    assert captions[1] == captions[0] + " The small CLIP of draw 2."
