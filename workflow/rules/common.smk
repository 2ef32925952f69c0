# The settings, the paths and the lists of results; every rule file builds on these names.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from csdn.artifacts.cache_record import fault, record_path
from csdn.config.base import EMBEDDED, MINI
from csdn.config.loading import check_paths, missing_paths, read_layer, validate
from csdn.config.shared_keys import prompt_key, semantics_key
from csdn.data.scratch import SCRATCH_VARIABLE
from csdn.errors import UserError, warn
from csdn.launch.preloaded import VARIABLE as PRELOADED_VARIABLE
from csdn.launch.run_lock import hold_run_lock, only_looks
from csdn.models.gpus import wants_gpu, why_no_gpu
from csdn.steps.registry import PRETRAINING, step_slice
from csdn.steps.slices import CHECKPOINTS_VARIABLE, TRACKING_VARIABLE, Checkpointing, canonical

PLANNING = only_looks(sys.argv)


def check_device():
    """Where jobs run on this machine, refuse a GPU that cannot be used, and say so where `auto` falls back."""
    missing = why_no_gpu() if workflow.is_main_process and workflow.local_exec else None
    if missing and PARAMS.runtime.device == "cuda":
        raise UserError(f"runtime.device: `cuda` cannot be used, for {missing}; or set it to `cpu`")
    if missing and PARAMS.runtime.device == "auto":
        warn(f"jobs compute on the CPU: {missing}")


try:
    for path in workflow.configfiles:
        read_layer(path)  # Snakemake's own reader takes the last of two equal keys without a word
    PARAMS = validate({k: v for k, v in config.items() if k != "adopt"})
    if PLANNING:  # a plan can be seen before the data are there
        for line in missing_paths(PARAMS):
            warn(line)
    else:
        check_paths(PARAMS)
        check_device()
    RUN_LOCK = hold_run_lock() if workflow.is_main_process and not PLANNING else None
except UserError as error:
    raise WorkflowError(str(error))

DATA = PARAMS.runtime.data
RESULTS = PARAMS.runtime.results
LOGS = f"logs/{Path(RESULTS).name}"
ENVIRONMENT = "../envs/csdn.yaml"  # used with --software-deployment-method conda only

SPLIT = f"{RESULTS}/{{dataset}}/{{split}}"
PROMPTS = f"{SPLIT}/prompts/{{prompt_key}}/seed_{{seed}}"
SEMANTICS = f"{SPLIT}/semantics/{{semantics_key}}/seed_{{seed}}"
RUN = f"{SPLIT}/runs/{{variant}}/seed_{{seed}}"

EMBEDDED_DATASETS = [d for d, s in PARAMS.datasets.items() if s.root == EMBEDDED]
PROMPT_KEYS = {prompt_key(PARAMS, v): v for v in PARAMS.variants}
SEMANTICS_KEYS = {semantics_key(PARAMS, v): v for v in PARAMS.variants}


wildcard_constraints:
    dataset="|".join(PARAMS.datasets),
    split=r"default|\d+",
    variant="|".join(PARAMS.variants),
    seed=r"\d+",
    prompt_key=r"[a-z0-9_.-]+",
    semantics_key=r"[a-z0-9_.-]+",
    protocol=r"[a-z_]+(-official)?(-reranked)?",


# Jobs find `csdn` where Snakemake itself runs, also when the environment is not active. Where they log,
# keep checkpoints and copy pixels to is no parameter of theirs, for it changes no result.
os.environ.update(
    {
        "PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)]),
        TRACKING_VARIABLE: PARAMS.tracking.model_dump_json(),
        CHECKPOINTS_VARIABLE: Checkpointing.of(PARAMS).model_dump_json(),
        SCRATCH_VARIABLE: PARAMS.runtime.scratch or "",
    }
)


# On a node, a job is the batch system's own, not one of the process that scripts/snake may have started there.
if workflow.remote_exec:
    os.environ.pop(PRELOADED_VARIABLE, None)


def holds_files(folder, pattern="*"):
    return any(path.is_file() for path in Path(folder).rglob(pattern))


# Without Snakemake's own records a changed parameter would go unnoticed: refuse to guess.
if (
    workflow.is_main_process
    and not config.get("adopt")
    and holds_files(RESULTS, "*.safetensors")
    and not holds_files(".snakemake/metadata")
    and not holds_files(".snakemake/incomplete")
):
    raise WorkflowError(
        f"{RESULTS}/ exists but .snakemake/metadata is empty, so changed parameters would go unnoticed. Fetch the "
        "records with `dvc pull` (or `dvc checkout`); or, if the parameters are exactly those that made "
        f"{RESULTS}/, record them: scripts/snake all --touch --forceall --config adopt=true"
    )


def settings(step, wildcards=None, **selection):
    """The slice of the settings that `step` depends on, as text: Snakemake runs it again when this changes."""
    names = ("dataset", "split", "variant", "seed", "protocol")
    known = {n: getattr(wildcards, n) for n in names if hasattr(wildcards, n)}
    return canonical(step_slice(PARAMS, step, **known, **selection))


# GPUs of a job that computes with a network: one where there is one, so that such jobs take turns.
GPUS = int(wants_gpu(PARAMS.runtime.device))


def growing(amount):
    """Memory or minutes of a job: once more as much at every retry."""
    return lambda wildcards, attempt: amount * attempt


def option(name, files):
    """`name` with its file, or nothing where the step has no such input."""
    return [name, *files] if files else []


def cache_of(dataset):
    height, width = PARAMS.datasets[dataset].image_size
    return f"{DATA}/cache/{dataset}_{height}x{width}.npy"


def images_of(wildcards):
    """Index and pixels of the dataset."""
    return {"index": f"{DATA}/index/{wildcards.dataset}.parquet", "cache": cache_of(wildcards.dataset)}


# Every step refuses a cache that is not as it was written, so that one is as good as none.
if RUN_LOCK is not None:
    for path in {Path(cache_of(name)) for name in PARAMS.datasets}:
        if path.is_file() and (wrong := fault(path)):
            warn(f"{path}: {wrong}; it is removed and made again")
            path.unlink()
            record_path(path).unlink(missing_ok=True)


def all_images():
    return [f for d in PARAMS.datasets for f in (f"{DATA}/index/{d}.parquet", cache_of(d), *rendered(d))]


def there(path):
    """A file of the user's as a job's input; a plan leaves out what is still missing."""
    return [path] if not PLANNING or Path(path).exists() else []


def clip_of(variant):
    """The file of CLIP's weights for `variant`: the small CLIP, the user's file, or none (a tag, or random)."""
    clip = PARAMS.variant(variant).clip
    if clip.weights == MINI:
        return [f"{RESULTS}/clip/mini/clip.safetensors"]
    return there(clip.weights_path) if clip.weights_path else []


def uses_small_clip():
    used = {v for d in PARAMS.datasets for v in PARAMS.variants_of(d)}
    return any(PARAMS.variant(v).clip.weights == MINI for v in used)


def small_clip():
    """The small CLIP, if any variant that runs starts from it."""
    names = ("clip.safetensors", "history.csv", "zero_shot.csv")
    return [f"{RESULTS}/clip/mini/{name}" for name in names] if uses_small_clip() else []


def images_of_small_clip():
    names = ("annotations.parquet", "images.npy")
    return [f"{DATA}/{PRETRAINING}/{name}" for name in names] if uses_small_clip() else []


def captions_of(wildcards):
    """The captions of the embedded dataset, where they are the descriptions."""
    kind = PARAMS.variant(PROMPT_KEYS[wildcards.prompt_key]).prompts.kind
    return rendered(wildcards.dataset)[:1] if kind == "caption" else []


def semantics_of(wildcards):
    """The descriptions that the variant's encoder is trained with, if any."""
    key = semantics_key(PARAMS, wildcards.variant)
    return [f"{SEMANTICS}/semantics.safetensors".format(semantics_key=key, **wildcards)] if key else []


def permutations_of(wildcards):
    """The official gallery draw of SYSU-MM01, where it is asked for."""
    dataset = PARAMS.datasets[wildcards.dataset]
    if dataset.layout != "sysu_mm01" or dataset.gallery != "official":
        return []
    path = f"{root_of(wildcards.dataset)}/exp/rand_perm_cam.mat"
    return [path] if wildcards.dataset in EMBEDDED_DATASETS else there(path)


def drawn_galleries(wildcards):
    """What has to be there before the official draw is read: the file, or for an embedded dataset the rendering."""
    return rendered(wildcards.dataset) or permutations_of(wildcards) if permutations_of(wildcards) else []


def root_of(dataset):
    """The folder of the images."""
    root = PARAMS.datasets[dataset].root
    return f"{DATA}/raw/{dataset}" if root == EMBEDDED else root


def rendered(dataset):
    """What says that an embedded dataset is complete and what it was rendered with; nothing for one on disk."""
    annotations = f"{DATA}/raw/{dataset}/annotations.parquet"
    return [annotations, f"{annotations}.provenance.json"] if dataset in EMBEDDED_DATASETS else []


def for_all_runs(pattern):
    """`pattern` (with the fields of RUN) for every dataset, split, variant and seed."""
    return [
        pattern.format(dataset=dataset, split=split, variant=variant, seed=seed)
        for dataset, settings in PARAMS.datasets.items()
        for split in settings.splits
        for variant in PARAMS.variants_of(dataset)
        for seed in PARAMS.seeds_of(dataset)
    ]


def all_scores(ending="json"):
    return [
        f"{run}/scores/{protocol}.{ending}"
        for dataset in PARAMS.datasets
        for run in for_all_runs(RUN)
        if run.startswith(f"{RESULTS}/{dataset}/")
        for protocol in PARAMS.scores_of(dataset)
    ]


def explanations():
    """What a trained encoder is compared with its start in: the first run of the variant that the figures show."""
    return [
        f"{RUN}/explanations.safetensors".format(
            dataset=d, split=s.splits[0], variant=PARAMS.shown_variant(d), seed=PARAMS.seeds_of(d)[0]
        )
        for d, s in PARAMS.datasets.items()
        if PARAMS.shown_variant(d)
    ]


def all_tables():
    """The tables of the settings, those of the differences they name, and the figures that DVC shows."""
    named = [(table, settings.differences) for table, settings in PARAMS.tables.items()]
    tables = [name for table, pairs in named for name in (table, *([f"{table}_differences"] if pairs else []))]
    return [f"{RESULTS}/tables/{t}.{e}" for t in tables for e in ("csv", "md", "tex", "json")]


def cost_tables():
    """What each variant costs."""
    return [f"{RESULTS}/tables/costs.{e}" for e in ("csv", "md", "json")]


def in_report(path):
    """A table for Snakemake's own report, which shows CSV; the other formats stay files."""
    if not path.endswith(".csv"):
        return path
    labels = {"table": Path(path).stem.replace("_", " ")}
    return report(path, caption="../report/tables.rst", category="Tables", labels=labels)


def all_histories():
    """Curves of every training whose results are used."""
    files = for_all_runs(f"{RUN}/history.csv")
    for dataset, settings in PARAMS.datasets.items():
        for variant in PARAMS.variants_of(dataset):
            if semantics_key(PARAMS, variant) is None:
                continue
            keys = {"prompt_key": prompt_key(PARAMS, variant), "semantics_key": semantics_key(PARAMS, variant)}
            for split in settings.splits:
                for seed in PARAMS.seeds_of(dataset):
                    place = {"dataset": dataset, "split": split, "seed": seed, **keys}
                    files += [f"{PROMPTS}/history.csv".format(**place), f"{SEMANTICS}/history.csv".format(**place)]
    return sorted(set(files))
