"""The authors' weights as the encoder of a run: embedded and scored as any other, and never over a trained one."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from csdn.artifacts.digests import sha256
from csdn.artifacts.files import read_json, read_tensors, selected_on_test
from csdn.config.params import Params
from csdn.errors import UserError
from csdn.jobs.evaluation import run_embed_images, run_score_retrieval
from csdn.jobs.importing import run_import_checkpoint
from csdn.models.clip_backbone import as_images, normalize_images
from csdn.search.trained import load_trained
from csdn.steps.selection import Selection
from csdn.study.paths import index_path, paths_of
from helpers.authors_network import AuthorsNetwork, authors_state
from helpers.refusals import contents, run
from helpers.tiny_jobs import CHOICE, PARAMS, settings_of

WEIGHTS = {
    "encoder": {"epochs": 0, "text": "none", "descriptor": "reference", "classifier": "linear"},
    "fidelity": "reference",
}
RUN = Selection(**CHOICE, variant="authors_weights")


@pytest.fixture
def study(made, tmp_path):
    """Settings of a study whose images are indexed, and a checkpoint of the authors' code for its ten identities."""
    runtime = {"data": str(tmp_path / "data"), "results": str(tmp_path / "results"), "pretraining_threads": 1}
    params = Params.model_validate(
        PARAMS.model_dump() | {"variants": {"csdn": {}, "authors_weights": WEIGHTS}, "runtime": runtime}
    )
    index = tmp_path / index_path(params, "sysu_mm01", "default")
    index.parent.mkdir(parents=True)
    index.write_bytes((made / "index.parquet").read_bytes())
    record = (made / "index.parquet.provenance.json").read_text()
    index.with_name(f"{index.name}.provenance.json").write_text(record.replace("index.parquet", index.name))
    torch.manual_seed(0)
    theirs = AuthorsNetwork(10, (64, 32)).eval()
    checkpoint = tmp_path / "model_best.pth"
    torch.save(authors_state(theirs), checkpoint)
    return params, checkpoint, theirs


def encoder_of(params):
    return Path(paths_of(params).encoder.format(**vars(RUN)))


def test_imported_weights_are_embedded_and_scored_as_ever(study, made, tmp_path):
    params, checkpoint, theirs = study
    told = run_import_checkpoint(params, RUN, checkpoint)
    encoder, index, cache = encoder_of(params), made / "index.parquet", made / "cache.npy"
    assert told["encoder"] == str(encoder) and told["identities"] == 10
    embeddings, scores = tmp_path / "embeddings.safetensors", tmp_path / "sysu_all_single.json"
    choice = CHOICE | {"variant": "authors_weights"}
    run_embed_images(settings_of(params, "embed_images", **choice), index, cache, encoder, embeddings)
    scoring = settings_of(params, "score_retrieval", **choice, protocol="sysu_all_single")
    result = run_score_retrieval(scoring, index, embeddings, scores)
    assert result["selected_on_test"] is True, "as the authors' code chooses its epoch"
    tensors, pixels = read_tensors(embeddings), np.load(cache)
    frame_row = int(tensors["rows"][0])
    images = normalize_images(as_images(pixels[[frame_row]]), "imagenet")
    infrared = pd.read_parquet(index)["modality"].iloc[frame_row] == "infrared"
    with torch.no_grad():
        both = [theirs.describe(view, infrared=infrared) for view in (images, images.flip(3))]
    np.testing.assert_allclose(tensors["features"][0], torch.cat(both, 1)[0].numpy(), atol=1e-5)
    assert load_trained(encoder, device="cpu").settings.variant == "authors_weights"


def test_the_record_says_what_was_imported_from_which_file(study):
    params, checkpoint, _ = study
    run_import_checkpoint(params, RUN, checkpoint, selected_on_test=False)
    encoder = encoder_of(params)
    record = read_json(f"{encoder}.provenance.json")
    assert record["inputs"]["checkpoint"] == {"path": checkpoint.as_posix(), "sha256": sha256(checkpoint)}
    assert record["parameters"] == settings_of(params, "train_encoder", **vars(RUN) | {"protocol": None}).record()
    assert record["imported"]["left_out"]["text_encoder"] == 2 and not record["imported"]["selected_on_test"]
    assert record["outputs"] == {"encoder.safetensors": sha256(encoder)}
    assert not selected_on_test(encoder)
    assert encoder.with_name("history.csv").read_text() == "epoch\n"


def test_a_trained_encoder_stays_unless_forced(study):
    params, checkpoint, _ = study
    encoder = encoder_of(params)
    encoder.parent.mkdir(parents=True)
    encoder.write_bytes(b"trained")
    with pytest.raises(UserError, match=r"encoder\.safetensors: there is a trained encoder; .* --force"):
        run_import_checkpoint(params, RUN, checkpoint)
    assert [path.name for path in encoder.parent.iterdir()] == ["encoder.safetensors"]
    run_import_checkpoint(params, RUN, checkpoint, force=True)
    again = encoder.read_bytes()
    run_import_checkpoint(params, RUN, checkpoint)  # an imported one may be imported again
    assert encoder.read_bytes() == again != b"trained"


@pytest.mark.parametrize(
    ("variant", "line"),
    [
        ({"encoder": {"descriptor": "both_necks"}}, "encoder.descriptor: is `both_necks`"),
        ({"encoder": {"classifier": "cosine"}}, "encoder.classifier: is `cosine`"),
        ({"fidelity": {"stem": "clip", "normalization": "imagenet"}}, "fidelity.stem: is `clip`"),
        ({"fidelity": {"stem": "reference"}}, "fidelity.normalization: is `clip`"),
        ({"clip": {"model": "RN50", "weights": "random"}}, "clip.model: RN50 computes GELU"),
        ({"clip": {"model": "RN50-quickgelu", "weights": "random"}}, "set clip.model to the CLIP"),
        ({"clip": {"model": "ViT-B-16-quickgelu", "weights": "random"}}, "is no ResNet"),
    ],
)
def test_settings_that_the_weights_do_not_fit_are_one_line(study, tmp_path, variant, line):
    params, checkpoint, _ = study
    changed = WEIGHTS | variant | {"encoder": WEIGHTS["encoder"] | variant.get("encoder", {})}
    params = Params.model_validate(params.model_dump() | {"variants": {"authors_weights": changed}})
    before = contents(tmp_path)
    with pytest.raises(UserError) as caught:
        run_import_checkpoint(params, RUN, checkpoint)
    assert line in str(caught.value) and "\n" not in str(caught.value)
    assert contents(tmp_path) == before


def test_another_number_of_identities_or_size_of_images_is_one_line(study, tmp_path):
    params, checkpoint, _ = study
    torch.save(authors_state(AuthorsNetwork(395, (64, 32))), checkpoint)
    with pytest.raises(UserError, match=r"trained with 395 identities, but sysu_mm01 trains 10 in split default; set"):
        run_import_checkpoint(params, RUN, checkpoint)
    torch.save(authors_state(AuthorsNetwork(10, (96, 32))), checkpoint)
    with pytest.raises(UserError, match=r"\(13, 256\), but these settings need \(9, 256\).*image_size"):
        run_import_checkpoint(params, RUN, checkpoint)
    assert not (tmp_path / "results").exists()


def test_the_command_line(study, tmp_path, capsys):
    params, checkpoint, _ = study
    layer = tmp_path / "params.yaml"
    layer.write_text(json.dumps(params.model_dump(mode="json")))
    words = ["import-checkpoint", checkpoint, "--params", layer, "--variant", "authors_weights", "--seed", 0]
    words += ["--dataset", "sysu_mm01", "--split", "default"]
    code, output, error = run(capsys, *words)
    assert (code, error) == (0, "")
    assert "classifiers of 10 identities" in output and "prompt_learner1 (3)" in output and "--last-epoch" in output
    code, output, _ = run(capsys, *words, "--json", "--last-epoch")
    assert code == 0 and json.loads(output)["selected_on_test"] is False
