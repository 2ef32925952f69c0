"""Feature files of other methods: every usual name of a key, and what must be there besides features."""

import numpy as np
import pytest
from scipy.io import savemat

from csdn.errors import UserError
from csdn.evaluation.feature_files import load_features

FEATURES = np.eye(3, dtype=np.float32)


@pytest.fixture
def load(tmp_path):
    def load(**content):
        np.savez(tmp_path / "a.npz", **content)
        return load_features(tmp_path / "a.npz")

    return load


@pytest.mark.parametrize("features", ["features", "feat", "feats", "f"])
@pytest.mark.parametrize(
    ("ids", "cameras"), [("ids", "cameras"), ("label", "cam"), ("labels", "cams"), ("pids", "camids")]
)
def test_keys_may_be_called_as_others_call_them(load, features, ids, cameras):
    names = {features: FEATURES, ids: np.array([[4, 5, 6]]), cameras: np.array([1.0, 1.0, 3.0])}
    found = load(**{f"{side}_{name}": value for side in ("query", "gallery") for name, value in names.items()})
    for part in (found.query, found.gallery):
        assert (part.ids.tolist(), part.cameras.tolist(), part.paths) == ([4, 5, 6], [1, 1, 3], None)
        assert np.array_equal(part.features, FEATURES)


def test_features_of_all_images_serve_as_queries_and_gallery(load):
    found = load(features=FEATURES, paths=np.array(["a\\1.jpg", " b/2.jpg ", "c/3.jpg"]))
    assert found.query is found.gallery
    assert found.query.paths == ["a/1.jpg", "b/2.jpg", "c/3.jpg"]


def test_cells_of_matlab_are_paths(tmp_path):
    paths = np.array(["a/1.jpg", "b/2.jpg", "c/3.jpg"], dtype=object)
    savemat(tmp_path / "a.mat", {"features": FEATURES, "paths": paths})
    assert load_features(tmp_path / "a.mat").query.paths == paths.tolist()


QUERY = {"query_features": FEATURES, "query_ids": [1, 2, 3]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"features": FEATURES, "ids": [1, 2, 3]}, "has features without paths; add paths, or split"),
        ({"x": FEATURES}, "lacks query_features (it has x)"),
        (QUERY, "lacks gallery_features"),
        ({"query_features": FEATURES}, "lacks query_paths, or query_ids and query_cameras"),
        (QUERY | {"query_ids": [1, 2]}, "query_ids: has 2 entries for 3 features"),
        (QUERY | {"query_ids": [1, 2, 2.5]}, "query_ids: has values that are not whole numbers"),
        (QUERY | {"query_ids": ["1", "2", "3"]}, "query_ids: has values that are not whole numbers"),
        (QUERY | {"gallery_features": FEATURES[:, :2], "gallery_ids": [1, 2, 3]}, "have 3 columns, gallery features 2"),
        ({"features": FEATURES, "paths": ["a", "", "c"]}, "row 1 (counted from 0) is empty"),
        ({"features": FEATURES, "paths": ["a", "b", "x/../../c"]}, "row 2 (counted from 0) leads out of the dataset"),
        ({"features": FEATURES, "paths": ["a", "b"]}, "has 2 entries for 3 features; give one path for each"),
    ],
)
def test_what_lacks_or_does_not_fit_is_one_line(load, content, message):
    with pytest.raises(UserError) as caught:
        load(**content)
    assert message in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_another_kind_of_file_is_told_with_those_that_can_be_read(tmp_path):
    with pytest.raises(UserError, match=r"a\.csv: unknown kind of file; give one of \.npz, \.mat, \.safetensors"):
        load_features(tmp_path / "a.csv")
