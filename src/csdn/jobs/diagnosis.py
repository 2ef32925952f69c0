"""The subcommand diagnose: known causes of low or high numbers, found in a run or in another method's scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from csdn.config.params import Params
from csdn.evaluation.diagnosis import diagnose
from csdn.evaluation.evidence import Evidence, Finding
from csdn.results.score_evidence import foreign_evidence, run_evidence
from csdn.steps.registry import step_settings
from csdn.steps.selection import Selection


def run_diagnose(params: Params, selection: Selection) -> dict[str, Any]:
    """Diagnose every score file of a run; `findings` has each finding once, with the files that it holds for.

    Raises:
        UserError: the run does not exist, or its files are missing or malformed.
    """
    step_settings(params, "train_encoder", selection)  # names what is missing or unknown
    return _told(run_evidence(params, selection))


def run_diagnose_scores(scores: Path, settings: Path) -> dict[str, Any]:
    """Diagnose the score file of any method, of which `settings` (docs/diagnosis.md) tells the rest.

    Raises:
        UserError: a file is missing or malformed.
    """
    return _told({scores: foreign_evidence(scores, settings)})


def print_diagnosis(result: Mapping[str, Any]) -> None:
    """Print the findings as a table, and what could not be checked."""
    console = Console()
    files = len(result["scores"])
    if result["findings"]:
        table = Table("cause", "what", "evidence", "effect", "remedy", title=f"{files} score file(s)", show_lines=True)
        for found in result["findings"]:
            where = "" if len(found["scores"]) == files else f" ({', '.join(Path(p).stem for p in found['scores'])})"
            table.add_row(found["cause"], found["what"], found["evidence"] + where, found["effect"], found["remedy"])
        console.print(table)
    else:
        console.print(f"{files} score file(s): none of the known causes was found")
    for name, keys in result["not_checked"].items():
        console.print(f"not checked: {name}, for {', '.join(keys)} is not known")


def _told(evidence: Mapping[Path, Evidence]) -> dict[str, Any]:
    places: dict[Finding, list[str]] = {}
    unchecked: dict[str, tuple[str, ...]] = {}
    for path, known in evidence.items():
        found = diagnose(known)
        unchecked |= found.unchecked
        for finding in found.findings:
            places.setdefault(finding, []).append(str(path))
    findings = [finding._asdict() | {"scores": paths} for finding, paths in places.items()]
    return {"scores": [*map(str, evidence)], "findings": findings, "not_checked": unchecked}
