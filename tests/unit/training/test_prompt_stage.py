"""Stage 1a: descriptions learn their identities, and nothing else moves."""

import dataclasses

import numpy as np
import pytest
import torch

from csdn.config.prompts import Prompts
from csdn.data.sampling import paired_batches
from csdn.jobs.unpacking import stage_one_optimization
from csdn.losses import symmetric_contrastive_loss
from csdn.models.prompts import PromptBank, TextTower
from csdn.training.prompt_stage import describe_all, describe_by_captions, learn_prompts
from helpers.trainings import CPU, UNTIL_THEY_FIT, assert_untouched, ignore, state
from reference.slow_semantic import contrast_of_own_modality


def test_descriptions_come_to_fit_and_the_towers_stay_frozen(clip, bank, stage):
    before = {name: value.clone() for name, value in clip.state_dict().items()}
    history = learn_prompts(bank, stage, UNTIL_THEY_FIT, np.random.default_rng(0), ignore)
    assert len(history) == UNTIL_THEY_FIT.epochs
    assert history[-1]["loss"] < history[0]["loss"] - 1
    assert history[-1]["accuracy_visible"] > 0.9
    assert history[-1]["accuracy_infrared"] > 0.9
    assert all(torch.equal(value, before[name]) for name, value in clip.state_dict().items())


@pytest.mark.parametrize("scale", [14.0, None])
def test_positives_of_the_own_modality_give_the_slow_twins_loss(bank, stage, scale):
    still = dataclasses.replace(UNTIL_THEY_FIT, epochs=1, batch=12, scale=scale, learning_rate=1e-12)
    pairs = paired_batches(stage.visible_labels, stage.infrared_labels, still.batch, np.random.default_rng(4))
    told, losses = describe_all(bank), []
    for visible, infrared in pairs:
        labels = stage.visible_labels[visible].tolist()
        images = [*stage.visible[visible].tolist(), *stage.infrared[infrared].tolist()]
        texts = [*told[0][labels].tolist(), *told[1][labels].tolist()]
        modalities = ["visible"] * still.batch + ["infrared"] * still.batch
        losses.append(contrast_of_own_modality(images, texts, labels * 2, modalities, scale))
    assert len(losses) == 2
    (row,) = learn_prompts(bank, stage, still, np.random.default_rng(4), ignore, own_modality=True)
    assert row["loss"] == pytest.approx(np.mean(losses), abs=1e-4)


def test_descriptions_differ_between_the_modalities_where_only_their_own_images_are_positives(clip, stage):
    def cosine(own_modality):
        make = dict(tokens=4, template="A photo of a {} person.", generator=torch.Generator().manual_seed(0))
        bank = PromptBank(TextTower(clip), banks=2, identities=6, **make)
        given = (bank, stage, UNTIL_THEY_FIT, np.random.default_rng(0), ignore)
        history = learn_prompts(*given, own_modality=own_modality)
        assert min(history[-1][f"accuracy_{name}"] for name in ("visible", "infrared")) > 0.9
        return torch.cosine_similarity(*describe_all(bank)).mean().item()

    assert cosine(own_modality=True) < cosine(own_modality=False) - 0.3


def test_learning_is_repeatable(clip, stage):
    def run():
        make = dict(tokens=2, template="A {} person.", generator=torch.Generator().manual_seed(1))
        bank = PromptBank(TextTower(clip), banks=1, identities=6, **make)
        learn_prompts(bank, stage, stage_one_optimization(Prompts(epochs=2, batch=8)), np.random.default_rng(3), ignore)
        return bank.contexts

    assert torch.equal(run(), run())


def test_a_loss_that_is_not_finite_stops_the_stage(bank, stage):
    stage.visible[0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match=r"loss contrastive is nan at step \d+, learning rate 0.0\d+; lower"):
        learn_prompts(bank, stage, UNTIL_THEY_FIT, np.random.default_rng(0), ignore)


def test_captions_become_the_mean_of_their_text_features(clip):
    tower = TextTower(clip)
    before = state(tower)
    one, two = "a photo of a tall man wearing a red coat.", "a photo of a woman with a bag."
    texts = describe_by_captions(tower, [[one], [one, two]], CPU)
    single = describe_by_captions(tower, [[two]], CPU)[0]
    torch.testing.assert_close(texts[1], (texts[0] + single) / 2)
    assert_untouched(tower, before)


def test_fixed_pairs_are_what_is_learned_from(bank, stage):
    """Against pairs that are drawn anew: each step sees the images at the same positions of both modalities."""
    labels, once = stage.visible_labels, dataclasses.replace(UNTIL_THEY_FIT, epochs=1, batch=12, learning_rate=1e-12)
    aligned = [np.flatnonzero(stage.infrared_labels == label)[0] for label in labels]
    paired = stage._replace(infrared=stage.infrared[aligned], infrared_labels=labels)
    told, losses = describe_all(bank), []
    for positions in np.split(np.random.default_rng(4).permutation(len(labels)), range(12, len(labels), 12)):
        images = torch.cat([paired.visible[positions], paired.infrared[positions]])
        texts, persons = torch.cat([text[labels[positions]] for text in told]), torch.from_numpy(labels[positions])
        images, texts = (torch.nn.functional.normalize(each, dim=1) for each in (images, texts))
        scale = UNTIL_THEY_FIT.scale
        losses.append(symmetric_contrastive_loss(images, texts, persons.repeat(2), temperature=1 / scale).item())
    (row,) = learn_prompts(bank, paired, once, np.random.default_rng(4), ignore, fixed_pairs=True)
    assert row["loss"] == pytest.approx(np.mean(losses), abs=1e-4)
