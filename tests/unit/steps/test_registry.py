"""Each step's settings and nothing else, stable as text, and keys that name what variants share."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csdn.artifacts.shipped import shipped_digest
from csdn.config import shared_keys
from csdn.config.encoder import Encoder
from csdn.config.fusion import Fusion
from csdn.config.loading import load_params
from csdn.config.prompts import Prompts
from csdn.errors import UserError
from csdn.steps import registry
from csdn.steps.registry import EVERYTHING
from csdn.steps.selection import Selection
from csdn.steps.training import TrainEncoder
from helpers.default_settings import ROOT, SELECTION, changed_by, params, text_of


@pytest.mark.parametrize("step", registry.STEP_VERSIONS)
def test_settings_read_back_as_themselves(step):
    text = text_of(step)
    model = registry.parse_text(text)
    assert model.step == step
    assert model.text() == text
    assert json.loads(text)["version"] == registry.STEP_VERSIONS[step]


def test_sections_of_a_steps_settings_are_those_of_params():
    model = registry.load_settings(
        [str(ROOT / "params.yaml")], ["tracking.store=here"], "train_encoder", Selection(**SELECTION | {"split": "1"})
    )
    assert isinstance(model, TrainEncoder)
    assert isinstance(model.encoder, Encoder)
    assert (model.clip.weights, model.clip.mini.embed_dim, model.runtime.threads) == ("shipped", 128, 1)
    assert model.clip.sha256 == shipped_digest()
    assert model.key == "sysu_mm01/1/runs/csdn/seed_0"
    assert model.tracking.store == "here"
    assert isinstance(registry.parse_text(text_of("learn_prompts")).prompts, Prompts)
    assert isinstance(registry.parse_text(text_of("fuse_semantics")).fusion, Fusion)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("tracking.store=elsewhere", {"track_scores"}),
        ("runtime.data=elsewhere", set()),
        ("seeds=[7]", set()),
        ("variants.other={}", set()),
        ("variants.mspl.encoder.epochs=3", set()),
        ("datasets.regdb.splits=['2']", {"compare_variants"}),
        ("benchmark.regdb={train: 9, test: 9}", {"compare_variants"}),
        ("benchmark.sysu_mm01.test=9", {"make_dataset"}),
        ("benchmark.pretraining.identities=99", set()),
        ("benchmark.noise=2", {"make_dataset"}),
        ("clip.pretraining.steps=9", {"pretrain_clip"}),
        (
            "clip={weights: mini}",
            {"learn_prompts", "fuse_semantics", "train_encoder", "embed_images", "explain_model"},
        ),
        (
            "clip={weights: random, mini: {width: 32}}",
            {"pretrain_clip", "learn_prompts", "fuse_semantics", "train_encoder", "embed_images", "explain_model"},
        ),
        ("prompts.epochs=9", {"learn_prompts"}),
        ("prompts.tokens=9", {"learn_prompts", "fuse_semantics"}),
        ("fusion.epochs=9", {"fuse_semantics"}),
        ("encoder.epochs=9", {"train_encoder", "embed_images", "explain_model"}),
        ("encoder.validate_every=0", {"train_encoder", "embed_images", "explain_model"}),
        ("fidelity.decay_everything=true", {"train_encoder", "embed_images", "explain_model"}),
        (
            "fidelity.stem=reference",
            {"learn_prompts", "fuse_semantics", "train_encoder", "embed_images", "explain_model"},
        ),
        ("runtime.compile=true", {"train_encoder"}),
        ("fusion.kind=attention", {"fuse_semantics"}),
        ("fidelity.fusion_mode=training", {"fuse_semantics"}),
        ("fidelity.stage_one_images=sampler", {"learn_prompts", "fuse_semantics"}),
        ("fidelity=reference", {"learn_prompts", "fuse_semantics", "train_encoder", "embed_images", "explain_model"}),
        ("prompts.kind=caption", {"learn_prompts", "fuse_semantics"}),
        ("prompts.kind=centroid", {"learn_prompts", "fuse_semantics"}),
        ("prompts.positives=own_modality", {"learn_prompts"}),
        ("prompts.positives=both", set()),
        ("encoder={selection: best_on_test}", {"train_encoder", "embed_images", "explain_model"}),
        ("evaluation.flip=false", {"embed_images"}),
        ("evaluation.precision=bf16", {"embed_images"}),
        ("evaluation.protocols=[sysu_all_single]", {"compare_variants"}),
        ("evaluation.reranking={k1: 5}", {"compare_variants"}),
        ("datasets.sysu_mm01.trials=3", {"score_retrieval", "compare_variants"}),
        ("datasets.sysu_mm01.gallery=official", {"score_retrieval", "compare_variants"}),
        (
            "datasets.sysu_mm01.train_subsets=[train, val]",
            {"learn_prompts", "fuse_semantics", "train_encoder", "explain_model"},
        ),
        ("datasets.sysu_mm01.held_out_identities=5", {"index_images"}),
        ("tables.components.caption=other", {"compare_variants"}),
        (
            "primary={dataset: sysu_mm01, protocol: sysu_all_single, settings: {A: [[csdn, baseline]]}}",
            {"compare_variants"},
        ),
        ("runtime.pretraining_threads=1", {"pretrain_clip"}),
    ],
)
def test_a_key_changes_the_settings_of_the_steps_it_decides(override, expected):
    assert changed_by(override) == expected


def test_the_test_set_is_in_the_settings_of_training_only_where_it_chooses_the_epoch():
    assert "test_selection" not in json.loads(text_of("train_encoder"))
    chosen = json.loads(text_of("train_encoder", "encoder.selection=best_on_test"))
    assert chosen["test_selection"] == {"protocol": "sysu_all_single", "trials": 10}


def test_positives_are_named_only_where_they_differ_from_the_authors():
    """Results from before this key existed stay valid."""
    assert "positives" not in json.loads(text_of("learn_prompts"))["prompts"]
    own = "prompts.positives=own_modality"
    assert json.loads(text_of("learn_prompts", own))["prompts"]["positives"] == "own_modality"
    assert text_of("learn_prompts", own, variant="clip_vireid") == text_of("learn_prompts", variant="clip_vireid")


@pytest.mark.parametrize("kind", ["caption", "centroid"])
def test_what_is_not_learned_does_not_depend_on_how_prompts_are_learned(kind):
    given = "prompts={kind: %s, epochs: %d, learning_rate: %g}"
    one, two = (text_of("learn_prompts", given % (kind, *values)) for values in ((3, 0.1), (4, 0.2)))
    assert one == two


def test_an_untrained_fusion_does_not_depend_on_how_fusions_are_trained():
    assert "fuse_semantics" not in changed_by("fusion.epochs=9", variant="mspl")


def test_the_small_clips_images_are_a_dataset_of_their_own():
    values = json.loads(text_of("make_dataset", dataset="pretraining"))
    assert values["layout"] is None
    assert set(values["benchmark"]) & {"sysu_mm01", "regdb", "llcm", "pretraining"} == {"pretraining"}


DRAWS = "datasets.sysu_mm01.splits=[1, 2]"


def test_a_draw_depends_on_its_own_number_and_not_on_the_other_draws():
    for step in ("make_dataset", "index_images", "train_encoder", "score_retrieval"):
        one, two = (text_of(step, DRAWS, split=split) for split in "12")
        assert one != two
        assert text_of(step, "datasets.sysu_mm01.splits=[1, 2, 3]", split="1") == one
        assert text_of(step, "datasets.sysu_mm01.splits=[1]", split="1") == one
    assert text_of("make_dataset", DRAWS, "benchmark.seed=1", split="1") != text_of("make_dataset", DRAWS, split="1")


@pytest.mark.parametrize(("dataset", "split"), [("sysu_mm01", "default"), ("regdb", "1")])
def test_images_of_all_splits_do_not_depend_on_one(dataset, split):
    for step in ("make_dataset", "index_images"):
        text = text_of(step, dataset=dataset, split=split)
        assert text == text_of(step, dataset=dataset, split=None) and "split" not in json.loads(text)


def test_a_dataset_with_draws_is_rendered_and_indexed_draw_by_draw():
    for step in ("make_dataset", "index_images"):
        with pytest.raises(UserError, match="--split: missing; give one of 1, 2"):
            text_of(step, DRAWS, split=None)
        with pytest.raises(UserError, match="--split 3: unknown; known: 1, 2"):
            text_of(step, DRAWS, split="3")


overrides = st.fixed_dictionaries(
    {},
    optional={
        "prompts": st.fixed_dictionaries(
            {}, optional={"kind": st.sampled_from(["specific", "shared", "centroid"]), "tokens": st.integers(4, 5)}
        ),
        "fusion": st.fixed_dictionaries(
            {},
            optional={
                "kind": st.sampled_from(["none", "mean", "attention", "reference"]),
                "heads": st.sampled_from([2, 4]),
            },
        ),
        "encoder": st.fixed_dictionaries({}, optional={"epochs": st.integers(0, 2)}),
        "fidelity": st.fixed_dictionaries(
            {},
            optional={
                "stem": st.sampled_from(["clip", "reference"]),
                "fusion_mode": st.sampled_from(["evaluation", "training"]),
                "stage_one_images": st.sampled_from(["all", "sampler"]),
            },
        ),
    },
)


@given(one=overrides, two=overrides)
@settings(max_examples=60, deadline=None)
def test_variants_share_a_result_exactly_when_its_settings_are_equal(one, two):
    p = params(f"variants.one={json.dumps(one)}", f"variants.two={json.dumps(two)}")

    def texts(step):
        return [registry.step_settings(p, step, Selection("sysu_mm01", "default", v, 0)).text() for v in ("one", "two")]

    same_prompts = shared_keys.prompt_key(p, "one") == shared_keys.prompt_key(p, "two")
    first, second = texts("learn_prompts")
    assert (first == second) == same_prompts
    keys = [shared_keys.semantics_key(p, v) for v in ("one", "two")]
    if None not in keys:
        first, second = texts("fuse_semantics")
        assert (first == second) == (keys[0] == keys[1])


def test_a_step_that_cannot_be_is_reported():
    with pytest.raises(UserError, match="nothing to fuse"):
        text_of("fuse_semantics", variant="baseline")
    with pytest.raises(UserError, match="no step 'train_encoders'; did you mean `train_encoder`"):
        registry.step_settings(params(), "train_encoders")
    with pytest.raises(UserError, match=r"datasets\.sysu_mm01\.root: is a folder"):
        text_of("make_dataset", "datasets.sysu_mm01.root=/somewhere")
    with pytest.raises(UserError, match="--protocol regdb_visible_to_infrared: unknown"):
        text_of("score_retrieval", protocol="regdb_visible_to_infrared")


def test_a_text_is_checked(monkeypatch):
    text = text_of("train_encoder")
    with pytest.raises(UserError, match="holds the settings of train_encoder, not of embed_images"):
        registry.load_settings([text], [], "embed_images", EVERYTHING)
    with pytest.raises(UserError, match="settings of a step are final except for tracking"):
        registry.load_settings([text], ["encoder.epochs=3"], "train_encoder", EVERYTHING)
    with pytest.raises(UserError, match=r"starts with \{ but is not JSON"):
        registry.load_settings([text[:-1]], [], "train_encoder", EVERYTHING)
    with pytest.raises(UserError, match=r"settings of train_encoder\.dataset: missing"):
        registry.parse_text('{"step": "train_encoder", "version": 1}')
    monkeypatch.setenv("CSDN_TRACKING", '{"store": "elsewhere"}')
    assert registry.load_settings(
        [text], ["tracking.project=p"], "train_encoder", EVERYTHING
    ).tracking.model_dump() == {
        "backend": "mlflow",
        "store": "elsewhere",
        "project": "p",
    }


def test_a_command_by_hand_gets_what_a_job_gets(monkeypatch):
    overrides = ["runtime.checkpoint_seconds=5", "runtime.scratch=$TMPDIR"]
    by_hand = registry.load_settings([str(ROOT / "params.yaml")], overrides, "write_report", EVERYTHING)
    monkeypatch.setenv("CSDN_CHECKPOINTS", '{"folder": "results/.checkpoints", "seconds": 5}')
    monkeypatch.setenv("CSDN_SCRATCH", "$TMPDIR")
    default = load_params([ROOT / "params.yaml"])
    job = registry.parse_text(registry.step_settings(default, "write_report", EVERYTHING).text())
    assert by_hand.model_dump(exclude={"params"}) == job.model_dump(exclude={"params"})
    assert by_hand.text() == job.text()
    assert "checkpoint" not in by_hand.text() and "scratch" not in by_hand.text()


def test_the_settings_import_nothing_heavy():
    code = (
        "import sys, csdn.steps.registry, csdn.tracking.runs\n"
        "print(sorted({'torch', 'numpy', 'pandas', 'mlflow', 'scipy', 'open_clip'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
