"""What a run of the workflow checks and sets up once its settings are read; `workflow/rules/common.smk` calls it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from csdn.artifacts.cache_record import find_damage, record_path
from csdn.config.loading import check_paths, missing_paths, read_layer, validate
from csdn.config.params import Params
from csdn.errors import UserError, warn
from csdn.launch.preloaded import VARIABLE as PRELOADED_VARIABLE
from csdn.models.gpus import why_no_gpu
from csdn.steps.settings import CHECKPOINTS_VARIABLE, SCRATCH_VARIABLE, TRACKING_VARIABLE, Checkpointing

METADATA = Path(".snakemake/metadata")
INCOMPLETE = Path(".snakemake/incomplete")
WITHOUT_JOBS = re.compile(
    r"-[a-zA-Z]*n[a-zA-Z]*|--(dry-?run|lint|dag|rulegraph|filegraph|d3dag|(detailed-)?summary|list[a-z-]*|report)(=.*)?"
)


def runs_no_job(arguments: Sequence[str]) -> bool:
    """Whether Snakemake, called with these arguments, runs no job (a dry run, `--lint`, `--summary`, ...)."""
    return any(WITHOUT_JOBS.fullmatch(argument) for argument in arguments)


def read_settings(layers: Iterable[Path | str], config: Mapping[str, Any], *, planning: bool) -> Params:
    """The settings as Snakemake has merged them; a plan can be seen before the user's files are there.

    Args:
        layers: the YAML files that `config` was merged from, of which Snakemake's own reader takes the last of two
            equal keys without a word.
        config: Snakemake's settings, with those of the command line.
        planning: warn of files that are missing instead of refusing them.

    Raises:
        UserError: wrong settings, or a file that they name is missing.
    """
    for path in layers:
        read_layer(path)
    params = validate({key: value for key, value in config.items() if key != "adopt"})
    if not planning:
        check_paths(params)
    for line in missing_paths(params) if planning else ():
        warn(line)
    return params


def check_device(device: str) -> None:
    """Refuse a GPU that this machine cannot use, and say so where `auto` falls back to the CPU.

    Raises:
        UserError: `device` is `cuda` and there is no usable GPU.
    """
    missing = why_no_gpu()
    if missing and device == "cuda":
        raise UserError(f"runtime.device: `cuda` cannot be used because {missing}; or set it to `cpu`")
    if missing and device == "auto":
        warn(f"jobs compute on the CPU: {missing}")


def check_records(results: str) -> None:
    """Refuse results without Snakemake's own records, for a changed parameter would go unnoticed.

    Raises:
        UserError: there are results and no records.
    """
    made = _holds_files(Path(results), "*.safetensors")
    if made and not _holds_files(METADATA) and not _holds_files(INCOMPLETE):
        raise UserError(
            f"{results}/ exists but {METADATA} is empty, so changed parameters would go unnoticed. Fetch the "
            "records with `dvc pull` (or `dvc checkout`); or, if the parameters are exactly those that made "
            f"{results}/, record them: scripts/snake all --touch --forceall --config adopt=true"
        )


def set_job_environment(params: Params, *, on_a_node: bool) -> None:
    """Set the variables of this process that its jobs inherit.

    Jobs find `csdn` where Snakemake itself runs, also when the environment is not active. Where they log, keep
    checkpoints and copy pixels to is no parameter of theirs, for it changes no result.

    Args:
        params: the study.
        on_a_node: this process runs a job of a batch system, so that it must not use a process that `scripts/snake`
            may have started there.
    """
    os.environ |= {
        "PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)]),
        TRACKING_VARIABLE: params.tracking.model_dump_json(),
        CHECKPOINTS_VARIABLE: Checkpointing.of(params).model_dump_json(),
        SCRATCH_VARIABLE: params.runtime.scratch or "",
    }
    if on_a_node:
        os.environ.pop(PRELOADED_VARIABLE, None)


def remove_damaged_cache(cache: Path) -> None:
    """Remove a pixel cache that is not as it was written, so that it counts as missing and is made again.

    Every step refuses such a cache, and Snakemake knows no other way to run a job again without what is up to date.
    """
    if cache.is_file() and (wrong := find_damage(cache)):
        warn(f"{cache}: {wrong}; it is removed and made again")
        cache.unlink()
        record_path(cache).unlink(missing_ok=True)


def _holds_files(folder: Path, pattern: str = "*") -> bool:
    return any(path.is_file() for path in folder.rglob(pattern))
