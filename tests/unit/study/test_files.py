"""The lists of files that the rules take as inputs and outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from csdn.artifacts.shipped import SHIPPED_CLIP
from csdn.config.loading import load_params
from csdn.study import files
from csdn.study.files import shown_variant
from csdn.study.paths import paths_of
from helpers.result_tree import PRIMARY, UNTRAINED, make_params


@pytest.fixture
def params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_params(Path())


def test_runs_and_scores_are_every_split_variant_seed_and_protocol(params):
    paths = paths_of(params)
    assert len(files.files_of_runs(params, paths.encoder)) == 6 * 2 + 2 * 2
    assert len(files.score_files(params, paths.scores)) == 6 * 2 * 2 + 2 * 2 * 2
    assert "results/regdb/2/runs/csdn/seed_0/scores/regdb_infrared_to_visible.parquet" in files.score_files(
        params, paths.query_scores
    )


def test_histories_are_those_of_encoders_and_of_what_they_share(params):
    found = files.history_files(params)
    assert len(found) == len(set(found)) and found == sorted(found)
    on_sysu = [path.split("/")[3:5] for path in found if "sysu_mm01" in path and path.endswith("seed_0/history.csv")]
    assert [name for kind, name in on_sysu if kind == "prompts"] == ["shared", "specific"]
    assert [name for kind, name in on_sysu if kind == "semantics"] == [
        "shared-none",
        "specific-none",
        "specific-reference",
    ]
    assert len([name for kind, name in on_sysu if kind == "runs"]) == 6


def test_the_first_run_of_the_shown_variant_is_explained(params):
    assert files.explanation_files(params) == [
        "results/sysu_mm01/default/runs/csdn/seed_0/explanations.safetensors",
        "results/regdb/1/runs/csdn/seed_0/explanations.safetensors",
    ]


def test_tables_of_differences_are_written_where_pairs_are_named(params):
    assert "results/tables/components_differences.tex" in files.table_files(params)
    alone = params.tables["components"].model_copy(update={"differences": []})
    found = files.table_files(params.model_copy(update={"tables": {"components": alone}}))
    assert found == [f"results/tables/components.{ending}" for ending in ("csv", "md", "tex", "json")]
    asked = make_params(Path(), primary=PRIMARY)
    assert "results/tables/primary.csv" in files.table_files(asked)


def test_an_embedded_dataset_is_rendered_and_one_on_disk_is_not(params):
    assert [Path(path).name for path in files.rendered_files(params, "regdb", "1")] == [
        "annotations.parquet",
        "annotations.parquet.provenance.json",
    ]
    on_disk = params.datasets["regdb"].model_copy(update={"root": "/data"})
    assert files.rendered_files(params.model_copy(update={"datasets": {"regdb": on_disk}}), "regdb", "1") == []


def test_the_official_draw_is_read_for_the_official_gallery_of_sysu_mm01_alone(params):
    assert files.permutations_file(params, "sysu_mm01", "default") is None
    official = params.datasets["sysu_mm01"].model_copy(update={"gallery": "official"})
    changed = params.model_copy(update={"datasets": {"sysu_mm01": official}})
    assert files.permutations_file(changed, "sysu_mm01", "default") == "data/raw/sysu_mm01/exp/rand_perm_cam.mat"
    drawn = official.model_copy(update={"splits": ["1", "2"]})
    changed = params.model_copy(update={"datasets": {"sysu_mm01": drawn}})
    assert files.permutations_file(changed, "sysu_mm01", "2") == "data/raw/sysu_mm01/draw_2/exp/rand_perm_cam.mat"


def test_every_draw_is_a_set_of_images_and_the_figures_show_the_first(params):
    drawn = params.datasets["sysu_mm01"].model_copy(update={"splits": ["3", "1"]})
    params = params.model_copy(update={"datasets": params.datasets | {"sysu_mm01": drawn}})
    assert files.image_sets(params) == {
        "sysu_mm01-draw_3": ("sysu_mm01", "3"),
        "sysu_mm01-draw_1": ("sysu_mm01", "1"),
        "regdb": ("regdb", "1"),
    }
    every, shown = set(files.all_image_files(params)), set(files.shown_image_files(params))
    assert "data/raw/sysu_mm01/draw_1/annotations.parquet" in every and len(every) == 3 * 4
    assert every - shown == {path for path in every if "draw_1" in path}


def test_the_small_clip_is_made_only_where_the_study_trains_it(params, pytestconfig):
    assert len(files.small_clip_files(params)) == 3 and len(files.pretraining_files(params)) == 2
    assert files.clip_file(params, "csdn") == "results/clip/mini/clip.safetensors"
    assert files.zero_shot_file(params) == "results/clip/mini/zero_shot.csv"
    shipped = load_params([str(pytestconfig.rootpath / "params.yaml")])
    assert files.small_clip_files(shipped) == files.pretraining_files(shipped) == []
    assert files.clip_file(shipped, "csdn") is None
    assert files.zero_shot_file(shipped) == str(SHIPPED_CLIP.with_name("zero_shot.csv"))
    real = load_params([str(pytestconfig.rootpath / name) for name in ("params.yaml", "config/paper.yaml")])
    assert files.small_clip_files(real) == files.pretraining_files(real) == []
    assert files.clip_file(real, "csdn") == real.clip.weights
    assert files.zero_shot_file(real) is None


def test_csdn_or_the_last_trained_by_name_is_shown(tmp_path: Path):
    params = make_params(tmp_path)
    assert shown_variant(params, "sysu_mm01") == "csdn"
    variants = {"mine": {}, "clip_init": UNTRAINED}
    params = make_params(
        tmp_path, variants=variants, tables={}, datasets={"regdb": {"layout": "regdb", "splits": ["1"]}}
    )
    assert shown_variant(params, "regdb") == "mine"


def test_each_draw_may_have_a_small_clip_of_its_own_and_what_has_no_draws_has_that_of_all(tmp_path, pytestconfig):
    layers = [str(pytestconfig.rootpath / name) for name in ("params.yaml", "config/clip_draws.yaml")]
    params = load_params(layers, ["datasets.sysu_mm01.splits=[2, 1]"])
    assert files.small_clips(params) == ["2", "1"]
    assert files.clip_file(params, "csdn", params.clip_draw("sysu_mm01", "1")) in files.small_clip_files(params)
    assert files.small_clip_files(params)[::3] == [f"results-clip-draws/clip/draw_{n}/clip.safetensors" for n in "21"]
    assert files.pretraining_files(params)[1::2] == [f"data/pretraining/draw_{n}/images.npy" for n in "21"]
    assert files.zero_shot_file(params) == "results-clip-draws/clip/draw_2/zero_shot.csv"
    regdb = "datasets.regdb={layout: regdb, splits: [1, 2], variants: [csdn]}"
    both = load_params(layers, [regdb])
    assert files.small_clips(both) == [None, "1", "2", "3"]
    assert (
        files.clip_file(both, "csdn", both.clip_draw("regdb", "1")) == "results-clip-draws/clip/mini/clip.safetensors"
    )
    assert files.zero_shot_file(both) == "results-clip-draws/clip/draw_1/zero_shot.csv"
