"""`csdn search`: galleries of both kinds, queries of both modalities, and what it says of wrong input."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from csdn.artifacts.files import read_tensors, write_tensors
from csdn.cli.main import main
from csdn.search.gallery import map_features


def search(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main(["search", *map(str, arguments)])
    printed = capsys.readouterr()
    assert caught.value.code == 0, printed.err
    return printed.out


def fail(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main(["search", *map(str, arguments)])
    assert caught.value.code == 2
    return capsys.readouterr().err.strip()


@pytest.fixture
def frame(run):
    return pd.read_parquet(run.index).iloc[read_tensors(run.embeddings)["rows"]].reset_index(drop=True)


@pytest.mark.parametrize("modality", ["visible", "infrared"])
def test_an_image_of_the_gallery_finds_itself_first(run, frame, capsys, modality):
    row = frame[frame["modality"] == modality].iloc[3]
    query = ("--query", run.images / row["path"], "--query-modality", modality)
    gallery = ("--gallery", run.embeddings, "--index", run.index)
    told = json.loads(search(capsys, "--encoder", run.encoder, *gallery, *query, "--json"))
    best, *others = told["answers"][0]["found"]
    assert (best["path"], best["person_id"], best["modality"]) == (row["path"], row["person_id"], modality)
    assert best["similarity"] == pytest.approx(1, abs=1e-5)
    assert [found["rank"] for found in others] == list(range(2, 11))
    assert told["images"] == len(frame)


def test_the_answers_are_those_of_the_features(run, frame, capsys):
    """Infrared query, visible gallery, against products of the features of the evaluation."""
    features = read_tensors(run.embeddings)["features"]
    visible = np.flatnonzero(frame["modality"] == "visible")
    asked = int(np.flatnonzero(frame["modality"] == "infrared")[0])
    expected = visible[np.argsort(-features[visible] @ features[asked], kind="stable")[:5]]
    query = ("--query", run.images / frame["path"][asked], "--query-modality", "infrared")
    gallery = ("--gallery", run.embeddings, "--index", run.index, "--modality", "visible")
    told = json.loads(search(capsys, "--encoder", run.encoder, *gallery, *query, "--top", 5, "--json"))
    assert [found["path"] for found in told["answers"][0]["found"]] == list(frame["path"][expected])


def test_a_folder_answers_like_the_embeddings_of_its_images(run, frame, capsys, tmp_path):
    query = ("--query", run.images / frame["path"][0], "--query-modality", frame["modality"][0])
    page = tmp_path / "page.html"
    options = ("--encoder", run.encoder, "--modality", "visible", "--top", 3)
    told = search(capsys, *options, "--gallery", run.images / "cam1", *query, "--page", page)
    assert "similarity" in told and "flat" in told
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 4
    assert not re.findall(r'(?:src|href)="(?!data:)', text)


def test_a_kept_index_is_used_again_only_for_its_gallery(run, frame, capsys, tmp_path):
    pytest.importorskip("faiss", reason="pip install -c constraints.txt -e '.[search]'")
    store = tmp_path / "index.faiss"
    query = ("--query", run.images / frame["path"][0], "--query-modality", frame["modality"][0])
    options = ("--encoder", run.encoder, *query, "--kind", "hnsw", "--store", store, "--json")
    first = search(capsys, *options, "--gallery", run.embeddings)
    made = store.stat().st_mtime_ns
    assert search(capsys, *options, "--gallery", run.embeddings) == first
    assert store.stat().st_mtime_ns == made
    search(capsys, *options, "--gallery", run.images / "cam1", "--modality", "visible")
    assert store.stat().st_mtime_ns != made


def test_an_encoder_that_was_selected_on_the_test_set_says_so(run, chosen_on_test, frame, capsys):
    query = ("--query", run.images / frame["path"][0], "--query-modality", frame["modality"][0])
    told = json.loads(search(capsys, "--encoder", chosen_on_test, "--gallery", run.embeddings, *query, "--json"))
    assert "selected on the test set" in told["note"]


def test_features_are_mapped_as_they_are(run):
    assert np.array_equal(map_features(run.embeddings), read_tensors(run.embeddings)["features"])


def test_wrong_input_is_one_line(run, frame, capsys, tmp_path):
    query = ("--query", run.images / frame["path"][0], "--query-modality", "visible")
    narrow, other = tmp_path / "narrow.safetensors", tmp_path / "other.safetensors"
    write_tensors(narrow, {"features": np.ones((3, 7), np.float32)})
    write_tensors(other, {"x": np.ones(3)})
    (tmp_path / "empty").mkdir()
    index = pd.read_parquet(run.index)
    index.assign(person_id=index["person_id"] + 1).to_parquet(tmp_path / "draw.parquet")  # as long, of other people
    start = ("--encoder", run.encoder, *query)
    for arguments, words in (
        ((*start, "--gallery", tmp_path / "none"), "none: no such file or folder"),
        ((*start, "--gallery", run.images), "--modality: missing"),
        ((*start, "--gallery", tmp_path / "empty", "--modality", "visible"), "has no image"),
        ((*start, "--gallery", narrow), "features of width 7"),
        ((*start, "--gallery", other), "has no tensor `features`"),
        ((*start, "--gallery", run.index), "index.parquet"),
        ((*start, "--gallery", run.embeddings, "--modality", "visible"), "add its --index"),
        ((*start, "--gallery", run.embeddings, "--index", tmp_path / "draw.parquet"), "was made from another index"),
        ((*start, "--gallery", run.embeddings, "--kind", "lsh"), "--kind lsh: unknown"),
        ((*start, "--gallery", run.embeddings, "--store", "a"), "keeps no index"),
        (("--encoder", run.embeddings, *query, "--gallery", run.embeddings), "was made by embed_images"),
        (("--encoder", tmp_path / "e", *query, "--gallery", run.embeddings), "e: no such file"),
        (("--encoder", narrow, *query, "--gallery", run.embeddings), "copy the encoder's record too"),
    ):
        told = fail(capsys, *arguments)
        assert words in told and len(told.splitlines()) == 1
