"""What the steps depend on that use a trained encoder: embedding, explanation and scoring."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from csdn.config.base import Count, Layout, Precision, Strict
from csdn.config.evaluation import Reranking
from csdn.config.shared_keys import dump
from csdn.steps.selection import SelectedParams
from csdn.steps.settings import OfVariant, WithEncoder


class Embedding(Strict):
    """How images are embedded: the part of `config.Evaluation` that decides the features."""

    batch: Count
    flip: bool
    precision: Precision = "fp32"


class EmbedImages(WithEncoder):
    """Embeds every test image once."""

    VERSION: ClassVar = 3
    step: Literal["embed_images"]
    evaluation: Embedding

    @classmethod
    def _values(cls, chosen: SelectedParams) -> dict[str, Any]:
        evaluation = chosen.params.evaluation.model_dump(mode="json", include=set(Embedding.model_fields))
        if evaluation["precision"] == "fp32":
            del evaluation["precision"]  # named only where it changes something
        return {**super()._values(chosen), "evaluation": evaluation}


class ExplainModel(WithEncoder):
    """Compares a trained encoder with its start, for the figures."""

    VERSION: ClassVar = 1
    step: Literal["explain_model"]
    train_subsets: list[Literal["train", "val"]]


class ScoreRetrieval(OfVariant):
    """Scores one protocol from the embeddings."""

    VERSION: ClassVar = 1
    step: Literal["score_retrieval"]
    layout: Layout
    protocol: str
    gallery: Literal["agw", "official"] = "agw"
    trials: Count = 1
    reranking: Reranking | None = None

    @classmethod
    def _values(cls, chosen: SelectedParams) -> dict[str, Any]:
        out, dataset, name = super()._values(chosen), chosen.dataset_section, chosen.protocol
        out["protocol"], reranked = chosen.params.scores_of(chosen.dataset).get(name, (name, False))
        if dataset.layout != "regdb":
            out |= {"gallery": dataset.gallery, "trials": dataset.trials}
        if reranked and chosen.params.evaluation.reranking:
            out["reranking"] = dump(chosen.params.evaluation.reranking)
        return out
