"""What scores depend on."""

import json

from helpers.default_settings import changed_by, step_of, text_of


def test_only_reranked_scores_depend_on_how_to_rerank():
    reranked = {"protocol": "sysu_all_single-reranked"}
    found = [json.loads(text_of("score_retrieval", f"evaluation.reranking.k1={k1}", **reranked)) for k1 in (5, 6)]
    assert [scoring["reranking"]["k1"] for scoring in found] == [5, 6]
    assert {scoring["protocol"] for scoring in found} == {"sysu_all_single"}
    assert text_of("score_retrieval", "evaluation.reranking.k1=5") == text_of("score_retrieval")


def test_regdb_does_not_depend_on_gallery_draws():
    place = {"dataset": "regdb", "split": "1", "protocol": "regdb_visible_to_infrared"}
    assert "score_retrieval" not in changed_by("datasets.regdb.trials=3", **place)


def test_the_precision_of_embeddings_is_named_only_where_it_is_not_full():
    assert "precision" not in json.loads(text_of("embed_images"))["evaluation"]
    assert step_of("embed_images").evaluation.precision == "fp32"
    assert json.loads(text_of("embed_images", "evaluation.precision=bf16"))["evaluation"]["precision"] == "bf16"


def test_the_official_gallery_is_scored_under_the_protocols_own_name():
    official = step_of("score_retrieval", "datasets.sysu_mm01.gallery=official", protocol="sysu_all_single-official")
    assert (official.protocol, official.gallery, official.trials) == ("sysu_all_single", "official", 10)
    regdb = step_of("score_retrieval", dataset="regdb", split="1", protocol="regdb_visible_to_infrared")
    assert (regdb.gallery, regdb.trials) == ("agw", 1)  # it has one gallery, which is not drawn
