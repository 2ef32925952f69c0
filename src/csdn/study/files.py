"""The files of a study that its settings call for; the lists of inputs and outputs of the workflow's rules. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from csdn.artifacts.shipped import SHIPPED_CLIP
from csdn.config.base import EMBEDDED, MINI, SHIPPED
from csdn.config.params import Params
from csdn.config.shared_keys import prompt_key, semantics_key
from csdn.study.paths import PERMUTATIONS, ZERO_SHOT, cache_path, image_folder, image_set, index_path, paths_of

COSTS = "costs"  # the table of compare-costs
PRIMARY = "primary"  # the table of the primary question


def shown_variant(params: Params, dataset: str) -> str | None:
    """The variant whose images and maps are shown: `csdn`, else the last trained one by name, else none.

    By name, because the settings of a step do not keep the order of params.yaml.
    """
    trained = params.trained_variants_of(dataset)
    return "csdn" if "csdn" in trained else max(trained, default=None)


def runs_of(params: Params, dataset: str) -> Iterator[dict[str, Any]]:
    """`dataset`, `split`, `variant` and `seed` of every run on a dataset, in the order of the settings."""
    for split in params.datasets[dataset].splits:
        for variant in params.variants_of(dataset):
            for seed in params.seeds_of(dataset):
                yield {"dataset": dataset, "split": split, "variant": variant, "seed": seed}


def first_run(params: Params, dataset: str, variant: str) -> dict[str, Any]:
    """The run of a variant that figures show."""
    return next(run for run in runs_of(params, dataset) if run["variant"] == variant)


def files_of_runs(params: Params, pattern: str) -> list[str]:
    """`pattern` for every run of the study."""
    return [pattern.format(**run) for dataset in params.datasets for run in runs_of(params, dataset)]


def score_files(params: Params, pattern: str) -> list[str]:
    """`pattern` (of scores or of the queries' scores) for every run and protocol."""
    return [
        pattern.format(**run, protocol=protocol)
        for dataset in params.datasets
        for run in runs_of(params, dataset)
        for protocol in params.scores_of(dataset)
    ]


def explanation_files(params: Params) -> list[str]:
    """What a trained encoder is compared with its start in: the first run of the variant that the figures show."""
    shown = {dataset: shown_variant(params, dataset) for dataset in params.datasets}
    runs = [first_run(params, dataset, variant) for dataset, variant in shown.items() if variant]
    return [paths_of(params).explanations.format(**run) for run in runs]


def history_files(params: Params) -> list[str]:
    """Curves of every training whose results are used."""
    paths = paths_of(params)
    files = files_of_runs(params, paths.history)
    described = {name: key for name in params.variants if (key := semantics_key(params, name)) is not None}
    for dataset in params.datasets:
        for run in (run for run in runs_of(params, dataset) if run["variant"] in described):
            name = run["variant"]
            files.append(paths.prompts_history.format(**run, prompt_key=prompt_key(params, name)))
            files.append(paths.semantics_history.format(**run, semantics_key=described[name]))
    return sorted(set(files))


def stage_one_keys(params: Params, dataset: str) -> tuple[list[str], list[str]]:
    """Keys of the learned prompts and of the trained fusions that the dataset's variants use."""
    texts = [name for name in params.variants_of(dataset) if semantics_key(params, name) is not None]
    fused = [name for name in texts if params.variant(name).fusion.trained]
    learned = [name for name in texts if params.variant(name).prompts.learned]
    prompts = dict.fromkeys(prompt_key(params, name) for name in learned)
    return list(prompts), list(dict.fromkeys(str(semantics_key(params, name)) for name in fused))


def table_files(params: Params) -> list[str]:
    """The tables of the settings, those of the differences they name, and that of the primary question."""
    named = [(table, settings.differences) for table, settings in params.tables.items()]
    tables = [PRIMARY] if params.primary else []
    tables += [name for table, pairs in named for name in (table, *([differences_table(table)] if pairs else []))]
    return [paths_of(params).table.format(table=t, ending=e) for t in tables for e in ("csv", "md", "tex", "json")]


def differences_table(table: str) -> str:
    """The table of the differences that a table names."""
    return f"{table}_differences"


def cost_files(params: Params) -> list[str]:
    """What each variant costs."""
    return [paths_of(params).table.format(table=COSTS, ending=ending) for ending in ("csv", "md", "json")]


def image_sets(params: Params) -> dict[str, tuple[str, str]]:
    """Dataset and first split of each set of images: one of every dataset, or with draws one of every draw."""
    found: dict[str, tuple[str, str]] = {}
    for dataset, section in params.datasets.items():
        for split in section.splits:
            found.setdefault(image_set(params, dataset, split), (dataset, split))
    return found


def shown_split(params: Params, dataset: str) -> str:
    """The split whose images the figures show, and whose training costs are counted."""
    return params.datasets[dataset].splits[0]


def rendered_files(params: Params, dataset: str, split: str) -> list[str]:
    """What says that embedded images are complete and what they were rendered with; nothing for those on disk."""
    section, paths = params.datasets[dataset], paths_of(params)
    if section.root != EMBEDDED:
        return []
    drawn = [paths.draw_annotations, paths.draw_annotations_record]
    files = drawn if section.has_draws else [paths.annotations, paths.annotations_record]
    return [pattern.format(dataset=dataset, split=split) for pattern in files]


def image_files(params: Params, dataset: str, split: str) -> dict[str, str]:
    """Index and pixels of a split's images."""
    return {"index": index_path(params, dataset, split), "cache": cache_path(params, dataset, split)}


def all_image_files(params: Params) -> list[str]:
    """Index and pixels of all images, and what says that the embedded ones are complete."""
    return _files_of_images(params, image_sets(params).values())


def shown_image_files(params: Params) -> list[str]:
    """Of these, what the figures show: of a dataset with draws its first draw."""
    return _files_of_images(params, [(dataset, shown_split(params, dataset)) for dataset in params.datasets])


def _files_of_images(params: Params, places: Iterable[tuple[str, str]]) -> list[str]:
    return [
        path for place in places for path in (*image_files(params, *place).values(), *rendered_files(params, *place))
    ]


def small_clips(params: Params) -> list[str | None]:
    """The small CLIPs that the study pre-trains itself: the draw of each that has one of its own, None for that of all.

    By name of the datasets, because the settings of a step do not keep their order.
    """
    used = [(name, params.datasets[name]) for name in sorted(params.datasets) if params.pretrained_on(name)]
    return list(dict.fromkeys(params.clip_draw(name, split) for name, section in used for split in section.splits))


def shown_small_clip(params: Params) -> str | None:
    """The draw whose small CLIP the report shows: the first that has one of its own."""
    return next(filter(None, small_clips(params)), None)


def trains_small_clip(params: Params) -> bool:
    """Whether any variant that runs starts from a small CLIP that the study pre-trains itself."""
    return bool(small_clips(params))


def zero_shot_file(params: Params) -> str | None:
    """The table of what the small CLIP can name, of the pre-trained or the shipped one; None if none is used."""
    if trains_small_clip(params):
        return _small_clip(params, shown_small_clip(params))[-1]
    return str(SHIPPED_CLIP.with_name(ZERO_SHOT)) if SHIPPED in _weights(params) else None


def _weights(params: Params) -> set[str]:
    used = {variant for dataset in params.datasets for variant in params.variants_of(dataset)}
    return {params.variant(name).clip.weights for name in used}


def small_clip_files(params: Params) -> list[str]:
    """Every small CLIP that the study pre-trains, its curves and its table."""
    return [path for draw in small_clips(params) for path in _small_clip(params, draw)]


def _small_clip(params: Params, draw: str | None) -> list[str]:
    """The file, the curves and the table of the small CLIP of a draw, or of all."""
    paths = paths_of(params)
    if draw is None:
        return [paths.small_clip, paths.small_clip_history, paths.zero_shot]
    own = (paths.clip_of_draw, paths.clip_of_draw_history, paths.clip_of_draw_zero_shot)
    return [pattern.format(split=draw) for pattern in own]


def pretraining_files(params: Params) -> list[str]:
    """The images of every small CLIP that is pre-trained, and their annotations."""
    paths = paths_of(params)
    of_all = (paths.pretraining_annotations, paths.pretraining_images)
    of_draw = (paths.draw_pretraining_annotations, paths.draw_pretraining_images)
    return [pattern.format(split=draw) for draw in small_clips(params) for pattern in (of_draw if draw else of_all)]


def clip_file(params: Params, variant: str, draw: str | None = None) -> str | None:
    """The file of CLIP's weights for `variant`: the small CLIP, the user's file, or none (a tag, or random).

    Args:
        draw: the one whose small CLIP it is (`Params.clip_draw`).
    """
    clip = params.variant(variant).clip
    return _small_clip(params, draw)[0] if clip.weights == MINI else clip.weights_path


def permutations_file(params: Params, dataset: str, split: str) -> str | None:
    """The official gallery draw of SYSU-MM01, where it is asked for."""
    settings = params.datasets[dataset]
    asked = settings.layout == "sysu_mm01" and settings.gallery == "official"
    return f"{image_folder(params, dataset, split)}/{PERMUTATIONS}" if asked else None
