"""All steps by name; the settings of one, picked from params.yaml or read from the text that Snakemake hands over."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError

from csdn.artifacts.digests import canonical_json
from csdn.config.loading import load_params, merge_overrides
from csdn.config.messages import did_you_mean, problems
from csdn.config.params import Params
from csdn.errors import UserError, printable
from csdn.steps import data, evaluation, reporting, training
from csdn.steps.selection import Selection
from csdn.steps.settings import CHECKPOINTS_VARIABLE, SCRATCH_VARIABLE, TRACKING_VARIABLE, Checkpointing, StepSettings

STEPS: dict[str, type[StepSettings]] = {
    get_args(model.model_fields["step"].annotation)[0]: model
    for phase in (data, training, evaluation, reporting)
    for model in vars(phase).values()
    if isinstance(model, type) and issubclass(model, StepSettings) and "step" in model.model_fields
}
EVERYTHING = Selection()
STEP_VERSIONS: dict[str, int] = {name: model.VERSION for name, model in STEPS.items()}


def step_settings(params: Params, step: str, selection: Selection = EVERYTHING, **elsewhere: Any) -> StepSettings:
    """The settings that `step` depends on.

    Args:
        params: the whole of params.yaml.
        step: name of the step.
        selection: what the step is done for.
        elsewhere: what changes no result: `tracking`, `checkpoints`, `scratch`.

    Raises:
        UserError: the step, dataset, split, variant or protocol does not exist, or one that is needed is missing.
    """
    if step not in STEPS:
        raise UserError(f"step: no step {step!r}; {did_you_mean(step, STEPS)}")
    values = STEPS[step].pick(params, selection)
    # Through the text, so that a command run by hand sees the same order of keys as a job of Snakemake.
    return parse(json.loads(canonical_json(values)) | elsewhere | {"step": step, "version": STEP_VERSIONS[step]})


def load_settings(layers: Sequence[str], overrides: Sequence[str], step: str, selection: Selection) -> StepSettings:
    """The settings of a command: from the text that Snakemake hands over, or from YAML files and a selection.

    Args:
        layers: what `--params` gave: YAML files, or one text that starts with `{`.
        overrides: what `--set` gave.
        step: the command's step.
        selection: what of the files is meant; not used with a text.

    Raises:
        UserError: wrong settings, or a text of another step.
    """
    if not layers:
        raise UserError("--params: missing; give params.yaml")
    if layers[0].lstrip().startswith("{"):
        found = parse_text(layers[0], overrides)
        if found.step != step:
            raise UserError(f"--params: holds the settings of {found.step}, not of {step}; give those of this step")
        return found
    params = load_params(layers, overrides)
    elsewhere = {
        "tracking": params.tracking,
        "checkpoints": Checkpointing.of(params),
        "scratch": params.runtime.scratch,
    }
    return step_settings(params, step, selection, **elsewhere)


def parse(values: Mapping[str, Any]) -> StepSettings:
    """The model of a step's settings.

    Raises:
        UserError: they are not what this version of csdn wrote.
    """
    step = str(values.get("step"))
    if step not in STEPS:
        raise UserError(f"settings of a step: no step {printable(step)!r}; {did_you_mean(step, STEPS)}")
    try:
        return STEPS[step].model_validate(dict(values))
    except ValidationError as error:
        raise UserError("\n".join(problems(error.errors(), STEPS[step], f"settings of {step}"))) from error


def parse_text(text: str, overrides: Iterable[str] = ()) -> StepSettings:
    """Read settings from canonical JSON; what changes no result comes from the environment.

    Args:
        text: what `StepSettings.text` gave.
        overrides: `key=value`, for `tracking.*` only: everything else is part of the settings.

    Raises:
        UserError: not JSON, not a step's settings, or an override of something else.
    """
    overrides = list(overrides)
    for override in overrides:
        if not override.startswith("tracking."):
            raise UserError(
                f"--set {printable(override)}: the settings of a step are final except for tracking.*; "
                "change params.yaml instead"
            )
    try:
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("not an object")
        values["tracking"] = json.loads(os.environ.get(TRACKING_VARIABLE, "{}"))
        values["checkpoints"] = json.loads(os.environ.get(CHECKPOINTS_VARIABLE, "{}"))
        values["scratch"] = os.environ.get(SCRATCH_VARIABLE) or None
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"--params {printable(text[:40])}...: starts with {{ but is not JSON ({error}); give a YAML file"
        ) from error
    return parse(merge_overrides(values, overrides))
