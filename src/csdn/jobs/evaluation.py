"""The evaluation subcommands: embed-images and score-retrieval (which imports no torch)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from csdn.artifacts import read_tensors, write_json, write_parquet, write_provenance, write_tensors
from csdn.data.image_cache import open_cache, read_index, subset_rows, to_records
from csdn.errors import UserError
from csdn.progress import progress
from csdn.slices import EmbedImages, ScoreRetrieval


def run_embed_images(step: EmbedImages, index: Path, cache: Path, encoder: Path, output: Path) -> None:
    """Embed every test image of the split once and write embeddings.safetensors."""
    import torch

    from csdn.evaluation.embedding import embed_images
    from csdn.jobs.training import build_network
    from csdn.training.runtime import prepare_machine

    device = prepare_machine(step.runtime.device, step.runtime.threads, step.runtime.deterministic)
    frame = read_index(index)
    pixels = open_cache(cache, len(frame))
    rows = subset_rows(frame, step.split, ["test"])
    if not len(rows):
        raise UserError(f"{index}: split {step.split} has no test image; check the dataset's lists")
    state = {name: torch.from_numpy(value) for name, value in read_tensors(encoder).items()}
    identities = len(state.pop("person_ids"))
    network = build_network(step, None, identities, torch.Generator())
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"{encoder}: belongs to other settings ({str(error).splitlines()[-1].strip()}); train it again"
        ) from error
    network = network.to(device).to(memory_format=torch.channels_last)
    with progress("embed-images", len(rows), "images") as advance:
        features = embed_images(
            network,
            pixels,
            rows,
            (frame["modality"].to_numpy() == "infrared")[rows],
            batch=step.evaluation.batch,
            flip=step.evaluation.flip,
            normalization=step.fidelity.normalization,
            device=device,
            progress=advance,
        )
    write_tensors(output, {"features": features, "rows": rows.astype(np.int64)})
    slice_ = step.model_dump(mode="json", exclude={"tracking"})
    write_provenance(output, slice_, {"index": index, "cache": cache, "encoder": encoder})


def run_score_retrieval(
    step: ScoreRetrieval, index: Path, embeddings: Path, output: Path, permutations: Path | None
) -> dict[str, object]:
    """Score one protocol; write its JSON and, beside it, the Parquet of every query. Returns the JSON's content."""
    from csdn.evaluation.scoring import load_permutations, score

    tensors = read_tensors(embeddings)
    frame = read_index(index)
    records = to_records(frame, step.split)
    rows = tensors["rows"]
    if rows.max(initial=0) >= len(frame):
        raise UserError(f"{embeddings}: was made from another index than {index}; rerun embed-images")
    drawn = load_permutations(permutations) if permutations else None
    summary, queries = score(
        [records[row] for row in rows],
        tensors["features"],
        step.protocol,
        gallery=step.gallery,
        trials=step.trials,
        permutations=drawn,
    )
    names = {name: getattr(step, name) for name in ("dataset", "variant", "seed", "split", "protocol")}
    result = names | summary
    write_parquet(output.with_suffix(".parquet"), queries)
    write_json(output, result)
    inputs = {"index": index, "embeddings": embeddings}
    write_provenance(output, step.model_dump(mode="json", exclude={"tracking"}), inputs)
    return result
