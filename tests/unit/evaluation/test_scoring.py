"""Scores of features under a protocol: means over trials, the table of queries, and what is refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from csdn.data import regdb, sysu_mm01
from csdn.errors import UserError
from csdn.evaluation import ranking
from csdn.evaluation.protocols import find_protocol, sysu_ignore
from csdn.evaluation.ranking import retrieval_metrics
from csdn.evaluation.reranking import Reranking, reranked_blocks
from csdn.evaluation.scoring import load_permutations, score

NAMES = ["rank_1", "rank_5", "rank_10", "rank_20", "map", "minp"]


@pytest.fixture(scope="module")
def records(fake_sysu):
    return sysu_mm01.read_records(fake_sysu)


@pytest.fixture(scope="module")
def features(records):
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((400, 12))
    noisy = centres[[r.person_id for r in records]] + 1.5 * generator.standard_normal((len(records), 12))
    return (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)


def trial_metrics(records, features, name, trial, rerank=False):
    protocol = find_protocol(name)
    row_of = {record.path: row for row, record in enumerate(records)}
    query, gallery = protocol.query(records), protocol.gallery(records, trial)
    asking, answering = (features[[row_of[r.path] for r in images]] for images in (query, gallery))
    similarity = asking @ answering.T
    if rerank:
        similarity = np.concatenate([block for _, block in reranked_blocks(asking, answering)])
    ids = [[r.person_id for r in images] for images in (query, gallery)]
    ignore = sysu_ignore([r.camera_id for r in query], [r.camera_id for r in gallery])
    return query, retrieval_metrics(similarity, *ids, ignore=ignore, cmc=protocol.cmc)


@pytest.mark.parametrize("reranked", [False, True])
@pytest.mark.parametrize("name", ["sysu_all_single", "sysu_all_multi", "sysu_indoor_single", "sysu_indoor_multi"])
def test_averages_over_trials(records, features, name, reranked, monkeypatch):
    monkeypatch.setattr(ranking, "PRODUCT_ELEMENTS", 1000)
    summary, table = score(records, features, name, reranking=Reranking() if reranked else None)
    expected = [trial_metrics(records, features, name, trial, reranked) for trial in range(10)]
    maps = [metrics.mean_average_precision for _, metrics in expected]
    assert list(summary) == ["protocol", "gallery", "trials", "metrics", "std", "queries", "valid_queries", "reranked"]
    assert list(summary["metrics"]) == list(summary["std"]) == NAMES
    assert (summary["protocol"], summary["gallery"], summary["trials"]) == (name, "agw", 10)
    assert summary["reranked"] is reranked
    assert summary["queries"] == 22
    assert summary["metrics"]["map"] == pytest.approx(np.mean(maps), abs=1e-6)
    assert summary["std"]["map"] == pytest.approx(np.std(maps, ddof=1), abs=1e-6)
    rank_5 = [metrics.cmc[4] for _, metrics in expected]
    assert summary["metrics"]["rank_5"] == pytest.approx(np.mean(rank_5))
    for trial, (query, metrics) in enumerate(expected):
        part = table[table["trial"] == trial]
        asked = [q for q, valid in zip(query, metrics.valid, strict=True) if valid]
        assert part["query_path"].tolist() == [q.path for q in asked]
        assert part["person_id"].tolist() == [q.person_id for q in asked]
        assert part["camera_id"].tolist() == [q.camera_id for q in asked]
        np.testing.assert_allclose(part["average_precision"], metrics.average_precision, atol=1e-6)
        np.testing.assert_allclose(part["inverse_negative_penalty"], metrics.inverse_negative_penalty, atol=1e-6)
        assert part["first_match_rank"].tolist() == metrics.first_match_rank.tolist()
    assert summary["valid_queries"] == len(table) / 10
    assert next(iter(table)) == "trial"


def test_one_trial_has_no_spread(records, features):
    summary, table = score(records, features, "sysu_all_single", trials=1)
    assert summary["trials"] == 1
    assert summary["std"] is None
    assert set(table["trial"]) == {0}


def test_regdb_has_one_trial_whose_gallery_is_every_image(features, fake_regdb):
    records = regdb.read_records(fake_regdb, "1")
    summary, table = score(records, features[: len(records)], "regdb_infrared_to_visible")
    assert (summary["trials"], summary["gallery"], summary["std"]) == (1, "all", None)
    assert summary["valid_queries"] == summary["queries"] == len(table) == 18


def test_only_test_images_count(records, features):
    test = [row for row, record in enumerate(records) if record.subset == "test"]
    everything = score(records, features, "sysu_all_multi")
    alone = score([records[row] for row in test], features[test], "sysu_all_multi")
    assert alone[0] == everything[0]


def test_the_official_gallery_is_labelled(records, features, tmp_path):
    cameras = np.empty((6, 1), object)
    for camera in range(1, 7):
        cells = np.empty((400, 1), object)
        for person in range(1, 401):
            of = [int(Path(r.path).stem) for r in records if (r.camera_id, r.person_id) == (camera, person)]
            cells[person - 1, 0] = np.tile(np.array(of, np.uint8), (10, 1))
        cameras[camera - 1, 0] = cells
    savemat(tmp_path / "rand_perm_cam.mat", {"rand_perm_cam": cameras})
    permutations = load_permutations(tmp_path / "rand_perm_cam.mat")
    summary, _ = score(records, features, "sysu_all_single", gallery="official", permutations=permutations)
    assert summary["gallery"] == "official"
    assert summary["std"]["map"] < 1e-12  # the permutations of all trials are equal here


def with_nan(features):
    broken = features.copy()
    broken[5, 3] = np.nan
    return broken


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r, f: {"protocol": "sysu"}, "unknown protocol 'sysu'"),
        (lambda r, f: {"gallery": "mine"}, "unknown gallery 'mine'; known: agw, official"),
        (lambda r, f: {"gallery": "official"}, "needs exp/rand_perm_cam.mat"),
        (lambda r, f: {"gallery": "official", "protocol": "regdb_visible_to_infrared"}, "has no official gallery"),
        (lambda r, f: {"trials": 0}, "trials is 0; expected 1..10"),
        (lambda r, f: {"features": f[:-1]}, r"features: shape is \(251, 12\); expected \(252, D\)"),
        (lambda r, f: {"features": f.astype(str)}, "expected real numbers"),
        (lambda r, f: {"features": with_nan(f)}, "features: row 5 .* is not finite"),
        (lambda r, f: {"features": np.full_like(f, 1e30)}, "products overflow"),
        (lambda r, f: {"records": r[:9], "features": f[:9]}, "no infrared test image to query"),
        (
            lambda r, f: {"records": [x for x in r if x.camera_id in (3, 6)]},
            "no visible test image for a gallery",
        ),
        (
            lambda r, f: {"records": [x for x in r if (x.person_id == 21) or x.camera_id < 3]},
            "no query has a correct gallery image in trial 0",
        ),
    ],
)
def test_refuses_in_one_line(records, features, change, message):
    arguments = {"records": records, "features": features, "protocol": "sysu_all_single"}
    arguments.update(change(records, features))
    arguments["features"] = arguments["features"][: max(len(arguments["records"]), 1)]
    with pytest.raises(UserError, match=message) as caught:
        score(arguments.pop("records"), arguments.pop("features"), arguments.pop("protocol"), **arguments)
    assert "\n" not in str(caught.value)


def test_permutations_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.mat: no such file"):
        load_permutations(tmp_path / "none.mat")
    (tmp_path / "text.mat").write_text("hello")
    with pytest.raises(UserError, match=r"text\.mat: cannot be read as a MATLAB file"):
        load_permutations(tmp_path / "text.mat")
    savemat(tmp_path / "other.mat", {"perm": np.zeros(3)})
    with pytest.raises(UserError, match=r"other\.mat: has no array rand_perm_cam"):
        load_permutations(tmp_path / "other.mat")


def test_scoring_imports_neither_torch_nor_mlflow():
    code = (
        "import sys, csdn.evaluation.foreign, csdn.evaluation.scoring, csdn.data.readers\n"
        "print([name for name in ('torch', 'mlflow', 'open_clip') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
