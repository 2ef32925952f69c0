"""The subcommands that use a trained encoder: search, and export for other programs."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from csdn.artifacts.digests import sha256
from csdn.artifacts.files import atomic, read_json, write_json
from csdn.config.layouts import MODALITIES
from csdn.errors import UserError, printable
from csdn.search.gallery import Gallery, fingerprint, from_embeddings, from_folder
from csdn.search.index import KINDS, build_index, exact_search, import_faiss, search_index
from csdn.search.trained import load_trained


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked.

    Attributes:
        queries: image files; query_modality: of all of them.
        gallery: an embeddings file of the same encoder, or a folder of images.
        modality: of a folder's images; of an embeddings file the ones that are searched, None for all.
        index, root: image index and folder of an embeddings file's images, if known.
        kind: one of KINDS.
        store: where an approximate index is kept for the next time.
        top: answers to each query.
    """

    queries: list[Path]
    query_modality: str
    gallery: Path
    modality: str | None
    index: Path | None
    root: Path | None
    kind: str
    store: Path | None
    top: int


def run_search(search: Search, encoder: Path, device: str = "auto", threads: int = 1) -> dict[str, Any]:
    """Answer the queries.

    Returns:
        `note`, `images` (size of the gallery), `root`, and `answers`: for each query `query` and `found`, a list of
        `rank`, `path`, `similarity` and what the index says of the image.

    Raises:
        UserError: an option or a file is wrong.
    """
    _check(search)
    trained = load_trained(encoder, device=device, threads=threads)
    if search.gallery.is_dir():
        gallery = from_folder(search.gallery, trained, search.modality or "")
    else:
        gallery = from_embeddings(search.gallery, search.index, search.root, search.modality)
    width = gallery.features.shape[1]
    if width * 2 == trained.width:  # embedded without the mirrored image
        trained = replace(trained, flip=False)
    if width != trained.width:
        raise UserError(f"{search.gallery}: features of width {width}, the encoder's are {trained.width}; embed again")
    asked = trained.embed(search.queries, search.query_modality)
    if search.kind == "flat":
        similarity, rows = exact_search(gallery.features, asked, search.top)
    else:
        similarity, rows = search_index(_index(search, gallery), gallery.features, asked, search.top)
    answers = [
        {"query": str(query), "found": _found(gallery, *found)}
        for query, *found in zip(search.queries, similarity, rows, strict=True)
    ]
    note = f"{len(gallery.paths):,} images, cosine similarity, index {search.kind}"
    note += "; the encoder's epoch was selected on the test set" if trained.selected_on_test else ""
    root = str(gallery.root) if gallery.root else None
    return {"note": note, "images": len(gallery.paths), "root": root, "answers": answers}


def run_export(encoder: Path, output: Path, flip: bool) -> None:
    """Write the encoder into the folder `output` as ONNX and as torch.export programs, and print how exact they are."""
    from csdn.search.export import export_encoder, import_onnx

    import_onnx()  # before anything is loaded
    trained = load_trained(encoder, device="cpu", flip=flip)
    for file in export_encoder(trained, encoder, output):
        print(f"{file.path}: descriptors differ from the encoder's by at most {file.difference:.1e}")
    if trained.selected_on_test:
        print("The encoder's epoch was selected on the test set; the files say so.")


def print_answers(result: dict[str, Any]) -> None:
    """Print a table for each query."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    console.print(result["note"])
    for answer in result["answers"]:
        table = Table(title=escape(printable(answer["query"])))
        known = answer["found"][0] if answer["found"] else {}
        names = [name for name in ("person_id", "camera_id", "modality") if name in known]
        for name in ("rank", "similarity", *names, "path"):
            table.add_column(name.replace("_id", ""), justify="left" if name in ("modality", "path") else "right")
        for found in answer["found"]:
            told = [str(found[name]) for name in names]
            table.add_row(str(found["rank"]), f"{found['similarity']:.4f}", *told, escape(printable(found["path"])))
        console.print(table)


def _check(search: Search) -> None:
    for option, value, known in (
        ("--kind", search.kind, KINDS),
        ("--query-modality", search.query_modality, MODALITIES),
        ("--modality", search.modality or MODALITIES[0], MODALITIES),
    ):
        if value not in known:
            raise UserError(f"{option} {printable(value)}: unknown; give one of {', '.join(known)}")
    if not search.gallery.exists():
        raise UserError(f"{search.gallery}: no such file or folder; give embeddings.safetensors or a folder of images")
    if search.gallery.is_dir() and search.modality is None:
        raise UserError(f"--modality: missing; say whether the images of {search.gallery} are visible or infrared")
    if search.store and search.kind == "flat":
        raise UserError("--store: a flat search keeps no index; leave it out, or choose --kind ivf-pq or hnsw")
    if search.kind != "flat":
        import_faiss()


def _index(search: Search, gallery: Gallery) -> Any:
    """The approximate index: the kept one if it is of this gallery, else a new one, which is then kept."""
    faiss = import_faiss()
    if search.store is None:
        return build_index(gallery.features, search.kind)
    record = Path(f"{search.store}.json")
    embeddings = None if search.gallery.is_dir() else search.gallery
    wanted = {"kind": search.kind, "gallery": fingerprint(gallery, embeddings)}
    if search.store.is_file() and record.is_file():
        kept = read_json(record)
        if isinstance(kept, dict) and wanted.items() <= kept.items() and kept.get("sha256") == sha256(search.store):
            return faiss.read_index(os.fspath(search.store))
    index = build_index(gallery.features, search.kind)
    with atomic(search.store) as temporary:
        faiss.write_index(index, os.fspath(temporary))
    write_json(record, wanted | {"sha256": sha256(search.store)})
    return index


def _found(gallery: Gallery, similarity: np.ndarray, rows: np.ndarray) -> list[dict[str, Any]]:
    return [
        {"rank": rank, "path": gallery.paths[row], "similarity": float(value)}
        | {name: column[row] for name, column in gallery.known.items()}
        for rank, (value, row) in enumerate(zip(similarity, rows, strict=True), start=1)
        if row >= 0
    ]
