"""Every job that computes with a network, on fake CUDA tensors: no tensor may lie on another device than its partners.

Shapes, types and devices are real, values are not (helpers/fake_cuda.py), so this holds on a machine without a GPU.
"""

import copy
import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from csdn.artifacts.files import read_json
from csdn.config.encoder import Encoder
from csdn.config.fidelity import Fidelity
from csdn.config.params import Params
from csdn.jobs import explanation, pretraining, training
from csdn.jobs.evaluation import run_embed_images
from csdn.jobs.explanation import run_explain_model
from csdn.jobs.training import run_fuse_semantics, run_learn_prompts, run_train_encoder
from csdn.jobs.unpacking import encoder_arguments
from csdn.models import inference
from csdn.models.clip_backbone import random_clip
from csdn.models.reid_network import ReIDNetwork
from csdn.search.export import Descriptor
from csdn.search.trained import load_trained
from csdn.steps.settings import Checkpointing
from csdn.training import clip_pretraining, encoder_stage, resumable
from csdn.training.batches import Batch
from csdn.training.resumable import TrainingRun
from helpers.fake_cuda import GPU, fake_cuda
from helpers.tiny_jobs import CHOICE, PARAMS, settings_of

AUTHORS = {"classifier": "linear", "semantic_logits": "dot", "descriptor": "reference"}
FUSIONS = ("reference", "attention", "mean", "sum", "concat", "none")
VARIANTS = {
    "csdn": {},
    "shared": {"prompts": {"kind": "shared", "gradient_clip": 1.0}},
    "captions": {"prompts": {"kind": "caption"}, "fusion": {"kind": "none"}},
    "own_modality": {"prompts": {"positives": "own_modality"}},
    "centroid": {"prompts": {"kind": "centroid"}, "fusion": {"kind": "mean"}},
    "authors": {"fidelity": "reference", "prompts": {"logits": "dot"}, "fusion": {"logits": "dot"}, "encoder": AUTHORS},
    "baseline": {"encoder": {"text": "none", "precision": "tf32"}},
    "permuted": {"encoder": {"text": "permuted", "gradient_clip": 1.0, "semantic_loss": "supervised_contrastive"}},
    "random": {"encoder": {"text": "random", "precision": "bf16", "semantic_loss": "cosine_regression"}},
    "best_on_test": {"encoder": {"selection": "best_on_test", "validate_every": 1, "semantic_loss": "mse_regression"}},
    "triplet": {"encoder": {"semantic_loss": "triplet_to_text"}},
    **{f"fusion_{kind}": {"fusion": {"kind": kind}} for kind in FUSIONS},
}
VALUES = PARAMS.model_dump() | {"variants": VARIANTS}
VALUES["runtime"] |= {"device": "cuda"}
VALUES["encoder"] |= {"identities": 8, "images": 4, "precision": "fp32"}  # two steps an epoch
VALUES["prompts"] |= {"batch": 32}
FAKE = Params.model_validate(VALUES)


def step(name, variant="csdn"):
    """The settings of a step on CUDA that writes a checkpoint after every optimiser step."""
    made = settings_of(FAKE, name, variant=variant, **CHOICE)
    return made.model_copy(update={"checkpoints": Checkpointing(seconds=0)})


@pytest.fixture(scope="module")
def given(made, tmp_path_factory):
    """Real results of every step, made on the CPU, as inputs."""
    folder = tmp_path_factory.mktemp("given")
    files = SimpleNamespace(
        images=(made / "index.parquet", made / "cache.npy"),
        clip=made / "clip.safetensors",
        captions=made / "sysu" / "annotations.parquet",
        pretraining=made / "pre" / "annotations.parquet",
        **{name: folder / f"{name}.safetensors" for name in ("prompts", "semantics", "encoder")},
    )
    on_cpu = Params.model_validate(VALUES | {"runtime": VALUES["runtime"] | {"device": "cpu"}})
    steps = {
        name: settings_of(on_cpu, name, variant="csdn", **CHOICE)
        for name in ("learn_prompts", "fuse_semantics", "train_encoder")
    }
    start = (*files.images, files.clip)
    run_learn_prompts(steps["learn_prompts"], *start, files.prompts)
    run_fuse_semantics(steps["fuse_semantics"], *start, files.prompts, files.semantics)
    run_train_encoder(steps["train_encoder"], *start, files.semantics, files.encoder)
    return files


def pretrain(given, folder, monkeypatch, precision="fp32"):
    table = pd.DataFrame({"modality": [], "attribute": [], "balanced_accuracy": []}, dtype=object)
    monkeypatch.setattr(pretraining, "zero_shot_table", lambda model, images, frame: table)  # the CPU's work
    changed = copy.deepcopy(VALUES)
    changed["clip"]["pretraining"] |= {"steps": 2, "precision": precision}
    settings = settings_of(Params.model_validate(changed), "pretrain_clip")
    with fake_cuda() as mode:
        pretraining.run_pretrain_clip(settings, given.pretraining, folder / "clip.safetensors")
    return mode, folder / "clip.safetensors"


def learn(given, folder, variant="csdn"):
    output = folder / "prompts.safetensors"
    with fake_cuda() as mode:
        run_learn_prompts(step("learn_prompts", variant), *given.images, given.clip, output, given.captions)
    return mode, output


def fuse(given, folder, variant="csdn"):
    output = folder / "semantics.safetensors"
    with fake_cuda() as mode:
        run_fuse_semantics(step("fuse_semantics", variant), *given.images, given.clip, given.prompts, output)
    return mode, output


def train(given, folder, variant="csdn"):
    output = folder / "encoder.safetensors"
    with fake_cuda() as mode:
        run_train_encoder(step("train_encoder", variant), *given.images, given.clip, given.semantics, output)
    return mode, output


def embed(given, folder, variant="csdn"):
    output = folder / "embeddings.safetensors"
    with fake_cuda() as mode:
        run_embed_images(step("embed_images", variant), *given.images, given.encoder, output)
    return mode, output


def explain(given, folder, variant="csdn"):
    output = folder / "explanations.safetensors"
    inputs = (*given.images, given.clip, given.encoder, given.semantics)
    with fake_cuda() as mode:
        run_explain_model(step("explain_model", variant), *inputs, output)
    return mode, output


def _row(seen):
    operator, devices, *flags = seen
    return str(operator).split(".")[1], devices, tuple(flags)


def says(output):
    return read_json(output.with_name(output.name + ".provenance.json"))["compute"]


STAGES = {
    learn: ["csdn", "shared", "own_modality", "captions", "centroid", "authors"],
    fuse: ["authors", *(f"fusion_{kind}" for kind in FUSIONS)],
    train: ["csdn", "authors", "permuted", "random", "best_on_test", "triplet"],  # each loss of HSE once
    embed: ["csdn"],
    explain: ["csdn"],
}


@pytest.mark.parametrize(
    ("job", "variant"),
    [pytest.param(job, name, id=f"{job.__name__}-{name}") for job, names in STAGES.items() for name in names],
)
def test_every_tensor_of_a_stage_is_on_its_device(given, tmp_path, job, variant):
    mode, output = job(given, tmp_path, variant)
    found = says(output)
    assert (found["device"], found["name"]) == ("cuda:0", "a GPU that is not there")
    assert found["precision"] == ("bf16" if variant == "random" else "fp32")
    computes = variant != "fusion_none"
    assert {flags for _, _, flags in products_of(mode)} == ({(False, False)} if computes else set())


def products_of(mode):
    """Operators of the GPU that multiply matrices, with (TF32 allowed in products, in convolutions)."""
    kinds = ("mm", "bmm", "addmm", "convolution", "convolution_backward", "linear", "conv2d")
    rows = [_row(seen) for seen in mode.seen]
    return [row for row in rows if row[0] in kinds and "cuda" in row[1]]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_small_clips_pretraining_is_on_its_device(given, tmp_path, monkeypatch, precision):
    mode, output = pretrain(given, tmp_path, monkeypatch, precision)
    assert says(output)["precision"] == precision
    assert {flags for _, _, flags in products_of(mode)} == {(False, False)}


def test_tf32_holds_forwards_and_backwards_where_it_is_asked_for_and_nowhere_else(given, tmp_path):
    mode, output = train(given, tmp_path, "baseline")
    assert (says(output)["precision"], says(output)["tf32"]) == ("tf32", True)
    allowed = {(kind, flags) for kind, _, flags in products_of(mode)}
    assert ("convolution_backward", (True, True)) in allowed
    assert ("convolution_backward", (False, False)) not in allowed
    assert ("conv2d", (False, False)) in allowed  # validation embeds in float32


def left_on_the_cpu(module, name):
    """A function whose tensor, or module, stays on the CPU."""
    original = getattr(module, name)

    def stays(*arguments, **keywords):
        made = original(*arguments, **keywords)
        if isinstance(made, torch.nn.Module):
            made.to = lambda *_, **__: made
            return made
        if isinstance(made, torch.Tensor):
            return made.to("cpu")
        parts = made._asdict() if isinstance(made, tuple) else vars(made)
        moved = {key: value.to("cpu") for key, value in parts.items() if isinstance(value, torch.Tensor)}
        return made._replace(**moved) if isinstance(made, tuple) else dataclasses.replace(made, **moved)

    return stays


@pytest.mark.parametrize(
    ("job", "module", "name"),
    [
        (pretrain, clip_pretraining, "normalize_images"),
        (learn, training, "PromptBank"),
        (learn, training, "_stage_one_images"),
        (fuse, training, "build_fusion"),
        (train, training, "_descriptions"),
        (train, training, "build_network"),
        (embed, inference, "normalize_images"),
        (explain, explanation, "normalize_images"),
    ],
)
def test_a_tensor_on_the_wrong_device_is_found(given, tmp_path, monkeypatch, job, module, name):
    """The tests above can fail: one tensor left on the CPU stops each stage."""
    monkeypatch.setattr(module, name, left_on_the_cpu(module, name))
    with pytest.raises((RuntimeError, TypeError), match="device"):
        job(given, tmp_path, **({"monkeypatch": monkeypatch} if job is pretrain else {}))


def fake_network():
    clip = random_clip(FAKE.clip.architecture, (32, 16))
    tower = training.build_tower(clip)
    generator = torch.Generator().manual_seed(0)
    make = dict(identities=6, classifier_scale=16.0, descriptor="both_necks", generator=generator)
    return ReIDNetwork(tower, **make).requires_grad_(True).to(GPU)


def test_search_and_export_are_on_their_devices(given, tmp_path):
    """A trained encoder describes pictures on the GPU; what is exported of it is the CPU's."""
    picture = next((given.captions.parent / "cam1").rglob("*.jpg"))
    with fake_cuda():
        trained = load_trained(given.encoder, device="cuda")
        assert trained.embed([picture], "visible").shape == (1, trained.width)
        exported = Descriptor(trained, "infrared").eval()
        images = torch.zeros(2, *trained.settings.image_size, 3, dtype=torch.uint8)
        assert exported(images).device.type == "cpu"


def test_no_optimiser_step_waits_for_the_gpu(monkeypatch):
    """Nothing is read from the device until the losses are fetched, which here is soon."""
    steps = 5
    monkeypatch.setattr(resumable, "FETCH_EVERY", steps)
    _, loss, optimization = encoder_arguments(Encoder(precision="fp32"), Fidelity())
    with fake_cuda() as mode:
        network = fake_network()
        optimizer = encoder_stage.build_optimizer(network, optimization)
        run = TrainingRun({"network": network}, optimizer, np.random.default_rng(0), lambda row: None)
        images = torch.zeros(18, 3, 32, 16, device=GPU)
        batch = Batch(images[:12], images[12:], torch.arange(3, device=GPU).repeat_interleave(2))
        texts = torch.zeros(6, FAKE.clip.mini.embed_dim, device=GPU)
        texts = encoder_stage.Descriptions(texts, texts)
        waits = []
        for _ in run.steps(steps):
            before = len(mode.seen)
            encoder_stage.optimize(network, batch, texts, loss, optimization, optimizer, GPU, run.record)
            waits.append(sum(_waits(seen) for seen in mode.seen[before:]))
        assert waits == [0] * steps
        assert len(run.terms["loss"]) == steps


def _waits(seen):
    """Whether an operation hands values of the GPU to the host, or has a shape that depends on them."""
    operator, devices, *_ = seen
    name = str(operator)
    return devices == {"cuda"} and any(part in name for part in ("_local_scalar_dense", "_unique2", "nonzero"))


def test_a_checkpoint_holds_the_random_state_of_the_gpu_in_use_alone(tmp_path):
    with fake_cuda():
        parameter = torch.nn.Parameter(torch.zeros(3, device=GPU))
        optimizer = torch.optim.Adam([parameter], fused=True)
        rng = np.random.default_rng(0)
        state = TrainingRun({"x": parameter}, optimizer, rng, lambda row: None)._state()
        assert [name for name in state.tensors if name.startswith("cuda")] == ["cuda"]
        TrainingRun({"x": parameter}, optimizer, rng, lambda row: None, SimpleNamespace(load=lambda: state))
        (random_state, device), _ = torch.cuda.set_rng_state.call_args
    assert (len(random_state), device) == (16, GPU)
