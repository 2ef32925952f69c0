"""Any method's features: three kinds of file, paths or labels, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.io import savemat

from csdn.data import regdb, sysu_mm01
from csdn.errors import UserError
from csdn.evaluation.feature_files import load_features
from csdn.evaluation.foreign import score_foreign
from csdn.evaluation.protocols import find_protocol
from csdn.evaluation.reranking import Reranking
from csdn.evaluation.scoring import score


@pytest.fixture(scope="module")
def records(fake_sysu):
    return sysu_mm01.read_records(fake_sysu)


@pytest.fixture(scope="module")
def features(records):
    return np.random.default_rng(0).standard_normal((len(records), 6)).astype(np.float32)


def save(folder, kind, content):
    path = folder / f"features.{kind}"
    if kind == "npz":
        np.savez(path, **{name: np.asarray(value) for name, value in content.items()})
    elif kind == "mat":
        cells = {name: np.array(value, object) if "paths" in name else value for name, value in content.items()}
        savemat(path, cells)
    else:
        text = {name: "\n".join(value) for name, value in content.items() if "paths" in name}
        save_file({name: np.asarray(value) for name, value in content.items() if name not in text}, path, text)
    return path


def by_labels(records, features, chosen):
    rows = [row for row, record in enumerate(records) if chosen(record)]
    return features[rows], [records[row].person_id for row in rows], [records[row].camera_id for row in rows]


def labelled(records, features, keys=("features", "ids", "cameras")):
    query = by_labels(records, features, lambda r: r.subset == "test" and r.modality == "infrared")
    gallery = by_labels(records, features, lambda r: r.subset == "test" and r.modality == "visible")
    pairs = (("query_", query), ("gallery_", gallery))
    return {prefix + key: np.asarray(value) for prefix, part in pairs for key, value in zip(keys, part, strict=True)}


@pytest.mark.parametrize("kind", ["npz", "mat", "safetensors"])
@pytest.mark.parametrize("prefix", ["", "/somewhere/SYSU-MM01/"])
def test_paths_give_what_our_own_features_give(records, features, tmp_path, kind, prefix):
    order = np.random.default_rng(1).permutation(len(records))
    paths = [prefix + records[row].path for row in order]
    path = save(tmp_path, kind, {"features": features[order], "paths": paths})
    for name in ("sysu_all_single", "sysu_indoor_multi"):
        summary, table = score_foreign(path, name, records=records)
        expected, expected_table = score(records, features, name)
        assert summary == expected
        assert table.equals(expected_table)


@pytest.mark.parametrize("kind", ["npz", "mat", "safetensors"])
def test_query_and_gallery_may_be_apart(records, features, tmp_path, kind):
    content = {}
    for prefix, modality in (("query_", "infrared"), ("gallery_", "visible")):
        rows = [row for row, record in enumerate(records) if record.modality == modality]
        content |= {f"{prefix}features": features[rows], f"{prefix}paths": [records[row].path for row in rows]}
    summary, _ = score_foreign(save(tmp_path, kind, content), "sysu_all_multi", records=records)
    assert summary == score(records, features, "sysu_all_multi")[0]


@pytest.mark.parametrize("kind", ["npz", "mat", "safetensors"])
@pytest.mark.parametrize("keys", [("features", "ids", "cameras"), ("f", "label", "cam")])
def test_labels_in_the_order_of_the_files_give_the_same_draws(records, features, tmp_path, kind, keys):
    path = save(tmp_path, kind, labelled(records, features, keys))
    for name in ("sysu_all_single", "sysu_indoor_single", "sysu_indoor_multi"):
        summary, table = score_foreign(path, name)
        expected, expected_table = score(records, features, name)
        assert summary == expected
        assert table.drop(columns="query_path").equals(expected_table.drop(columns="query_path"))
        assert table["query_path"].iloc[0] == "query/000000000"


def test_a_gallery_that_is_drawn_already_is_a_single_trial(records, features, tmp_path):
    protocol = find_protocol("sysu_all_single")
    row_of = {record.path: row for row, record in enumerate(records)}
    content = labelled(records, features)
    for trial in (0, 7):
        drawn = protocol.gallery(records, trial)
        content |= {
            "gallery_features": features[[row_of[record.path] for record in drawn]],
            "gallery_ids": np.array([record.person_id for record in drawn]),
            "gallery_cameras": np.array([record.camera_id for record in drawn]),
        }
        summary, _ = score_foreign(save(tmp_path, "npz", content), "sysu_all_single")
        _, table = score(records, features, "sysu_all_single")
        assert (summary["gallery"], summary["trials"], summary["std"]) == ("given", 1, None)
        ours = table[table["trial"] == trial]["average_precision"].mean()
        assert summary["metrics"]["map"] == pytest.approx(ours)


def test_regdb_needs_no_cameras(features, tmp_path, fake_regdb):
    records = regdb.read_records(fake_regdb, "1")
    own = features[: len(records)]
    content = labelled(records, own)
    del content["query_cameras"], content["gallery_cameras"]
    summary, _ = score_foreign(save(tmp_path, "npz", content), "regdb_infrared_to_visible")
    assert summary == score(records, own, "regdb_infrared_to_visible")[0]


def test_similarities(records, features, tmp_path):
    path = save(tmp_path, "npz", labelled(records, features))
    normalised = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosine, _ = score_foreign(path, "sysu_all_single", similarity="cosine")
    assert cosine["metrics"] == pytest.approx(score(records, normalised, "sysu_all_single")[0]["metrics"])
    euclidean, _ = score_foreign(path, "sysu_all_single", similarity="euclidean")
    squares = (features**2).sum(axis=1, keepdims=True)
    query = np.array([record.modality == "infrared" for record in records])[:, None]
    augmented = np.hstack([np.where(query, 2, 1) * features, np.where(query, -1, squares)])
    assert euclidean["metrics"] == pytest.approx(score(records, augmented, "sysu_all_single")[0]["metrics"])
    reranked, _ = score_foreign(path, "sysu_all_single", similarity="euclidean", reranking=Reranking())
    assert reranked == score(records, features, "sysu_all_single", reranking=Reranking())[0]


def broken(content, **changes):
    return {name: value for name, value in {**content, **changes}.items() if value is not None}


def nan_in_row_4(array):
    array = array.copy()
    array[4, 1] = np.nan
    return array


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: {"query_features": None}, "lacks query_features .it has gallery_cameras"),
        (lambda c: {"gallery_ids": None}, "lacks gallery_paths, or gallery_ids and gallery_cameras"),
        (lambda c: {"gallery_cameras": None}, "gallery_cameras: missing; sysu_all_single depends on cameras"),
        (lambda c: {"query_features": nan_in_row_4(c["query_features"])}, "query_features: row 4 .* is not finite"),
        (lambda c: {"query_features": c["query_features"][:, :5]}, "query features have 5 columns, gallery features 6"),
        (lambda c: {"query_features": c["query_features"][0]}, r"query_features: shape is \(6,\)"),
        (lambda c: {"query_features": np.float32(1)}, r"query_features: shape is \(\)"),
        (lambda c: {"query_ids": c["query_ids"][:-1]}, "query_ids: has 21 entries for 22 features"),
        (lambda c: {"query_ids": c["query_ids"] + 0.5}, "query_ids: has values that are not whole numbers"),
        (
            lambda c: {"query_cameras": c["query_cameras"] * 0 + 4},
            "query_cameras: row 0 .* has camera 4; .* cameras 3, 6",
        ),
        (lambda c: {"gallery_cameras": c["gallery_cameras"] + 90}, "gallery_cameras: row 0 .* has camera 9"),
        (lambda c: {"gallery_ids": c["gallery_ids"] + 1000}, "no query has a correct gallery image in trial 0"),
    ],
)
def test_refuses_labels_in_one_line(records, features, tmp_path, change, message):
    content = labelled(records, features)
    path = save(tmp_path, "npz", broken(content, **change(content)))
    with pytest.raises(UserError, match=message) as caught:
        score_foreign(path, "sysu_all_single")
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value) or "gallery_ids" in str(change(content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r[:-1], "paths: has 251 entries for 252 features"),
        (lambda r: [*r[:-1], replace(r[0])], "rows 0 and 251 are both cam1/0001/0008.jpg"),
        (lambda r: [*r[:-1], replace(r[0], path=" ")], "row 251 .* is empty"),
        (
            lambda r: [replace(r[0], path=f"{i}.jpg") for i in range(252)],
            "lacks 22 images of the protocol, first cam3/0002",
        ),
    ],
)
def test_refuses_paths_in_one_line(records, features, tmp_path, change, message):
    content = {"features": features, "paths": [record.path for record in change(records)]}
    with pytest.raises(UserError, match=message):
        score_foreign(save(tmp_path, "npz", content), "sysu_all_single", records=records)


def test_says_what_is_needed_besides_the_file(records, features, tmp_path):
    named = save(tmp_path, "npz", {"features": features, "paths": [record.path for record in records]})
    with pytest.raises(UserError, match="refer to images of a dataset; give its folder too"):
        score_foreign(named, "sysu_all_single")
    with pytest.raises(UserError, match="unknown similarity 'l1'"):
        score_foreign(named, "sysu_all_single", records=records, similarity="l1")
    plain = save(tmp_path, "npz", labelled(records, features))
    with pytest.raises(UserError, match="the official gallery is defined by paths"):
        score_foreign(plain, "sysu_all_single", gallery="official")
    nameless = save(tmp_path, "npz", {"features": features, "ids": np.ones(len(features))})
    with pytest.raises(UserError, match="has features without paths"):
        score_foreign(nameless, "sysu_all_single")


def test_refuses_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"none\.npz: no such file"):
        load_features(tmp_path / "none.npz")
    with pytest.raises(
        UserError, match=r"features\.pkl: unknown kind of file; give one of \.npz, \.mat, \.safetensors"
    ):
        load_features(tmp_path / "features.pkl")
    for kind in ("npz", "mat", "safetensors"):
        (tmp_path / f"text.{kind}").write_text("no features " * 20)
        with pytest.raises(UserError, match=rf"text\.{kind}: cannot be read"):
            load_features(tmp_path / f"text.{kind}")


def test_never_unpickles(tmp_path):
    np.savez(tmp_path / "objects.npz", features=np.ones((2, 2)), paths=np.array(["a", None], object))
    with pytest.raises(UserError, match="text as arrays of dtype str"):
        load_features(tmp_path / "objects.npz")
