"""describe-model and compare-costs: what is printed, and what the table of costs is made of."""

import json

import pandas as pd
import pytest

from csdn.artifacts.files import write_csv, write_json
from csdn.cli.main import main
from csdn.config.loading import load_params
from csdn.config.params import Params
from csdn.config.shared_keys import prompt_key, semantics_key
from csdn.jobs.costs import describe, run_compare_costs
from csdn.steps.registry import step_settings
from csdn.steps.selection import Selection
from helpers.tiny_clip import write_images

VARIANTS = {
    "init": {"encoder": {"text": "none", "epochs": 0}},
    "baseline": {"encoder": {"text": "none"}},
    "shared": {"prompts": {"kind": "shared"}, "fusion": {"kind": "none"}},
    "csdn": {},
}
MAP = {"init": 0.1, "baseline": 0.5, "shared": 0.52}  # csdn has no score yet
SECONDS = {"prompts": 3.0, "semantics": 2.0, "runs": 10.0}


@pytest.fixture
def params(tmp_path):
    mini = {"width": 8, "head_width": 16, "embed_dim": 16, "text_width": 16}
    params = Params.model_validate(
        {
            "datasets": {"sysu_mm01": {"layout": "sysu_mm01"}},
            "clip": {"weights": "mini", "mini": mini},
            "encoder": {"epochs": 2},
            "variants": VARIANTS,
            "runtime": {"data": str(tmp_path / "data"), "results": str(tmp_path / "results")},
        }
    )
    write_images(tmp_path, (64, 32))
    (tmp_path / "data/index").mkdir(parents=True)
    (tmp_path / "index.parquet").rename(tmp_path / "data/index/sysu_mm01.parquet")
    root = tmp_path / "results/sysu_mm01/default"
    for name in VARIANTS:
        folders = [f"runs/{name}"]
        if key := semantics_key(params, name):
            folders += [f"prompts/{prompt_key(params, name)}", f"semantics/{key}"]
        for folder in folders:
            untrained = name == "init" or (name == "shared" and folder.startswith("semantics"))
            frame = pd.DataFrame({"epoch": [0, 1], "seconds": [SECONDS[folder.split("/")[0]] / 2] * 2})
            write_csv(root / folder / "seed_0/history.csv", frame[["epoch"]][:0] if untrained else frame)
    scores = {name: {"map": value} for name, value in MAP.items()}
    write_json(tmp_path / "results/tables/metrics.json", {"sysu_mm01": {"sysu_all_single": scores}})
    return params


def test_the_table_of_costs_sets_costs_beside_gains(params, tmp_path):
    folder = tmp_path / "results/tables"
    run_compare_costs(step_settings(params, "compare_costs"), folder)
    content = json.loads((folder / "costs.json").read_text())
    rows = {row["variant"]: row for row in content["rows"]}
    assert list(rows) == list(VARIANTS)
    assert (rows["init"]["parameters"], rows["init"]["training_flops"], rows["init"]["above"]) == (0, 0, None)
    assert [rows[name]["training_seconds"] for name in VARIANTS] == [0, 10, 13, 15]
    assert rows["shared"]["above"] == "baseline"
    assert rows["shared"]["added_seconds"] == 3
    assert rows["shared"]["added_parameters"] == rows["shared"]["prompts_parameters"] == 6 * 4 * 16
    assert rows["csdn"]["prompts_parameters"] == 2 * 6 * 4 * 16
    assert rows["csdn"]["fusion_parameters"] > 0 == rows["shared"]["fusion_parameters"]
    assert rows["shared"]["added_map"] == pytest.approx(0.02)
    assert rows["csdn"]["map_mean"] is None and rows["csdn"]["added_map"] is None
    assert rows["csdn"]["image_flops"] == rows["baseline"]["image_flops"] > 0  # descriptions cost nothing in use
    modules = [each["module"] for each in content["modules"]["sysu_mm01"]["csdn"]]
    assert modules[:3] == ["prompts (MsPL)", "text tower", "fusion (SII)"]
    assert "HSE" in modules and "HSE" not in str(content["modules"]["sysu_mm01"]["baseline"])
    assert pd.read_csv(folder / "costs.csv")["variant"].tolist() == list(VARIANTS)
    assert "| sysu_mm01 | csdn |" in (folder / "costs.md").read_text()


def test_describe_model_prints_a_table_or_json(capsys, tmp_path):
    arguments = ["describe-model", "--params", "params.yaml", "--dataset", "sysu_mm01", "--variant", "csdn"]
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--identities", "12"])
    assert not stop.value.code
    table = capsys.readouterr().out
    for words in ("mini, 64x32, 12 identities", "prompts (MsPL)", "fusion (SII)", "attention pool", "HSE"):
        assert words in table
    with pytest.raises(SystemExit):
        main([*arguments, "--json", "--output", str(tmp_path / "model.json")])
    content = json.loads(capsys.readouterr().out)
    assert content == json.loads((tmp_path / "model.json").read_text())
    assert content["identities"] == load_params(["params.yaml"]).benchmark.sysu_mm01.train


def test_a_real_dataset_is_described_with_its_official_identities(tmp_path):
    values = {"layout": "regdb", "root": str(tmp_path), "splits": ["1"]}
    params = Params.model_validate({"datasets": {"regdb": values}, "variants": {"baseline": VARIANTS["baseline"]}})
    step = step_settings(params, "describe_model", Selection("regdb", variant="baseline"))
    assert step.identities == 206
    assert not step.described
    assert {cost.stage for cost in describe(step.model_copy(update={"clip": params.clip}))} == {"encoder"}
