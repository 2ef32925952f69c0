"""What runs, and what a change makes run again; the commands are a stand-in, so only the orchestration is tested."""

import fcntl
import json
import re
import shlex
import shutil
from collections import Counter
from functools import cache

import pytest
import yaml

from csdn.config.loading import load_params
from csdn.study.files import small_clips
from csdn.study.job_graph import step_of_rule
from csdn.study.jobs import study_jobs

from .conftest import Workflow

PAGES = {"compare_variants", "compare_costs", "draw_figures", "write_report", "track_scores"}
SCORES = {"score_retrieval", *PAGES}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory, server):
    """A fresh clone in which nothing runs: tests must not change it."""
    return Workflow(tmp_path_factory.mktemp("fresh") / "clone", server, fake=True)


@pytest.fixture(scope="module")
def planned(fresh):
    """What a fresh clone plans, by Snakemake's arguments; each plan is made once."""
    return cache(fresh.plan)


@pytest.fixture(scope="module")
def graph(fresh):
    """The jobs of a fresh clone, by the layers over params.yaml: the step of each, and the jobs that it needs."""

    def ask(*layers):
        lines = fresh.snakemake("all", "--d3dag", "--configfile", "params.yaml", *layers).splitlines()
        found = json.loads(next(line for line in lines if line.startswith('{"nodes"')))
        rules = {node["id"]: node["value"]["rule"] for node in found["nodes"]}
        steps = {job: step_of_rule(rule) for job, rule in rules.items()}
        return steps, {job: [edge["u"] for edge in found["edges"] if edge["v"] == job] for job in steps}

    return cache(ask)


def test_a_fresh_clone_plans_the_whole_benchmark(fresh, planned):
    assert planned() == {
        "make_dataset": 6,  # five draws and RegDB
        "index_images": 6,
        "learn_prompts": 16,  # specific, captions and centroids in each draw, and specific on RegDB
        "fuse_semantics": 16,
        "train_encoder": 27,  # five variants in each draw, and RegDB's two
        "embed_images": 27,
        "explain_model": 2,
        "score_retrieval": 5 * 5 * 4 + 2 * 2,
        "track_scores": 1,
        "compare_variants": 1,
        "compare_costs": 1,
        "draw_figures": 1,
        "write_report": 1,
    }
    assert planned("data").keys() == {"make_dataset", "index_images"}
    assert planned("train")["train_encoder"] == 27
    assert "score_retrieval" not in planned("train")
    assert planned("evaluation")["score_retrieval"] == 104
    assert planned("evaluation")["explain_model"] == 2  # within DVC's stage that versions its folder
    assert not (fresh.folder / "results").exists()


def test_smoke_is_the_same_workflow_in_small(planned):
    plan = planned("all", "--configfile", "params.yaml", "config/smoke.yaml")
    assert set(plan) == set(planned()) | {"make_dataset_for_clip", "pretrain_clip"}  # the default's CLIP is shipped
    assert sum(plan.values()) == 24


def test_ablations_share_what_they_have_in_common_and_a_table_less_is_its_variants_less(workflow, graph):
    (workflow.folder / "without.yaml").write_text("tables: {prompt_length: null}")
    less = workflow.plan("all", "--configfile", "params.yaml", "config/ablations.yaml", "without.yaml")
    steps, _ = graph("config/ablations.yaml")
    plan = Counter(steps.values())
    variants, prompts, fused = (plan[step] for step in ("train_encoder", "learn_prompts", "fuse_semantics"))
    assert variants == 43 * 5 + 2  # in each draw, and RegDB's two
    # Specific (also to its own modality only), shared, three lengths, captions, centroids, random, authors' code, stem
    assert prompts == 11 * 5 + 1
    # Those, but specific ones with five fusions and none, those to their own modality and centroids with two of these
    assert fused == (11 + 5 + 1 + 1) * 5 + 1
    for step in ("learn_prompts", "fuse_semantics", "train_encoder"):
        assert plan[step] - less[step] == 3 * 5


def test_the_benchmark_for_a_gpu_is_the_same_workflow(planned):
    plan = planned("all", "--configfile", "params.yaml", "config/bench.yaml")
    assert set(plan) == set(planned()) | {"make_dataset_for_clip", "pretrain_clip"}
    assert plan["train_encoder"] == 5 * 5 + 2 * 3


def test_the_harder_benchmark_shares_no_file_with_the_default():
    default, hard = load_params(["params.yaml"]), load_params(["params.yaml", "config/hard.yaml"])
    for key in ("data", "results"):
        assert getattr(hard.runtime, key) != getattr(default.runtime, key)
    assert hard.tracking.store != default.tracking.store
    assert hard.benchmark != default.benchmark
    assert hard.model_copy(update={k: getattr(default, k) for k in ("benchmark", "runtime", "tracking")}) == default


def test_the_first_run_makes_everything_and_the_second_nothing(small, small_run):
    ran = Counter(call["step"] for call in small_run.calls)
    assert (ran["train_encoder"], ran["score_retrieval"]) == (3, 6)
    assert (small.folder / "results/report.html").is_file()
    assert small.plan() == {}
    (small.folder / "params.yaml").touch()
    assert small.plan() == {}


def test_a_comment_and_the_order_of_keys_rerun_nothing(small):
    path = small.folder / "params.yaml"
    values = yaml.safe_load(path.read_text())
    values["encoder"] = dict(reversed(values["encoder"].items()))
    path.write_text("# a comment\n" + yaml.safe_dump(values, sort_keys=False))
    assert small.plan() == {}


def test_a_default_written_out_reruns_nothing(small):
    small.change(encoder={"warmup_epochs": 1.0, "augmentation": {"erase_area": [0.02, 0.4]}})
    assert small.plan() == {}


def test_where_runs_are_tracked_retrains_nothing(small):
    small.change(tracking={"store": "elsewhere"})
    assert set(small.run()) == {"track_scores"}
    assert small.plan() == {}


def test_a_disk_of_the_nodes_own_reruns_nothing(small):
    small.change(runtime={"scratch": "$TMPDIR"})
    assert small.plan() == {}


def test_the_settings_of_tracking_reach_every_job(small_run):
    stores = {json.loads(call["tracking"])["store"] for call in small_run.calls}
    assert stores == {"their store"}


@pytest.mark.parametrize(
    ("change", "steps"),
    [
        ({"datasets": {"sysu_mm01": {"trials": 3}}}, SCORES),
        ({"evaluation": {"flip": False}}, SCORES | {"embed_images"}),
        ({"tables": {"components": {"caption": "Another"}}}, PAGES),
        ({"benchmark": {"regdb": {"train": 10, "test": 10}}}, PAGES - {"compare_variants", "compare_costs"}),
    ],
)
def test_an_evaluation_key_reruns_what_follows_from_it(small, change, steps):
    small.change(**change)
    plan = small.plan()
    assert set(plan) == steps
    assert plan["score_retrieval"] in (0, 6)


def test_reranked_scores_and_those_of_the_official_gallery_join_and_replace_nothing(small):
    small.change(evaluation={"reranking": {}})
    ran = small.run()
    assert set(ran) == SCORES
    assert ran["score_retrieval"] == 6
    small.change(datasets={"sysu_mm01": {"gallery": "official"}})
    assert small.run()["score_retrieval"] == 12
    names = {path.stem.split("-", 1)[1] for path in small.folder.glob("results/sysu_mm01/**/scores/*-*.json")}
    assert names == {"reranked", "official", "official-reranked"}


def test_a_change_of_one_variant_reruns_that_variant(small):
    small.change(variants={"mspl": {"encoder": {"epochs": 99}}})
    ran = small.run()
    assert set(ran) == SCORES | {"train_encoder", "embed_images"}
    assert (ran["train_encoder"], ran["embed_images"], ran["score_retrieval"]) == (1, 1, 2)
    assert small.plan() == {}


def test_a_prompt_key_of_one_variant_gets_prompts_of_its_own(small):
    small.change(variants={"csdn": {"prompts": {"tokens": 8}}})
    assert small.run()["learn_prompts"] == 1
    kinds = sorted(path.name for path in (small.folder / "results/sysu_mm01/default/prompts").iterdir())
    assert kinds == ["specific", "specific-tokens_8"]


def test_a_new_variant_runs_alone_and_shares_what_it_can(small):
    small.change(
        datasets={"sysu_mm01": {"variants": ["baseline", "mspl", "csdn", "strong"]}},
        variants={"strong": {"encoder": {"weights": {"semantic_visible": 1}}}},
    )
    plan = small.plan()
    assert (plan["learn_prompts"], plan["fuse_semantics"], plan["train_encoder"]) == (0, 0, 1)


def test_an_imported_encoder_is_used_and_not_trained(small):
    """docs/models.md: a variant without descriptions, whose encoder is there and newer than the images."""
    small.change(
        datasets={"sysu_mm01": {"variants": ["baseline", "mspl", "csdn", "authors_weights"]}},
        variants={"authors_weights": {"encoder": {"epochs": 0, "text": "none"}, "fidelity": "reference"}},
        tables={"components": {"variants": ["authors_weights"], "differences": []}},
    )
    assert small.plan()["train_encoder"] == 1
    folder = small.folder / "results/sysu_mm01/default/runs/authors_weights/seed_0"
    folder.mkdir(parents=True)
    for name in ("encoder.safetensors", "history.csv"):
        (folder / name).write_text("imported")
    ran = small.run()
    assert (ran["train_encoder"], ran["embed_images"], ran["score_retrieval"]) == (0, 1, 2)
    assert (folder / "encoder.safetensors").read_text() == "imported"
    assert small.plan() == {}


def test_a_removed_variant_leaves_the_tables(small):
    small.change(datasets={"sysu_mm01": {"variants": ["baseline", "csdn"]}})
    assert set(small.plan()) == PAGES


def test_the_images_of_the_benchmark_rerun_everything_on_them(small):
    small.change(benchmark={"sysu_mm01": {"test": 50}})
    plan = small.plan()
    assert plan["make_dataset"] == plan["index_images"] == 1
    assert plan["train_encoder"] == 3
    assert "pretrain_clip" not in plan


def test_a_further_draw_is_made_beside_the_others(small):
    """Nothing of a draw depends on another one, nor on the set without draws, which stays where it is."""
    default = {path: path.read_bytes() for path in (small.folder / "data").rglob("*") if path.is_file()}
    small.change(datasets={"sysu_mm01": {"splits": ["1"]}})
    assert small.run()["make_dataset"] == 1
    small.change(datasets={"sysu_mm01": {"splits": ["1", "2"]}})
    plan = small.plan()
    assert (plan["make_dataset"], plan["index_images"], plan["train_encoder"], plan["score_retrieval"]) == (1, 1, 3, 6)
    assert set(plan) - {"make_dataset", "index_images"} >= PAGES and "pretrain_clip" not in plan
    small.run()
    assert small.plan() == {}
    assert {path: path.read_bytes() for path in default} == default
    small.change(benchmark={"sysu_mm01": {"test": 50}})
    assert small.plan()["make_dataset"] == 2
    small.change(benchmark={"sysu_mm01": {"test": 240}}, datasets={"sysu_mm01": {"splits": ["2", "1"]}})
    assert set(small.plan()) == PAGES | {"explain_model"}  # another draw is shown
    small.change(datasets={"sysu_mm01": {"splits": ["default"]}})
    assert set(small.plan()) == PAGES


def test_small_clips_of_draws_are_made_beside_each_other(workflow):
    """A further draw has one more, and every training starts from that of its draw, whatever its variant."""
    own = {"weights": "mini", "pretraining": {"one_per_draw": True}}
    workflow.change(
        datasets={
            "regdb": {"variants": ["baseline"]},
            "sysu_mm01": {"splits": ["1"], "variants": ["baseline", "csdn"]},
        },
        clip=own,
        primary=None,
    )
    assert workflow.run()["pretrain_clip"] == 2
    workflow.change(datasets={"sysu_mm01": {"splits": ["1", "2"]}})
    workflow.snakemake()
    calls = workflow.calls()
    ran = Counter(call["step"] for call in calls)
    assert (ran["make_dataset"], ran["pretrain_clip"], ran["train_encoder"]) == (2, 1, 2)
    (images,) = (call["arguments"] for call in calls if call["arguments"].get("--dataset") == "pretraining")
    assert (images["--split"], images["--output"]) == ("2", "data/pretraining/draw_2/annotations.parquet")
    starts = {call["arguments"]["--clip"] for call in calls if "--clip" in call["arguments"]}
    assert starts == {"results/clip/draw_2/clip.safetensors"}
    assert workflow.plan() == {}
    workflow.change(clip={"pretraining": {"one_per_draw": False}})
    assert workflow.plan()["pretrain_clip"] == 0  # that of all is there, RegDB starts from it
    assert workflow.plan()["train_encoder"] == 4


@pytest.mark.parametrize("name", ["study", "clip_draws"])
def test_studies_with_small_clips_of_draws_share_no_result_with_the_default(name):
    default, study = load_params(["params.yaml"]), load_params(["params.yaml", f"config/{name}.yaml"])
    assert study.runtime.results != default.runtime.results and study.tracking.store != default.tracking.store
    assert (study.runtime.data != default.runtime.data) == (study.benchmark != default.benchmark)
    assert small_clips(study) == study.datasets["sysu_mm01"].splits
    assert set(study.variants_of("sysu_mm01")) >= {"clip_init", *(study.primary.variants if study.primary else [])}


def test_a_seed_of_the_command_line_counts_too(small):
    plan = small.plan("--config", "datasets={sysu_mm01: {seeds: [0, 1]}}")
    assert (plan["train_encoder"], plan["score_retrieval"]) == (3, 6)


def test_shared_prompts_know_no_variant(fresh):
    """In the commands of a plan, which are those of a run."""
    text = fresh.snakemake("-n", "--printshellcmds", "train")
    commands = re.findall("^Shell command: csdn (learn-prompts|fuse-semantics) (.*)$", text, re.MULTILINE)
    assert Counter(name for name, _ in commands) == {"learn-prompts": 16, "fuse-semantics": 16}
    for _, options in commands:
        words = shlex.split(options)
        assert "variant" not in json.loads(words[words.index("--params") + 1])


def test_real_data_is_not_rendered(workflow):
    root = workflow.folder / "my data" / "sysu"
    (root / "exp").mkdir(parents=True)
    (root / "exp/rand_perm_cam.mat").write_text("")
    weights = workflow.folder / "my data" / "RN50.pt"
    weights.write_text("")
    workflow.change(
        datasets={
            "regdb": None,
            "sysu_mm01": {
                "root": str(root),
                "splits": ["default"],
                "gallery": "official",
                "variants": ["baseline", "csdn"],
            },
        },
        clip={"model": "RN50-quickgelu", "weights": str(weights)},
    )
    workflow.snakemake()
    calls = workflow.calls()
    ran = {call["step"] for call in calls}
    assert not {"make_dataset", "make_dataset_for_clip", "pretrain_clip"} & ran
    assert {"index_images", "learn_prompts", "train_encoder", "score_retrieval"} <= ran
    for call in calls:
        arguments = call["arguments"]
        if call["step"] == "index_images":
            assert arguments["--root"] == str(root)
        if call["step"] in ("learn_prompts", "train_encoder"):
            assert arguments["--clip"] == str(weights)
        if call["step"] == "score_retrieval":
            assert arguments["--permutations"] == str(root / "exp/rand_perm_cam.mat")
    assert workflow.plan() == {}


PAPER = ("all", "--configfile", "params.yaml", "config/paper.yaml")
PATHS = ("datasets.sysu_mm01.root", "datasets.regdb.root", "datasets.llcm.root", "clip.weights")


def test_the_papers_settings_do_not_run_without_the_data(workflow):
    text = workflow.snakemake(*PAPER, check=False)
    for key in PATHS:
        assert len([line for line in text.splitlines() if line.startswith(f"{key}: no ")]) == 1
    assert "Job stats" not in text
    assert not (workflow.folder / "results-paper").exists()


def test_the_papers_plan_can_be_seen_before_the_data_are_there(workflow):
    text = workflow.snakemake("-n", *PAPER)
    for key in PATHS:
        assert len([line for line in text.splitlines() if line.startswith(f"csdn: warning: {key}: no ")]) == 1
    scores = "results-paper/{}/runs/{}/seed_0/scores/{}.json"
    for split in range(1, 11):
        for variant in ("baseline", "clip_vireid", "mspl", "csdn"):
            for direction in ("visible_to_infrared", "infrared_to_visible"):
                assert scores.format(f"regdb/{split}", variant, f"regdb_{direction}") in text
    for protocol in ("sysu_all_single", "sysu_all_multi", "sysu_indoor_single", "sysu_indoor_multi"):
        assert scores.format("sysu_mm01/default", "csdn", protocol) in text


@pytest.mark.parametrize(
    ("layer", "results", "split", "variant", "seed"),
    [
        ("config/paper_ablations.yaml", "results-paper", "llcm/default", "csdn_triplet_1", 0),
        ("config/reproduce.yaml", "results-reproduce", "regdb/10", "csdn_best_on_test", 2),
    ],
)
def test_the_layers_on_the_papers_settings_have_a_plan_without_the_data(workflow, layer, results, split, variant, seed):
    text = workflow.snakemake("-n", *PAPER, layer)
    assert f"{results}/{split}/runs/{variant}/seed_{seed}/encoder.safetensors" in text


def test_the_papers_plan_is_every_split_variant_and_protocol(workflow):
    """On folders in the official layouts; RegDB's ten splits are ten trainings of every variant."""
    for name in ("SYSU-MM01", "RegDB", "LLCM"):
        (workflow.folder / name).mkdir()
    (workflow.folder / "RN50.pt").write_text("")
    roots = "{sysu_mm01: {root: SYSU-MM01}, regdb: {root: RegDB}, llcm: {root: LLCM}}"
    plan = workflow.plan(*PAPER, "--config", f"datasets={roots}", "clip={weights: ./RN50.pt}")
    splits, variants = 1 + 10 + 1, 4
    expected = {
        "index_images": 3,
        "learn_prompts": 2 * splits,  # shared and specific
        "fuse_semantics": 3 * splits,  # shared, specific, and specific fused
        "train_encoder": variants * splits,
        "embed_images": variants * splits,
        "score_retrieval": variants * (4 + 10 * 2 + 2),
        **dict.fromkeys(("track_scores", "compare_variants", "compare_costs", "draw_figures", "write_report"), 1),
    }
    assert {step: plan[step] for step in expected} == expected
    assert not {"make_dataset", "make_dataset_for_clip", "pretrain_clip"} & set(plan)


def test_a_gpu_that_cannot_be_used_is_refused_before_anything_runs(workflow):
    workflow.environment["CUDA_VISIBLE_DEVICES"] = ""  # none can, whatever this machine has
    before = {path.name for path in workflow.folder.iterdir()}
    text = workflow.snakemake("all", "--config", "runtime={device: cuda}", check=False)
    assert len([line for line in text.splitlines() if line.startswith("runtime.device: `cuda` cannot be used")]) == 1
    assert "Job stats" not in text
    assert {path.name for path in workflow.folder.iterdir()} - before <= {".snakemake"}
    assert "all" in workflow.snakemake("-n", "all", "--config", "runtime={device: cuda}")  # a plan needs no GPU


def test_falling_back_to_the_cpu_is_said_once(small_run):
    lines = small_run.text.splitlines()
    assert len([line for line in lines if "csdn: warning: jobs compute on the CPU: " in line]) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": {"epoch": 3}}, "encoder.epoch: unknown key; did you mean `epochs`?"),
        ({"variants": {"csdn": {"prompts": {"tokens": 0}}}}, "variants.csdn.prompts.tokens: must be greater"),
    ],
)
def test_wrong_settings_are_told_before_anything_runs(workflow, change, message):
    workflow.change(**change)
    assert message in workflow.snakemake("-n", check=False)


def test_results_without_records_are_not_trusted(small):
    shutil.rmtree(small.folder / ".snakemake/metadata")
    text = small.snakemake("-n", check=False)
    assert "dvc pull" in text and "adopt=true" in text
    small.snakemake("all", "--touch", "--forceall", "--config", "adopt=true")
    assert small.plan() == {}
    small.change(variants={"mspl": {"encoder": {"epochs": 99}}})
    assert small.plan()["train_encoder"] == 1


def test_a_step_version_makes_it_run_again(small):
    path = small.folder / "workflow/rules/common.smk"
    path.write_text(
        "import csdn.steps.registry\n\ncsdn.steps.registry.STEP_VERSIONS['score_retrieval'] += 1\n" + path.read_text()
    )
    assert set(small.plan()) == SCORES


def test_snakemakes_own_report_holds_page_tables_and_figures(small):
    small.snakemake("--report", "own.html")
    page = (small.folder / "own.html").read_text()
    for text in ("everything on one page", "curves", "components differences", "bootstrap"):
        assert text in page
    assert "http://" not in page.split("<body")[0].replace("http://www.w3.org", "")


def test_a_killed_run_goes_on(small):
    """Snakemake's lock of a killed run is no obstacle, that of a live one is, however either was started."""
    locks = small.folder / ".snakemake/locks"
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text(str(small.folder / "results/report.html"))
    (locks / "0.input.lock").write_text("")
    small.change(tables={"components": {"caption": "Another"}})
    refused = f"another run of the pipeline is active in {small.folder} (process 77); wait for it or stop it"
    with (small.folder / ".snakemake/run.flock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        handle.write("77")
        handle.flush()
        assert refused in small.snakemake(check=False)
        assert small.call("scripts/snake", "--cores", "1", check=False) == f"{refused}\n"
        assert set(small.plan()) >= {"write_report"}  # looking is allowed
        assert len(list(locks.iterdir())) == 2
    (small.folder / ".dvc/tmp").mkdir(parents=True)
    with (small.folder / ".dvc/tmp/lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert "DVC is at work in" in small.snakemake(check=False)
    assert small.calls() == []
    small.call("scripts/snake", "--cores", "1")
    assert small.plan() == {}


def test_the_workflow_is_clean(workflow):
    assert "Lint" not in workflow.snakemake("--lint")
    workflow.call("snakefmt", "--check", "-l", "120", "workflow")


def test_the_wrapper_finds_the_repository_from_anywhere(workflow):
    elsewhere = workflow.folder / "elsewhere"
    elsewhere.mkdir()
    workflow.call("sh", "-c", f"cd {elsewhere} && ../scripts/snake --cores 1 -n data")
    assert list(elsewhere.iterdir()) == []


def test_a_cache_that_is_not_as_it_was_written_is_made_again(small):
    (cache,) = (small.folder / "data" / "cache").glob("*.npy")
    whole = cache.read_bytes()
    cache.write_bytes(whole[:-1])
    small.plan()
    small.snakemake("--list-rules")
    small.snakemake("no_such_target", check=False)
    assert cache.exists(), "neither a dry run nor reading the workflow removes anything"
    assert small.run("data") == {"index_images": 1}
    assert cache.read_bytes() == whole
    cache.with_name(cache.name + ".blocks.json").unlink()
    assert small.run("data") == {"index_images": 1}


def test_a_key_that_stands_twice_is_refused(workflow):
    path = workflow.folder / "params.yaml"
    path.write_text(path.read_text() + "\nseeds: [7]\n")
    text = workflow.snakemake("-n", check=False)
    assert "is not YAML (the key 'seeds' is given twice)" in text


@pytest.mark.parametrize(
    "layer",
    [
        None,
        "draws.yaml",
        "config/clip_draws.yaml",
        "clips.yaml",
        pytest.param("config/smoke.yaml", marks=pytest.mark.slow),
        pytest.param("config/layouts.yaml", marks=pytest.mark.slow),
        "config/ablations.yaml",
    ],
)
def test_a_planned_study_is_the_workflows_own_graph(fresh, graph, layer):
    """Job by job: its step, and how many jobs of which steps it waits for, however far back."""
    (fresh.folder / "draws.yaml").write_text("datasets: {sysu_mm01: {splits: [1, 2, 3], seeds: [0]}}")
    (fresh.folder / "clips.yaml").write_text(
        "datasets: {sysu_mm01: {splits: [2, 1], variants: [csdn, baseline]}}\nprimary: null\n"
        "clip: {weights: mini, pretraining: {one_per_draw: true}}\nvariants: {baseline: {clip: {weights: shipped}}}\n"
    )
    layers = [layer] if layer else []
    jobs = study_jobs(load_params([str(fresh.folder / name) for name in ("params.yaml", *layers)], []))
    expected = waited_for({n: job.step for n, job in enumerate(jobs)}, {n: job.needs for n, job in enumerate(jobs)})
    assert waited_for(*graph(*layers)) == expected


def waited_for(steps, needs):
    """Each job's step and the counts of the steps that come before it, as a multiset."""
    before = {}

    def jobs_before(job):
        if job not in before:
            before[job] = set(needs[job]).union(*(jobs_before(need) for need in needs[job]))
        return before[job]

    found = ((steps[job], Counter(steps[need] for need in jobs_before(job))) for job in steps)
    return Counter((step, tuple(sorted(counts.items()))) for step, counts in found if step != "all")
