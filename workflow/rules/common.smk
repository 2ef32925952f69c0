# The settings, the paths and what the rules share; every rule file builds on these names.
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from csdn.config.shared_keys import prompt_key, semantics_key
from csdn.errors import UserError
from csdn.launch.run_lock import hold_run_lock
from csdn.launch.workflow import (
    check_device,
    check_records,
    read_settings,
    remove_damaged_cache,
    runs_no_job,
    set_job_environment,
)
from csdn.models.gpus import wants_gpu
from csdn.steps.registry import step_settings
from csdn.steps.selection import Selection
from csdn.study import files
from csdn.study.paths import DRAW_SET, PRETRAINING, cache_path, fill, image_folder, index_path, paths_of

PLANNING = runs_no_job(sys.argv)
RUNNING = workflow.is_main_process and not PLANNING

try:
    PARAMS = read_settings(workflow.configfiles, config, planning=PLANNING)
    if RUNNING and workflow.local_exec:
        check_device(PARAMS.runtime.device)
    RUN_LOCK = hold_run_lock() if RUNNING else None
    if workflow.is_main_process and not config.get("adopt"):
        check_records(PARAMS.runtime.results)
except UserError as error:
    raise WorkflowError(str(error))

set_job_environment(PARAMS, on_a_node=workflow.remote_exec)

PATHS = paths_of(PARAMS)
PROMPT_KEYS = {prompt_key(PARAMS, v): v for v in PARAMS.variants}
SEMANTICS_KEYS = {semantics_key(PARAMS, v): v for v in PARAMS.variants}
SMALL_CLIPS = files.small_clip_files(PARAMS)
GPUS = int(wants_gpu(PARAMS.runtime.device))  # of a job with a network: one where there is one, so that they take turns
ENVIRONMENT = "../envs/csdn.yaml"  # used with --software-deployment-method conda only


wildcard_constraints:
    dataset="|".join(PARAMS.datasets),
    split=r"default|\d+",
    variant="|".join(PARAMS.variants),
    seed=r"\d+",
    prompt_key=r"[a-z0-9_.-]+",
    semantics_key=r"[a-z0-9_.-]+",
    protocol=r"[a-z_]+(-official)?(-reranked)?",


def settings(step, wildcards=None, **selection):
    """The settings that `step` depends on, as text: Snakemake runs it again when this changes."""
    return step_settings(PARAMS, step, Selection.of(wildcards, **selection)).text()


def more_each_attempt(amount):
    """Memory or minutes of a job: once more as much at every retry."""
    return lambda wildcards, attempt: amount * attempt


def option_with(name, inputs):
    """`name` with its file, or nothing where the step has no such input."""
    return [name, *inputs] if inputs else []


def users_file(path):
    """A file of the user's as a job's input; a plan leaves out what is still missing."""
    return [path] if path and (not PLANNING or Path(path).exists()) else []


def inputs_of_index(dataset, split):
    """What the images of a split are read after. A run counts a damaged cache as missing."""
    if RUNNING:
        remove_damaged_cache(Path(cache_path(PARAMS, dataset, split)))
    return files.rendered_files(PARAMS, dataset, split)


def images_of(wildcards):
    """Index and pixels of the split's images."""
    return files.image_files(PARAMS, wildcards.dataset, wildcards.split)


def rendered_of(wildcards):
    """What says that the split's images are complete, if they are rendered."""
    return files.rendered_files(PARAMS, wildcards.dataset, wildcards.split)


def clip_of(wildcards, variant):
    """The weights that `variant` starts from in this split, where they are a file."""
    path = files.clip_file(PARAMS, variant, PARAMS.clip_draw(wildcards.dataset, wildcards.split))
    return [path] if path in SMALL_CLIPS else users_file(path)


def captions_of(wildcards):
    """The captions of the embedded dataset, where they are the descriptions."""
    kind = PARAMS.variant(PROMPT_KEYS[wildcards.prompt_key]).prompts.kind
    return rendered_of(wildcards)[:1] if kind == "caption" else []


def prompts_of(wildcards):
    """The prompts that the descriptions are fused from."""
    key = prompt_key(PARAMS, SEMANTICS_KEYS[wildcards.semantics_key])
    return PATHS.prompts.format(prompt_key=key, **wildcards)


def semantics_of(wildcards):
    """The descriptions that the variant's encoder is trained with, if any."""
    key = semantics_key(PARAMS, wildcards.variant)
    return [PATHS.semantics.format(semantics_key=key, **wildcards)] if key else []


def permutations_of(wildcards):
    """The official gallery draw of SYSU-MM01, where it is asked for."""
    path = files.permutations_file(PARAMS, wildcards.dataset, wildcards.split)
    return [path] if path and rendered_of(wildcards) else users_file(path)


def drawn_galleries(wildcards):
    """What has to be there before the official draw is read: the file, or for an embedded dataset the rendering."""
    drawn = permutations_of(wildcards)
    return drawn and (rendered_of(wildcards) or drawn)


def scores_as_options(wildcards, input):
    """Every score file behind an option of its own."""
    return [word for path in input.scores for word in ("--scores", path)]


def in_report(path):
    """A table for Snakemake's own report, which shows CSV; the other formats stay files."""
    if not path.endswith(".csv"):
        return path
    labels = {"table": Path(path).stem.replace("_", " ")}
    return report(path, caption="../report/tables.rst", category="Tables", labels=labels)
