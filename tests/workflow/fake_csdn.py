"""Stands in for the `csdn` command: writes every output in no time, from the arguments and the inputs alone.

What it was asked to do is appended to `calls.jsonl`, so that tests see which steps ran.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

BESIDE = {  # what a command writes beside --output
    "make-dataset": ["{output}.provenance.json", "images.npy"],
    "pretrain-clip": ["history.csv", "zero_shot.csv"],
    "learn-prompts": ["history.csv"],
    "fuse-semantics": ["history.csv"],
    "train-encoder": ["history.csv"],
    "score-retrieval": ["{stem}.parquet"],
}


def main(command: str, *arguments: str) -> None:
    pairs = list(zip(arguments[::2], arguments[1::2], strict=True))
    values = dict(pairs)
    step = json.loads(values["--params"])
    written = {
        "--output",
        "--cache" if command == "index-images" else "",
        "--index" if command == "index-images" else "",
    }
    digest = hashlib.sha256(values["--params"].encode())
    for name, value in pairs:
        if name not in {*written, "--params"} and Path(value).is_file():
            digest.update(Path(value).read_bytes())
    text = f"{command} {digest.hexdigest()}\n"
    for name in written & set(values):
        write(Path(values[name]), command, step, text)
    if "--cache" in values and command == "index-images":
        blocks = {"size": len(text), "images": "", "blocks": [hashlib.sha256(text.encode()).hexdigest()]}
        Path(values["--cache"] + ".blocks.json").write_text(json.dumps(blocks))
    if "--curves" in values:
        folder = Path(values["--curves"])
        folder.mkdir(parents=True, exist_ok=True)
        for name, x, y in (("matches", "rank", "matched"), ("training", "epoch", "value")):
            rows = [f"p,{variant},{n},0.{n}" for variant in ("baseline", "csdn") for n in (1, 2)]
            (folder / f"{name}.csv").write_text("\n".join([f"panel,variant,{x},{y}", *rows]) + "\n")
    record = {"step": step["step"], "arguments": values, "tracking": os.environ.get("CSDN_TRACKING")}
    with Path("calls.jsonl").open("a") as handle:
        handle.write(json.dumps(record) + "\n")


def write(path: Path, command: str, step: dict, text: str) -> None:
    if command == "compare-variants":
        path.mkdir(parents=True, exist_ok=True)
        primary = ["primary"] if step.get("primary") else []
        for name in [*primary, *(each for table in step["tables"] for each in (table, f"{table}_differences"))]:
            for ending in ("csv", "md", "tex", "json"):
                (path / f"{name}.{ending}").write_text(text)
        value = int(text.split()[1][:6], 16) / 16**6
        (path / "metrics.json").write_text(json.dumps({"csdn": {"rank_1": value}}))
        return
    if command == "compare-costs":
        for ending in ("csv", "md", "json"):
            (path / f"costs.{ending}").write_text(text)
        return
    if command == "draw-figures":
        path.mkdir(parents=True, exist_ok=True)
        path = path / "curves.svg"
        text = "<svg xmlns='http://www.w3.org/2000/svg'/>\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    for name in BESIDE.get(command, []):
        (path.parent / name.format(output=path.name, stem=path.stem)).write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
