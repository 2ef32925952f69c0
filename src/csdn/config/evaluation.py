"""The section `evaluation` of params.yaml."""

from __future__ import annotations

from pydantic import Field, field_validator

from csdn.config.base import PRECISION, PROTOCOLS, Count, Fraction, Precision, Strict


class Reranking(Strict):
    """k-reciprocal re-ranking (Zhong et al., CVPR 2017), by default with its authors' constants."""

    k1: Count = Field(20, description="Number of neighbours searched for reciprocal ones.")
    k2: Count = Field(6, description="Number of neighbours whose encodings are averaged.")
    original_weight: Fraction = Field(
        0.3, description="Share of the original distance in the final one (lambda); the rest is the Jaccard distance."
    )


class Evaluation(Strict):
    """What is scored."""

    protocols: list[str] | None = Field(None, min_length=1, description="Protocols to score (null: each layout's).")
    batch: Count = 256
    flip: bool = Field(True, description="Append the features of the mirrored image.")
    precision: Precision = Field("fp32", description=PRECISION)
    reranking: Reranking | None = Field(
        None, description="Also score with k-reciprocal re-ranking, in separate rows; `{}` uses its defaults."
    )

    @field_validator("protocols")
    @classmethod
    def _known(cls, value: list[str] | None) -> list[str] | None:
        known = [name for names in PROTOCOLS.values() for name in names]
        for name in value or []:
            if name not in known:
                raise ValueError(f"unknown protocol {name!r}; known: {', '.join(known)}")
        return value
