"""A run of ours is diagnosed from its own files: nothing where it is sound, and what its settings and logs show."""

import json
import shutil
from pathlib import Path

import pytest

from csdn.config.params import Params
from csdn.errors import UserError
from csdn.jobs.diagnosis import print_diagnosis, run_diagnose, run_diagnose_scores
from csdn.jobs.evaluation import run_embed_images, run_score_retrieval
from csdn.jobs.training import run_train_encoder
from csdn.steps.selection import Selection
from csdn.study.paths import index_path, paths_of
from helpers.tiny_jobs import CHOICE, PARAMS, settings_of

VARIANTS = {
    "baseline": {"encoder": {"text": "none"}},
    "odd": {
        "encoder": {"text": "none", "selection": "best_on_test", "validate_every": 1},
        "fidelity": {"stem": "reference"},
    },
}


@pytest.fixture(scope="module")
def study(made, tmp_path_factory):
    """Both variants trained, embedded and scored where their study expects it."""
    root = tmp_path_factory.mktemp("diagnosed")
    runtime = {"data": str(root / "data"), "results": str(root / "results"), "pretraining_threads": 1}
    params = Params.model_validate(PARAMS.model_dump() | {"variants": VARIANTS, "runtime": runtime})
    index, cache = made / "index.parquet", made / "cache.npy"
    Path(index_path(params, "sysu_mm01", "default")).parent.mkdir(parents=True)
    shutil.copy(index, index_path(params, "sysu_mm01", "default"))
    for variant in VARIANTS:
        choice = CHOICE | {"variant": variant}
        encoder, embeddings = (Path(getattr(paths_of(params), n).format(**choice)) for n in ("encoder", "embeddings"))
        run_train_encoder(
            settings_of(params, "train_encoder", **choice), index, cache, made / "clip.safetensors", None, encoder
        )
        run_embed_images(settings_of(params, "embed_images", **choice), index, cache, encoder, embeddings)
        for protocol in ("sysu_all_single", "sysu_indoor_single"):
            scoring = settings_of(params, "score_retrieval", **choice, protocol=protocol)
            output = Path(paths_of(params).scores.format(**choice, protocol=protocol))
            run_score_retrieval(scoring, index, embeddings, output)
    return params


def test_a_sound_run_has_no_finding(study, capsys):
    result = run_diagnose(study, Selection(**CHOICE, variant="baseline"))
    assert (result["findings"], result["not_checked"]) == ([], {}) and len(result["scores"]) == 2
    print_diagnosis(result)
    assert "2 score file(s): none of the known causes was found" in capsys.readouterr().out


def test_findings_are_told_once_with_the_files_they_hold_for(study, capsys):
    result = run_diagnose(study, Selection(**CHOICE, variant="odd"))
    assert [found["cause"] for found in result["findings"]] == ["selection", "normalisation"]
    assert all(len(found["scores"]) == 2 for found in result["findings"])
    json.dumps(result)
    print_diagnosis(result)
    assert "normalisation" in capsys.readouterr().out


def test_a_score_file_of_ours_is_diagnosed_as_another_methods(study, tmp_path):
    scores = Path(paths_of(study).scores.format(**CHOICE, variant="odd", protocol="sysu_all_single"))
    settings = tmp_path / "known.yaml"
    settings.write_text("official: false\nmirrored: false\n")
    result = run_diagnose_scores(scores, settings)
    assert [found["cause"] for found in result["findings"]] == ["selection", "mirrored image"]
    assert result["not_checked"]["split"] == ("trained_split",)


def test_a_real_dataset_is_compared_with_its_official_counts(study):
    """The same files, as if their ten identities were those of a copy of SYSU-MM01."""
    datasets = study.model_dump()["datasets"]
    datasets["sysu_mm01"]["root"] = "/data/SYSU-MM01"
    params = Params.model_validate(study.model_dump() | {"datasets": datasets})
    found = run_diagnose(params, Selection(**CHOICE, variant="baseline"))["findings"]
    causes = {finding["cause"]: finding for finding in found}
    assert set(causes) == {"training identities", "infrared images", "test images", "image size"}
    assert causes["training identities"]["evidence"] == "10 identities, not 395"
    assert "gallery images, not 301" in " ".join(finding["evidence"] for finding in found)


def test_a_run_that_is_not_there_is_one_line(study):
    with pytest.raises(UserError, match="--variant csdn: unknown"):
        run_diagnose(study, Selection(**CHOICE, variant="csdn"))
    with pytest.raises(UserError, match="seed_7/scores: there is no score file"):
        run_diagnose(study, Selection(**CHOICE | {"seed": 7}, variant="baseline"))


def test_a_record_of_an_older_version_is_one_line(study):
    place = Path(paths_of(study).encoder.format(**CHOICE, variant="baseline") + ".provenance.json")
    text = place.read_text()
    record = json.loads(text)
    del record["parameters"]["fidelity"]
    try:
        place.write_text(json.dumps(record))
        with pytest.raises(UserError, match="has no 'fidelity'; train and embed with this version") as caught:
            run_diagnose(study, Selection(**CHOICE, variant="baseline"))
        assert "\n" not in str(caught.value)
    finally:
        place.write_text(text)
