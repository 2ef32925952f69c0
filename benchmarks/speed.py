"""Speed, memory and share of the roofline of every stage against its plain implementation, from one interleaved run.

    python -m benchmarks.speed [--scale embedded --scale paper] [--stage NAME] [--rounds 3] [--output FILE]

Ratios are medians over rounds, of short steps up to 50, in which both implementations run one after the other. Times on
a CPU are processor seconds of one thread, on a GPU device events. `paper` computes with RN50 at 288 x 144 and takes
minutes a round.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import ceilings, interleaved, median_ratio, peak_memory, roofline, seconds, work
from benchmarks.scaling import curves
from benchmarks.stages import SCALES, Stage, image_memory, stages
from csdn.errors import first_line
from csdn.models.device import configure_process, resolve_precision

COLUMNS = ("stage", "ours", "plain", "ratio", "target", "a second", "peak", "plain", "roofline")
SECONDS_OF_ROUNDS, MOST_ROUNDS = 4.0, 50
WIDTHS = (27, 11, 11, 8, 8, 15, 10, 10, 10)


def measure(stage: Stage, rounds: int, device: torch.device, limits: dict[str, dict[str, float]]) -> dict[str, Any]:
    """One row: seconds, ratio, throughput, memory and share of the roofline; `rounds` is the least number of them."""
    pair = {"ours": stage.fast, "plain": stage.plain}
    stage.fast()  # the first call builds caches that later steps reuse
    peaks = {name: peak_memory(function, device) for name, function in pair.items()}
    once = sum(seconds(function, device) for function in pair.values())
    rounds = max(rounds, min(MOST_ROUNDS, round(SECONDS_OF_ROUNDS / once)))  # a short step is timed more often
    times = interleaved(pair, rounds, device)
    taken = statistics.median(times["ours"])
    row = {
        "stage": stage.name,
        "seconds": taken,
        "plain_seconds": statistics.median(times["plain"]),
        "ratio": median_ratio(times["plain"], times["ours"]),
        "target": stage.target,
        "per_second": stage.items / taken,
        "unit": stage.unit,
        "peak_mib": peaks["ours"],
        "plain_peak_mib": peaks["plain"],
        "rounds": rounds,
    }
    if stage.counted:
        flops, moved = work(stage.counted)
        row |= {"flops": flops, "bytes": moved}
        row["roofline"] = roofline(flops, moved, limits[stage.precision], taken)
    return row


def attempt(
    name: str, build: Callable[[], Stage], rounds: int, device: torch.device, limits: dict[str, dict[str, float]]
) -> dict[str, Any]:
    """The row of a stage; one that fails is a row, too, and not the end of the run."""
    try:
        return measure(build(), rounds, device, limits)
    except Exception as error:
        return {"stage": name, "error": first_line(error)}


def against_loading(rows: list[dict[str, Any]]) -> str:
    """Whether batches come faster than the fastest visual step takes them."""
    known = {row["stage"]: row["per_second"] for row in rows if "error" not in row}
    steps = [rate for name, rate in known.items() if name.startswith("visual step")]
    if "batch" not in known or not steps:
        return "loading: not measured"
    return f"loading: {known['batch']:.0f} images a second, {known['batch'] / max(steps):.1f} times the fastest step's"


def line(row: dict[str, Any]) -> str:
    """A row of the table; of a stage that failed, what it failed of."""
    if "error" in row:
        return f"{row['stage'].ljust(WIDTHS[0])}failed: {row['error']}"
    cells = [row["stage"], *(f"{1000 * row[name]:.1f} ms" for name in ("seconds", "plain_seconds"))]
    cells += [f"{row['ratio']:.1f}", f"{row['target']:.1f}" if row["target"] else ""]
    cells += [f"{row['per_second']:.0f} {row['unit']}"]
    cells += [f"{row[name]:.0f} MiB" if row[name] is not None else "" for name in ("peak_mib", "plain_peak_mib")]
    return aligned(*cells, f"{100 * row['roofline']:.0f} %" if "roofline" in row else "")


def aligned(*cells: str) -> str:
    """Cells under their columns."""
    pairs = zip(cells[1:], WIDTHS[1:], strict=True)
    return cells[0].ljust(WIDTHS[0]) + "".join(cell.rjust(width) for cell, width in pairs)


def run(scales: list[str], rounds: int, device: torch.device, wanted: str = "") -> dict[str, Any]:
    """Measure, print, and return everything; of the stages only those whose name contains `wanted`."""
    able = {resolve_precision(name, device) for name in ("auto", "tf32")}
    limits = {name: ceilings(device, name) for name in sorted({"fp32"} | able, reverse=True)}
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.cpu.get_capabilities().get("cpu_name")
    result: dict[str, Any] = {
        "machine": {"device": name, "threads": torch.get_num_threads(), "torch": torch.__version__},
        "system": platform.platform(),
        "ceilings": limits,
        "stages": {},
    }
    for precision, limit in limits.items():
        flops, moved = limit["flops_per_second"] / 1e9, limit["bytes_per_second"] / 1e9
        print(f"{name}, {precision}: {flops:.0f} GFLOP/s, {moved:.1f} GB/s")
    for scale in scales:
        print(f"\n{scale}\n{aligned(*COLUMNS)}", flush=True)
        rows = result["stages"][scale] = []
        for name, build in stages(SCALES[scale], device).items():
            if wanted in name:
                rows.append(attempt(name, build, rounds, device, limits))
                print(line(rows[-1]), flush=True)
                gc.collect()
        if "bf16" not in able:
            print("bf16                  not measured: this device has no instructions for it")
        if device.type == "cuda" and not wanted:
            print(against_loading(rows))
    with tempfile.TemporaryDirectory() as folder:
        result["images"] = image_memory(4000, (288, 144), Path(folder))
    print(
        "\nimages: {cache_mib:.0f} MiB in one file for all jobs, {growth_mib:.0f} MiB more memory a worker".format(
            **result["images"]
        )
    )
    result["scaling"] = curves()
    for title, points in result["scaling"].items():
        print(f"{title:34}" + "".join(f"{point['size']:>8,}: {1000 * point['seconds']:.1f} ms" for point in points))
    if device.type == "cpu":
        print("GPU: not measured")
    return result


def main() -> None:
    """Parse the command line, measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", action="append", choices=SCALES, help="repeat for several")
    parser.add_argument("--stage", default="", help="only stages whose name contains this")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks.json"))
    arguments = parser.parse_args()
    device = configure_process(arguments.device, threads=1, deterministic=False).device
    defaults = ["embedded", "paper-gpu" if device.type == "cuda" else "paper"]
    result = run(arguments.scale or defaults, arguments.rounds, device, arguments.stage)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {arguments.output}")


if __name__ == "__main__":
    main()
