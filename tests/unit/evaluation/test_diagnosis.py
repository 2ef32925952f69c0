"""A clean run gives no finding; each known cause, provoked once, gives its own and no other."""

from dataclasses import fields, replace

import pytest

from csdn.evaluation.diagnosis import CAUSES, diagnose
from csdn.evaluation.evidence import Evidence

SYSU = Evidence(
    layout="sysu_mm01",
    protocol="sysu_all_single",
    split="default",
    queries=3803,
    gallery_images=301,
    query="infrared",
    trained_split="default",
    identities=395,
    infrared_images=11909,
    reranking=False,
    selection="last",
    ignores_same_place=True,
    llcm_convention="ours",
    released_code=False,
    normalization="clip",
    clip_model="RN50-quickgelu",
    clip_weights="openai",
    image_size=(288, 144),
    mirrored=True,
    triplet=1.1,
    triplet_floor=0.0,
    distances=(20.0, 9.0),
)
REGDB = replace(
    SYSU,
    layout="regdb",
    protocol="regdb_visible_to_infrared",
    query="visible",
    queries=2060,
    gallery_images=2060,
    identities=206,
    infrared_images=2060,
    split="3",
    trained_split="3",
)
LLCM = replace(
    SYSU, layout="llcm", protocol="llcm_visible_to_infrared", query="visible", queries=8000, gallery_images=900
)
LLCM = replace(LLCM, identities=713)
RELEASED = replace(SYSU, released_code=True, normalization="imagenet", triplet_floor=1e-6, triplet=21.0)


@pytest.mark.parametrize("clean", [SYSU, REGDB, RELEASED, replace(LLCM, official=False)])
def test_a_clean_run_gives_no_finding_and_leaves_nothing_unchecked(clean):
    assert diagnose(clean) == ([], {})


@pytest.mark.parametrize(
    ("evidence", "cause", "said"),
    [
        (replace(REGDB, identities=395), "training identities", "SYSU-MM01's 395 identities were left in"),
        (replace(SYSU, identities=367), "training identities", "367 identities, not 395"),
        (replace(SYSU, infrared_images=11333), "infrared images", "11,333 images, not 11,909"),
        (replace(SYSU, query="visible"), "direction", "the queries are visible"),
        (replace(SYSU, query=None, queries=301), "direction", "301 queries, the number of the gallery's side"),
        (replace(REGDB, query="infrared"), "direction", "asks visible images, but infrared"),
        (replace(SYSU, queries=3800), "test images", "3,800 queries, not 3,803"),
        (replace(SYSU, gallery_images=3010), "test images", "3,010 gallery images, not 301"),
        (replace(SYSU, ignores_same_place=False), "same place", "camera 3"),
        (replace(REGDB, trained_split="1"), "split", "trained on split 1, scored on split 3"),
        (replace(SYSU, reranking=True), "re-ranking", "without saying so"),
        (replace(SYSU, reranking=True, reranked=True), "re-ranking", "the score file says so"),
        (replace(SYSU, selection="best_on_test"), "selection", "without saying so"),
        (replace(SYSU, selection="best_on_test", selected_on_test=True), "selection", "; the score file says so"),
        (replace(LLCM, llcm_convention="authors_script"), "LLCM direction", "authors_script"),
        (replace(LLCM, llcm_convention=None, queries=900, gallery_images=8000), "LLCM direction", "900 queries, 8,000"),
        (replace(SYSU, normalization="imagenet"), "normalisation", "ImageNet's mean"),
        (replace(RELEASED, normalization="clip"), "normalisation", "the released code uses ImageNet's"),
        (replace(SYSU, clip_model="RN50"), "activation", "set clip.model to RN50-quickgelu"),
        (replace(SYSU, triplet_floor=1e-6, triplet=21.0), "loss scale", "mean raw distances 20.0, 9.0"),
        (replace(SYSU, triplet_floor=None, triplet=21.0), "loss scale", "WRT's floor makes"),
        (replace(RELEASED, triplet_floor=None, triplet=1.1), "loss scale", "WRT has no floor"),
        (replace(SYSU, image_size=(256, 128)), "image size", "256x128, not 288x144"),
        (replace(SYSU, mirrored=False), "mirrored image", "only the second has it"),
    ],
)
def test_each_cause_gives_its_finding_and_no_other(evidence, cause, said):
    if evidence.layout == "llcm":
        evidence = replace(evidence, official=False)  # made-up counts
    (found,), unchecked = diagnose(evidence)
    assert found.cause == cause and said in " ".join(found)
    assert all(found), "what, evidence, effect and remedy"
    assert set(unchecked) <= {cause}


def test_a_floor_does_not_matter_where_distances_are_small_or_features_of_unit_length():
    floor = {"triplet_floor": 1e-6, "triplet": 1.1}
    assert not diagnose(replace(SYSU, **floor, distances=(9.0, 9.0))).findings
    assert not diagnose(replace(SYSU, **floor, metric_features="unit")).findings


def test_models_that_need_no_quick_gelu():
    for model, weights in (("mini", "shipped"), ("RN50", "cc12m"), ("ViT-B-16-quickgelu", "openai")):
        assert not diagnose(replace(SYSU, clip_model=model, clip_weights=weights)).findings


def test_the_embedded_benchmark_has_no_official_counts():
    small = {"queries": 48, "gallery_images": 12, "identities": 160, "infrared_images": 640, "image_size": (64, 32)}
    assert diagnose(replace(SYSU, **small, official=False)) == ([], {})


def test_what_is_not_known_is_named_and_not_found_innocent():
    findings, unchecked = diagnose(Evidence("llcm", "llcm_visible_to_infrared", "default"))
    assert findings == []
    assert set(unchecked) == set(CAUSES) - {"same place"}, "which LLCM does not have"
    assert unchecked["normalisation"] == ("normalization", "released_code")
    assert {key for keys in unchecked.values() for key in keys} <= {field.name for field in fields(Evidence)}
