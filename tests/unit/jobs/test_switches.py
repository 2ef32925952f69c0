"""Each switch of the method through the jobs on a tiny rendered dataset, and what may not pass unlabelled."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from csdn.artifacts.digests import sha256
from csdn.artifacts.files import read_tensors, selected_on_test, write_parquet
from csdn.config.params import Params
from csdn.errors import UserError
from csdn.jobs.descriptions import DescriptionProbe
from csdn.jobs.evaluation import print_scores, run_embed_images, run_score_features, run_score_retrieval
from csdn.jobs.training import run_fuse_semantics, run_learn_prompts, run_train_encoder
from csdn.jobs.unpacking import starting_clip
from csdn.models.build import load_encoder
from csdn.models.clip_backbone import as_images, build_tower, normalize_images
from helpers.tiny_jobs import CHOICE, PARAMS, settings_of

PAPER = {"classifier": "linear", "semantic_logits": "dot", "descriptor": "reference"}
VARIANTS = {
    "csdn": {},
    "hse_contrastive": {"encoder": {"semantic_loss": "supervised_contrastive"}},
    "hse_cosine": {"encoder": {"semantic_loss": "cosine_regression"}},
    "hse_mse": {"encoder": {"semantic_loss": "mse_regression"}},
    "hse_triplet": {"encoder": {"semantic_loss": "triplet_to_text"}},
    "visible_text": {"encoder": {"weights": {"semantic_infrared": 0}}},
    "random_text": {"encoder": {"text": "random"}},
    "caption_text": {"prompts": {"kind": "caption"}, "fusion": {"kind": "none"}},
    "own_modality": {"prompts": {"positives": "own_modality"}},
    "centroid": {"prompts": {"kind": "centroid"}, "fusion": {"kind": "mean"}},
    "authors_code": {"fidelity": "reference", "prompts": {"logits": "dot"}, "encoder": PAPER},
    "clipped": {"encoder": {"gradient_clip": 1.0}, "prompts": {"gradient_clip": 1.0}},
    "best_on_test": {"encoder": {"selection": "best_on_test", "validate_every": 1, "epochs": 2}},
}
SWITCHED = Params.model_validate(PARAMS.model_dump() | {"variants": VARIANTS})


def step(name, variant, **selection):
    return settings_of(SWITCHED, name, variant=variant, **CHOICE, **selection)


@pytest.fixture(scope="module")
def train(made, tmp_path_factory):
    """Trains a variant once; returns its folder. No step changes what it reads."""
    root, done = tmp_path_factory.mktemp("switches"), {}

    def make(variant):
        if variant in done:
            return done[variant]
        folder = done[variant] = root / variant
        inputs = (made / "index.parquet", made / "cache.npy", made / "clip.safetensors")
        prompts, semantics = folder / "prompts" / "prompts.safetensors", folder / "semantics" / "semantics.safetensors"
        before = [sha256(path) for path in inputs]
        annotations = made / "sysu" / "annotations.parquet"
        run_learn_prompts(step("learn_prompts", variant), *inputs, prompts, annotations)
        learned = sha256(prompts)
        run_fuse_semantics(step("fuse_semantics", variant), *inputs, prompts, semantics)
        fused = sha256(semantics)
        run_train_encoder(step("train_encoder", variant), *inputs, semantics, folder / "encoder.safetensors")
        assert [sha256(path) for path in inputs] == before
        assert (sha256(prompts), sha256(semantics)) == (learned, fused)
        return folder

    return make


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "csdn"])
def test_every_switch_trains_and_gives_another_encoder(train, variant):
    one, other = train(variant), train("csdn")
    assert sha256(one / "encoder.safetensors") != sha256(other / "encoder.safetensors")
    history = pd.read_csv(one / "history.csv")
    late = history.columns.str.startswith("description")  # said of the whole training, in its last row
    assert np.isfinite(history.loc[:, ~late].to_numpy(dtype=float)).all()
    assert np.isfinite(history.iloc[-1].to_numpy(dtype=float)).all()
    assert ("semantic_infrared" in history) == (variant != "visible_text")
    assert ("test_rank_1" in history) == (variant == "best_on_test")


def test_switches_of_the_encoder_share_the_descriptions(train):
    for variant in ("hse_cosine", "visible_text", "random_text", "best_on_test"):
        assert sha256(train(variant) / "semantics" / "semantics.safetensors") == sha256(
            train("csdn") / "semantics" / "semantics.safetensors"
        )


@pytest.mark.parametrize("variant", ["csdn", "authors_code"])
def test_csdn_and_the_preset_fuse_by_the_papers_formula(train, variant):
    assert "fusion.embedding_q.0.weight" in read_tensors(train(variant) / "semantics" / "semantics.safetensors")


def test_captions_describe_and_nothing_is_learned(train, made):
    folder = train("caption_text") / "prompts"
    tensors = read_tensors(folder / "prompts.safetensors")
    assert set(tensors) == {"text_visible", "text_infrared", "person_ids"}
    assert tensors["text_visible"].shape == (10, 16)
    assert not np.allclose(tensors["text_visible"], tensors["text_infrared"])
    assert list(pd.read_csv(folder / "history.csv").columns) == [
        *("epoch", "accuracy_visible", "accuracy_infrared", "description_cosine")
    ]
    record = json.loads((folder / "prompts.safetensors.provenance.json").read_text())
    assert record["inputs"]["captions"]["sha256"] == sha256(made / "sysu" / "annotations.parquet")
    assert record["parameters"]["prompts"]["kind"] == "caption"


def test_centroids_are_the_means_of_frozen_image_features(train, made):
    """Against a slow twin: image by image, in float64; fused, both modalities count alike."""
    tensors = read_tensors(train("centroid") / "prompts" / "prompts.safetensors")
    fused = read_tensors(train("centroid") / "semantics" / "semantics.safetensors")
    assert set(tensors) == {"text_visible", "text_infrared", "person_ids"}
    index, cache = pd.read_parquet(made / "index.parquet"), np.load(made / "cache.npy")
    tower = build_tower(starting_clip(step("learn_prompts", "centroid"), made / "clip.safetensors")).eval()
    for place, person in enumerate(tensors["person_ids"]):
        means = []
        for modality in ("visible", "infrared"):
            units = []
            own = (index["person_id"] == person) & (index["modality"] == modality)
            for row in np.flatnonzero(own):
                image = normalize_images(as_images(cache[row : row + 1]), "clip")
                sides = (image, image[:0]) if modality == "visible" else (image[:0], image)
                feature = tower.project(tower(*sides))[0].detach().double().numpy()
                units.append(feature / np.sqrt((feature**2).sum()))
            means.append(sum(units) / len(units))
            np.testing.assert_allclose(tensors[f"text_{modality}"][place], means[-1], atol=1e-5)
        for modality in ("visible", "infrared"):
            np.testing.assert_allclose(fused[f"text_{modality}"][place], sum(means) / 2, atol=1e-5)


def test_a_centroid_needs_an_image_of_each_modality(made, tmp_path):
    index = pd.read_parquet(made / "index.parquet")
    person = index.loc[index["subset_default"] == "train", "person_id"].min()
    left_out = (index["person_id"] == person) & (index["modality"] == "infrared")
    index.loc[left_out, "subset_default"] = ""
    write_parquet(tmp_path / "index.parquet", index)
    given = (tmp_path / "index.parquet", made / "cache.npy", made / "clip.safetensors")
    with pytest.raises(UserError, match=f"no infrared image of person {person}, so there is no centroid"):
        run_learn_prompts(step("learn_prompts", "centroid"), *given, tmp_path / "prompts.safetensors")
    assert not (tmp_path / "prompts.safetensors").exists()


def nearest_share(tower, cache, index, texts, modality):
    """Share of a modality's training images whose own description has the largest cosine: one image at a time."""
    rows = np.flatnonzero((index["subset_default"] == "train") & (index["modality"] == modality))
    units = [text / np.linalg.norm(text) for text in texts[f"text_{modality}"]]
    found = 0
    for row in rows:
        image = normalize_images(as_images(cache[row : row + 1]), "clip")
        feature = tower.project(tower(*((image, image[:0]) if modality == "visible" else (image[:0], image))))
        cosines = [float(unit @ feature[0].detach().numpy()) for unit in units]
        found += texts["person_ids"][int(np.argmax(cosines))] == index["person_id"][row]
    return found / len(rows)


@pytest.mark.parametrize("variant", ["csdn", "caption_text"])
def test_the_last_row_says_how_the_encoder_stands_to_its_descriptions(train, made, variant):
    """Against a slow twin: before the training with the frozen CLIP, after it with the encoder that is kept."""
    row = pd.read_csv(train(variant) / "history.csv").iloc[-1]
    texts = read_tensors(train(variant) / "semantics" / "semantics.safetensors")
    index, cache = pd.read_parquet(made / "index.parquet"), np.load(made / "cache.npy")
    settings = step("train_encoder", variant)
    start = build_tower(starting_clip(settings, made / "clip.safetensors")).eval()
    place, size = torch.device("cpu"), settings.image_size
    architecture, own = settings.clip.architecture, settings.of_network()
    end = load_encoder(train(variant) / "encoder.safetensors", architecture, size, place, **own).eval().backbone
    for modality in ("visible", "infrared"):
        for when, tower in (("before", start), ("after", end)):
            expected = nearest_share(tower, cache, index, texts, modality)
            assert row[f"description_{modality}_{when}"] == pytest.approx(expected, abs=1e-9), (modality, when)
    pairs = zip(texts["text_visible"], texts["text_infrared"], strict=True)
    cosine = np.mean([a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs])
    assert row["description_cosine"] == pytest.approx(cosine, abs=1e-5)
    assert row["description_chance"] == pytest.approx(np.log(10))


def test_only_the_loss_over_all_identities_has_their_chance_beside_it(train):
    assert "description_chance" not in pd.read_csv(train("hse_cosine") / "history.csv")


def test_what_is_measured_of_descriptions_leaves_the_encoder_as_it_is(train, made, tmp_path, monkeypatch):
    monkeypatch.setattr(DescriptionProbe, "nearest", lambda *_: {"visible": 0.0, "infrared": 0.0})
    inputs = (made / "index.parquet", made / "cache.npy", made / "clip.safetensors")
    semantics, output = train("csdn") / "semantics" / "semantics.safetensors", tmp_path / "encoder.safetensors"
    run_train_encoder(step("train_encoder", "csdn"), *inputs, semantics, output)
    assert sha256(output) == sha256(train("csdn") / "encoder.safetensors")


def test_captions_that_are_missing_are_told(made, tmp_path):
    inputs = (made / "index.parquet", made / "cache.npy", made / "clip.safetensors", tmp_path / "prompts.safetensors")
    settings = step("learn_prompts", "caption_text")
    with pytest.raises(UserError, match=r"--captions: missing; prompts\.kind is `caption`"):
        run_learn_prompts(settings, *inputs)
    table = pd.read_parquet(made / "sysu" / "annotations.parquet")
    write_parquet(tmp_path / "bare.parquet", table.drop(columns="caption"))
    with pytest.raises(UserError, match="no columns path and caption"):
        run_learn_prompts(settings, *inputs, tmp_path / "bare.parquet")
    infrared = table["modality"].eq("infrared")
    write_parquet(tmp_path / "half.parquet", table[~infrared])
    with pytest.raises(UserError, match="no infrared caption of person"):
        run_learn_prompts(settings, *inputs, tmp_path / "half.parquet")
    assert not (tmp_path / "prompts.safetensors").exists()


def scored(train, made, variant, folder):
    encoder, index = train(variant) / "encoder.safetensors", made / "index.parquet"
    embeddings, output = folder / f"{variant}.safetensors", folder / variant / "sysu_all_single.json"
    run_embed_images(step("embed_images", variant), index, made / "cache.npy", encoder, embeddings)
    chosen = step("score_retrieval", variant, protocol="sysu_all_single")
    return embeddings, run_score_retrieval(chosen, index, embeddings, output), json.loads(output.read_text())


def test_what_was_selected_on_the_test_set_says_so_to_the_end(train, made, tmp_path, capsys):
    embeddings, result, written = scored(train, made, "best_on_test", tmp_path)
    assert written == result
    assert written["selected_on_test"] is True
    print_scores(result)
    assert "selected on the test set" in " ".join(capsys.readouterr().out.split())
    history = pd.read_csv(train("best_on_test") / "history.csv")
    assert result["metrics"]["rank_1"] == pytest.approx(history["test_rank_1"].max(), abs=1e-9)
    assert selected_on_test(embeddings)
    embeddings, _, written = scored(train, made, "csdn", tmp_path)
    assert "selected_on_test" not in written
    assert not selected_on_test(embeddings)


def test_the_label_goes_with_the_features_to_any_scoring(train, made, tmp_path, monkeypatch):
    embeddings, *_ = scored(train, made, "best_on_test", tmp_path)
    summary = {"metrics": {}, "std": None, "protocol": "sysu_all_single", "reranked": False}
    monkeypatch.setattr("csdn.evaluation.foreign.score_foreign", lambda *a, **k: (summary, pd.DataFrame()))
    options = dict(root=None, split=None, similarity="inner", gallery="agw", trials=1, permutations=None)
    result = run_score_features(embeddings, "sysu_all_single", tmp_path / "foreign.json", reranking=None, **options)
    assert result["selected_on_test"] is True
