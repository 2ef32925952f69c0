"""Every stage, interrupted anywhere and continued, ends with the tensors of an undisturbed training, bit for bit."""

import copy
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open

from csdn.config.clip import ClipPretraining
from csdn.config.encoder import Encoder
from csdn.config.fidelity import Fidelity
from csdn.config.fusion import Fusion
from csdn.config.prompts import Prompts
from csdn.errors import NotFiniteError
from csdn.jobs.unpacking import encoder_arguments, stage_one_optimization
from csdn.models.prompts import PromptBank, TextTower
from csdn.models.semantic_integration import build_fusion
from csdn.models.small_clip import without_unknown_words
from csdn.training import clip_pretraining, resumable
from csdn.training.checkpoint import Checkpoints
from csdn.training.clip_pretraining import Captioned, PretrainingOptimization, pretrain_clip
from csdn.training.encoder_stage import Validation, train_encoder
from csdn.training.fusion_stage import train_fusion
from csdn.training.prompt_stage import StageOneImages, learn_prompts
from csdn.training.resumable import FETCH_EVERY, TrainingRun

CPU = torch.device("cpu")


class Interrupted(Exception):
    """The training is stopped here."""


class Interrupting(Checkpoints):
    """Writes a checkpoint after some steps and stops after others, counted over steps and ends of epochs."""

    def __init__(self, folder, write, stop):
        super().__init__(folder, {}, 0)
        self.asked, self.write, self.stop = 0, write, stop

    def due(self, *, epoch_ended):
        self.asked += 1
        if self.asked == self.stop:
            raise Interrupted
        return self.asked in self.write


@pytest.fixture
def stage():
    generator = torch.Generator().manual_seed(0)
    labels = np.repeat(np.arange(6), 4)
    visible, infrared = torch.randn(2, len(labels), 16, generator=generator)
    return StageOneImages(visible, labels, infrared, labels)


@pytest.fixture
def trainings(clip, network, images, stage):
    """Stage name -> a function that trains it from the beginning: (checkpoints) -> final tensors, history."""

    def prompts(checkpoints):
        make = dict(tokens=2, template="A {} person.", generator=torch.Generator().manual_seed(1))
        bank = PromptBank(TextTower(clip), banks=2, identities=6, **make)
        settings = stage_one_optimization(Prompts(epochs=3, batch=8, learning_rate=0.01))
        history = learn_prompts(bank, stage, settings, np.random.default_rng(3), lambda row: None, checkpoints)
        return {"contexts": bank.contexts.detach()}, history

    def fusion(checkpoints):
        torch.manual_seed(4)  # dropout draws from the global generator
        module = build_fusion("attention", 16, heads=4, dropout=0.5)
        texts = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(5))
        settings = stage_one_optimization(Fusion(epochs=3, batch=10, learning_rate=0.01))
        rng = np.random.default_rng(6)
        history = train_fusion(module, *texts, stage, settings, rng, lambda row: None, checkpoints)
        return module.state_dict(), history

    def encoder(checkpoints, precision="fp32"):
        own = copy.deepcopy(network).to(memory_format=torch.channels_last)
        settings = Encoder(
            epochs=3,
            identities=3,
            images=2,
            learning_rate=1e-2,
            warmup_epochs=1,
            precision=precision,
        )

        def validate(net):  # the best is neither the first nor the last
            assert net is own
            return {"validation_map": {1: 0.9}.get(len(seen), 0.5)}

        seen = []
        given = (own, images, None, *encoder_arguments(settings, Fidelity()), np.random.default_rng(7), CPU)
        validation = Validation(validate, 1, "validation_map")
        history = train_encoder(*given, seen.append, validation, checkpoints)
        assert [row["epoch"] for row in seen] == [0, 1, 2]
        return own.state_dict(), history

    def pretraining(checkpoints):
        torch.manual_seed(8)
        model = copy.deepcopy(clip).requires_grad_(True)
        pixels = np.random.default_rng(9).integers(0, 256, (12, 32, 16, 3), dtype=np.uint8)
        captions = [["a man", "a tall man"], ["a woman", "a small woman"]] * 6
        attributes = {"build": np.arange(12) % 3}
        own = ClipPretraining(steps=9, batch=8, warmup_steps=2, precision="fp32")
        settings = own.part(PretrainingOptimization)
        rng = np.random.default_rng(10)
        grey = Captioned(captions, {"build": np.full(12, -1)})
        data = (model, pixels, Captioned(captions, attributes), grey)
        history = pretrain_clip(*data, settings, rng, CPU, lambda row: None, checkpoints, position_std=1.5)
        return without_unknown_words(model.state_dict()), history

    return {
        "pretrain_clip": pretraining,
        "learn_prompts": prompts,
        "fuse_semantics": fusion,
        "train_encoder": encoder,
        "train_encoder in bf16": lambda checkpoints: encoder(checkpoints, "bf16"),
    }


STAGES = ["pretrain_clip", "learn_prompts", "fuse_semantics", "train_encoder", "train_encoder in bf16"]


def without_seconds(history):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


@pytest.mark.parametrize("name", STAGES)
def test_an_interrupted_training_ends_as_an_undisturbed_one(trainings, name, tmp_path, monkeypatch):
    monkeypatch.setattr(clip_pretraining, "LOG_EVERY", 2)
    train = trainings[name]
    tensors, history = train(None)
    counter = Interrupting(tmp_path / "counted", (), -1)
    train(counter)
    moments = counter.asked  # ends of steps and epochs; the last checkpoint may lie some steps before the end
    assert moments >= 9
    cuts = (({2, 3}, 5), ({moments // 2}, moments // 2 + 2), ({moments}, -1))
    for number, (write, stop) in enumerate(cuts[:1] if "bf16" in name else cuts):
        folder = tmp_path / str(number)
        if stop > 0:
            with pytest.raises(Interrupted):
                train(Interrupting(folder, write, stop))
        else:
            train(Interrupting(folder, write, stop))
        torch.rand(3)  # another process has drawn other random numbers
        again, rows = train(Checkpoints(folder, {}, 3600))
        assert without_seconds(rows) == without_seconds(history), (write, stop)
        for key, value in tensors.items():
            assert torch.equal(value, again[key]), (key, write, stop)


def test_an_interruption_again_and_again(trainings, tmp_path):
    tensors, _ = trainings["train_encoder"](None)
    for _ in range(3):
        with pytest.raises(Interrupted):
            trainings["train_encoder"](Interrupting(tmp_path, range(100), 3))
    again, _ = trainings["train_encoder"](Checkpoints(tmp_path, {}, 3600))
    assert all(torch.equal(value, again[key]) for key, value in tensors.items())


def test_the_optimisers_state_is_laid_out_as_its_parameters(trainings, network, tmp_path, monkeypatch):
    """Fused Adam walks through memory: a channels-last weight with a contiguous average would be updated wrongly."""
    seen = []
    restore = resumable._restore_optimizer

    def watch(optimizer, arrays):
        restore(optimizer, arrays)
        seen.extend((p.stride(), value["exp_avg"].stride()) for p, value in optimizer.state.items())

    monkeypatch.setattr(resumable, "_restore_optimizer", watch)
    with pytest.raises(Interrupted):
        trainings["train_encoder"](Interrupting(tmp_path, {1}, 2))
    trainings["train_encoder"](Checkpoints(tmp_path, {}, 3600))
    assert any(len(stride) == 4 and stride[1] == 1 and stride[3] > 1 for stride, _ in seen)
    assert all(own == average for own, average in seen)


@pytest.mark.parametrize("name", ["learn_prompts", "train_encoder"])
def test_a_loss_that_is_not_finite_leaves_its_state_to_look_at(trainings, network, stage, name, tmp_path):
    network.pooled_head.weight.data.fill_(float("nan"))
    stage.visible[:] = float("inf")
    with pytest.raises(NotFiniteError, match=r"loss \w+ is nan at step 0, learning rate [\d.e-]+; lower.*state is in"):
        trainings[name](Checkpoints(tmp_path, {}, 0))
    (aside,) = tmp_path.rglob("*.safetensors")
    assert aside.parent.name == "not_finite"
    assert not Checkpoints(tmp_path, {}, 0).resumable


TRAIN = """
import numpy as np, torch
from csdn.config.fusion import Fusion
from csdn.jobs.unpacking import stage_one_optimization
from csdn.models.semantic_integration import build_fusion
from csdn.training.checkpoint import Checkpoints
from csdn.training.fusion_stage import train_fusion
from csdn.training.prompt_stage import StageOneImages

def train(checkpoints, on_epoch):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    labels = np.repeat(np.arange(6), 4)
    visible, infrared, texts = torch.randn(24, 16), torch.randn(24, 16), torch.randn(2, 6, 16)
    fusion = build_fusion("attention", 16, heads=4, dropout=0.5)
    settings = stage_one_optimization(Fusion(epochs=12, batch=10, learning_rate=0.01))
    images, rng = StageOneImages(visible, labels, infrared, labels), np.random.default_rng(1)
    train_fusion(fusion, *texts, images, settings, rng, on_epoch, checkpoints)
    return fusion.state_dict()
"""
KILLED = """
import sys
from pathlib import Path
checkpoints = Checkpoints(Path(sys.argv[1]), {}, 0)
with checkpoints.locked():
    train(checkpoints, print)
"""


def test_a_killed_process_is_continued(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", TRAIN + KILLED, tmp_path / "root" / "run"], stdout=subprocess.PIPE, text=True
    )
    for _ in range(3):  # epochs
        process.stdout.readline()
    process.kill()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    checkpoints = Checkpoints(tmp_path / "root" / "run", {}, 3600)
    assert checkpoints.resumable
    namespace = {}
    exec(TRAIN, namespace)  # noqa: S102 - the text above
    with checkpoints.locked():
        assert not list(tmp_path.rglob("*.part"))
        continued = namespace["train"](checkpoints, len)
        checkpoints.remove()
    undisturbed = namespace["train"](None, len)
    assert all(torch.equal(value, continued[name]) for name, value in undisturbed.items())
    assert list(tmp_path.iterdir()) == []


def diverging(checkpoints, bad, steps=40):
    """A run of `steps` whose loss at step `bad` is infinite; returns it with the weights after each step."""
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([parameter], fused=True)
    run = TrainingRun({"x": parameter}, optimizer, np.random.default_rng(0), lambda row: None, checkpoints)
    weights = []
    for step in run.steps(steps):
        run.set_learning_rate(0.1 * (step + 1))
        loss = (parameter**2).sum() * (float("inf") if step == bad else 1.0)
        optimizer.zero_grad()
        loss.backward()
        run.record({"identity": torch.tensor(1.0), "loss": loss.detach()})
        optimizer.step()
        weights.append(parameter.detach().clone())
        yield run, weights


def until_the_error(run):
    with pytest.raises(NotFiniteError) as caught:
        for _, seen in run:
            weights = seen
    return str(caught.value), weights


@pytest.mark.parametrize("bad", [0, 5, FETCH_EVERY - 1, FETCH_EVERY, 2 * FETCH_EVERY + 3])
def test_a_loss_that_is_not_finite_is_named_and_changes_nothing(tmp_path, bad):
    line, weights = until_the_error(diverging(Checkpoints(tmp_path, {}, 1e9), bad))
    assert len(weights) == min(40, (bad // FETCH_EVERY + 1) * FETCH_EVERY)  # it is found when losses are fetched
    start = weights[bad - 1] if bad else torch.ones(3)
    assert all(torch.equal(each, start) for each in weights[bad:])  # the device itself refused every step since
    assert not torch.equal(weights[bad - 2], start) or bad < 2
    (aside,) = tmp_path.rglob("not_finite/*.safetensors")
    assert line == (
        f"loss loss is inf at step {bad}, learning rate {0.1 * (bad + 1):g}; lower the learning rate "
        f"(the state is in {aside})"
    )
    with safe_open(aside, framework="pt") as file:
        assert torch.equal(file.get_tensor("part/x/"), start)


def test_no_checkpoint_is_written_after_a_loss_that_is_not_finite(tmp_path):
    line, weights = until_the_error(diverging(Checkpoints(tmp_path, {}, 0), bad=5))
    assert "at step 5" in line
    assert len(weights) == 6  # a checkpoint is due after every step, so the losses are looked at then
    steps = {int(path.name[5:14]) for path in tmp_path.rglob("step_*") if "not_finite" not in str(path)}
    assert steps == {4, 5}  # after the steps before


def test_a_training_goes_on_on_another_device_with_a_word(trainings, tmp_path, monkeypatch, capsys):
    with pytest.raises(Interrupted):
        trainings["train_encoder"](Interrupting(tmp_path, {1}, 2))
    monkeypatch.setattr(resumable, "device_name", lambda device: "another processor")
    trainings["train_encoder"](Checkpoints(tmp_path, {}, 3600))
    (line,) = capsys.readouterr().err.splitlines()
    assert "and continues on another processor: the result is just as valid, but not bit for bit" in line
