"""The evaluation subcommands: embed-images and score-retrieval (which imports no torch)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from csdn.artifacts.files import (
    SELECTED_ON_TEST,
    read_tensors,
    selected_on_test,
    write_json,
    write_parquet,
    write_tensors,
)
from csdn.artifacts.records import write_provenance
from csdn.console.progress import progress
from csdn.data.image_cache import open_images, read_index, subset_rows, to_records
from csdn.errors import UserError
from csdn.steps.evaluation import EmbedImages, ScoreRetrieval
from csdn.steps.input_checks import check_inputs

if TYPE_CHECKING:
    import pandas as pd


def run_embed_images(settings: EmbedImages, index: Path, cache: Path, encoder: Path, output: Path) -> None:
    """Embed every test image of the split once and write embeddings.safetensors."""
    from csdn.models.build import load_encoder
    from csdn.models.device import configure_process
    from csdn.models.inference import embed_images

    inputs = {"index": index, "cache": cache, "encoder": encoder}
    record = settings.record()
    compute = configure_process(**settings.runtime.of_process(), precision=settings.evaluation.precision)
    digests = check_inputs(record, inputs)
    frame, pixels = open_images(index, cache, settings.scratch)
    rows = subset_rows(frame, settings.split, ["test"])
    if not len(rows):
        raise UserError(f"{index}: split {settings.split} has no test image; check the dataset's lists")
    start = (settings.clip.architecture, settings.image_size)
    network = load_encoder(encoder, *start, compute.device, **settings.of_network())
    infrared = (frame["modality"].to_numpy() == "infrared")[rows]
    options = settings.evaluation.model_dump() | {"normalization": settings.fidelity.normalization}
    with progress("embed-images", len(rows), "images") as advance:
        features = embed_images(network, pixels, rows, infrared, **options, device=compute.device, progress=advance)
    label = SELECTED_ON_TEST if selected_on_test(encoder) else None
    write_tensors(output, {"features": features, "rows": rows.astype(np.int64)}, label)
    write_provenance(output, record, inputs, digests=digests, compute=compute.record())


def run_score_retrieval(
    settings: ScoreRetrieval, index: Path, embeddings: Path, output: Path, permutations: Path | None = None
) -> dict[str, Any]:
    """Score one protocol of a run; write its JSON and, beside it, the Parquet of every query.

    Returns:
        The JSON's content.
    """
    from csdn.evaluation.reranking import Reranking
    from csdn.evaluation.scoring import load_permutations, score

    inputs = {"index": index, "embeddings": embeddings}
    record = settings.record()
    digests = check_inputs(record, inputs)
    tensors = read_tensors(embeddings)
    frame = read_index(index)
    subset_rows(frame, settings.split, ["test"])
    records = to_records(frame, settings.split)
    rows = tensors["rows"]
    if rows.max(initial=0) >= len(frame):  # embeddings without a record
        raise UserError(f"{embeddings}: was made from another index than {index}; rerun embed-images")
    summary, queries = score(
        [records[row] for row in rows],
        tensors["features"],
        settings.protocol,
        gallery=settings.gallery,
        trials=settings.trials,
        permutations=load_permutations(permutations) if permutations else None,
        reranking=Reranking(**settings.reranking.model_dump()) if settings.reranking else None,
    )
    names = {name: getattr(settings, name) for name in ("dataset", "variant", "seed", "split", "protocol")}
    result = names | summary | _label(embeddings)
    return _write_scores(result, queries, output, record, inputs, digests)


def run_score_features(
    features: Path,
    protocol: str,
    output: Path,
    *,
    root: Path | None,
    split: str | None,
    similarity: str,
    gallery: str,
    trials: int,
    permutations: Path | None,
    reranking: dict[str, Any] | None,
) -> dict[str, Any]:
    """Score any method's features under a protocol; write the same JSON and Parquet as for a run of ours.

    Raises:
        UserError: an option or the file is wrong; names the option, or the file and its row.
    """
    from csdn.data.readers import read_records
    from csdn.evaluation.foreign import score_foreign
    from csdn.evaluation.protocols import find_protocol
    from csdn.evaluation.reranking import Reranking
    from csdn.evaluation.scoring import load_permutations

    for option, value, known in (
        ("--similarity", similarity, ("inner", "cosine", "euclidean")),
        ("--gallery", gallery, ("agw", "official")),
    ):
        if value not in known:
            raise UserError(f"{option} {value}: unknown; give one of {', '.join(known)}")
    layout = find_protocol(protocol).layout
    split = split or ("1" if layout == "regdb" else "default")
    summary, queries = score_foreign(
        features,
        protocol,
        records=read_records(layout, root, split) if root else None,
        similarity=cast(Any, similarity),  # one of the three, as checked above
        gallery=gallery,
        trials=trials,
        permutations=load_permutations(permutations) if permutations else None,
        reranking=Reranking(**reranking) if reranking else None,
    )
    names = {"dataset": layout, "variant": features.stem, "seed": None, "split": split, "protocol": protocol}
    options = {"step": "score_features", "similarity": similarity, "gallery": gallery, "trials": trials}
    options |= {"reranking": reranking}
    label = _label(features) if features.suffix.lower() == ".safetensors" else {}
    return _write_scores(names | summary | label, queries, output, options, {"features": features}, {})


def print_scores(result: dict[str, Any]) -> None:
    """Print the metrics of a score file as a table, in percent."""
    from rich.console import Console
    from rich.table import Table

    title = f"{result['variant']}: {result['protocol']}, gallery {result['gallery']}, {result['queries']} queries"
    title += ", re-ranked" if result["reranked"] else ""
    title += ", selected on the test set" if result.get("selected_on_test") else ""
    table = Table(title=title)
    std = result["std"] or {}
    for name in result["metrics"]:
        table.add_column(name, justify="right")
    spread = {name: f" ± {100 * value:.2f}" for name, value in std.items()}
    table.add_row(*(f"{100 * value:.2f}{spread.get(name, '')}" for name, value in result["metrics"].items()))
    Console().print(table)


def _label(features: Path) -> dict[str, Any]:
    """What a score file says of features whose encoder was selected on the test set; nothing of others."""
    return {"selected_on_test": True} if selected_on_test(features) else {}


def _write_scores(
    result: dict[str, Any],
    queries: pd.DataFrame,
    output: Path,
    options: dict[str, Any],
    inputs: dict[str, Path],
    digests: dict[str, str],
) -> dict[str, Any]:
    table = output.with_suffix(".parquet")
    write_parquet(table, queries)
    write_json(output, result)
    write_provenance(output, options, inputs, digests=digests, beside=[table])
    return result
