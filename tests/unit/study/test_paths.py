"""Every path is a pattern of one module, with the wildcards that the rules have."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from csdn.config.consistency import RESERVED
from csdn.config.loading import load_params
from csdn.study.paths import (
    CHECKPOINTS,
    Paths,
    as_glob,
    cache_path,
    fill,
    image_folder,
    image_set,
    index_path,
    paths_of,
)

SRC = Path(__file__).parents[3] / "src" / "csdn"
RULES = SRC.parents[1] / "workflow"
WILDCARDS = {"dataset", "split", "variant", "seed", "prompt_key", "semantics_key", "protocol"}
IN_PYTHON = {
    "step",
    "image_set",
    "height",
    "width",
    "table",
    "ending",
    "figure",
}  # before a rule sees the pattern


@pytest.fixture
def params(pytestconfig):
    return load_params([str(pytestconfig.rootpath / "params.yaml"), str(pytestconfig.rootpath / "config/smoke.yaml")])


def test_patterns_lie_in_the_folders_of_the_study_and_leave_the_wildcards(params):
    patterns = asdict(paths_of(params))
    for pattern in patterns.values():
        assert pattern.startswith((f"{params.runtime.data}/", f"{params.runtime.results}/", "logs/results-smoke/"))
        assert set(re.findall(r"\{(\w+)\}", pattern)) <= WILDCARDS | IN_PYTHON
    assert len(set(patterns.values())) == len(patterns)


def test_a_pattern_is_a_rules_output_and_pythons_path(params):
    encoder = paths_of(params).encoder
    assert encoder == "results-smoke/{dataset}/{split}/runs/{variant}/seed_{seed}/encoder.safetensors"
    run = {"dataset": "regdb", "split": "1", "variant": "csdn", "seed": 0}
    assert encoder.format(**run) == "results-smoke/regdb/1/runs/csdn/seed_0/encoder.safetensors"
    assert fill(encoder, split="1", seed=0) == "results-smoke/{dataset}/1/runs/{variant}/seed_0/encoder.safetensors"
    assert as_glob(Paths.scores) == "*/*/*/runs/*/seed_*/scores/*.json"


def test_a_cache_bears_the_size_of_its_images_and_images_lie_where_they_are_rendered_or_the_user_has_them(params):
    height, width = params.datasets["sysu_mm01"].image_size
    assert cache_path(params, "sysu_mm01", "default").endswith(f"/cache/sysu_mm01_{height}x{width}.npy")
    assert image_folder(params, "sysu_mm01", "default") == f"{params.runtime.data}/raw/sysu_mm01"
    own = params.datasets["sysu_mm01"].model_copy(update={"root": "/data/sysu"})
    assert image_folder(params.model_copy(update={"datasets": {"own": own}}), "own", "default") == "/data/sysu"


def test_a_draw_has_images_of_its_own_and_the_splits_of_regdb_have_not(pytestconfig):
    layers = [str(pytestconfig.rootpath / "params.yaml")]
    params = load_params(layers, ["datasets.sysu_mm01.splits=[1, 2]", "datasets.regdb.splits=[1, 2]"])
    height, width = params.datasets["sysu_mm01"].image_size
    assert [image_set(params, "sysu_mm01", split) for split in "12"] == ["sysu_mm01-draw_1", "sysu_mm01-draw_2"]
    assert image_folder(params, "sysu_mm01", "2") == "data/raw/sysu_mm01/draw_2"
    assert index_path(params, "sysu_mm01", "2") == "data/index/sysu_mm01-draw_2.parquet"
    assert cache_path(params, "sysu_mm01", "2") == f"data/cache/sysu_mm01-draw_2_{height}x{width}.npy"
    for place in (image_set, image_folder, index_path, cache_path):
        assert place(params, "regdb", "1") == place(params, "regdb", "2")


def test_no_dataset_may_be_called_as_a_folder_beside_those_of_the_datasets():
    beside = {Path(pattern).parts[1] for pattern in asdict(Paths()).values() if pattern.count("/") > 1}
    folders = {name for name in beside if not name.startswith("{")} - {"raw", "index", "cache", "curves", CHECKPOINTS}
    assert folders <= set(RESERVED)


LITERALS = """
    /raw/ /index/ /cache/ /prompts/ /semantics/ /runs/ seed_{ history.csv zero_shot.csv clip/{ scores/{ .checkpoints"
    "{results}/tables metrics.json {results}/figures {figures}.sha256 encoders.sha256 /curves/ tracking.json "logs/
    exp/rand_perm_cam.mat"
"""


@pytest.mark.parametrize("literal", LITERALS.split())
def test_a_path_is_written_in_one_module(literal):
    """Docstrings and messages may name a file; code that builds a path may not."""
    found = [path for path in (*SRC.rglob("*.py"), *RULES.rglob("*.smk"), RULES / "Snakefile") if literal in code(path)]
    assert [path.name for path in found] == ["paths.py"]


def code(path: Path) -> str:
    """The lines of a file without its docstrings, comments, sentences and the options' help."""
    text = re.sub(r'"""[\s\S]*?"""', "", path.read_text(encoding="utf-8"))
    return "\n".join(line.split("  # ")[0] for line in text.splitlines() if not re.search(r'^\s*#|"[^"]* [^"]*"', line))
