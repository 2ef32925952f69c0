"""Images of stage 1: each once in evaluation mode, or as the authors' code draws and normalises them."""

import numpy as np
import pytest
import torch

from csdn.models.clip_backbone import build_tower
from csdn.training.stage_one_images import count_images, sampler_pass, shuffled_pass, stage_one_images
from helpers.trainings import BY_DEFAULT, CPU, assert_untouched, ignore, state


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("sampled", [False, True])
def test_embedding_for_stage_one_changes_no_statistics(clip, images, sampled, training):
    backbone = build_tower(clip)
    before = state(backbone)
    how = BY_DEFAULT | {"sampled": sampled, "training": training}
    seen = []
    made = stage_one_images(backbone, images, np.random.default_rng(0), CPU, seen.append, **how)
    assert_untouched(backbone, before)
    assert sum(seen) == count_images(images, sampled=sampled) == len(made.visible) + len(made.infrared)
    assert len(made.visible) == len(made.visible_labels)
    assert not made.visible.requires_grad


def test_by_default_every_image_is_embedded_once_in_evaluation_mode(clip, images, embedded):
    """The draws of the sampler hold the same feature for the same image, but not each image once."""
    backbone = build_tower(clip)
    how = BY_DEFAULT | {"sampled": True}
    drawn = stage_one_images(backbone, images, np.random.default_rng(3), CPU, ignore, **how)
    passes = list(sampler_pass(images, np.random.default_rng(3)))
    for name, side in zip(("visible", "infrared"), zip(*passes, strict=True), strict=True):
        positions = np.concatenate(side)
        assert len(np.unique(positions)) < 24, "misses"
        np.testing.assert_array_equal(getattr(drawn, f"{name}_labels"), getattr(images, name).labels[positions])
        torch.testing.assert_close(getattr(drawn, name), getattr(embedded, name)[positions])
    assert np.array_equal(embedded.visible_labels, images.visible.labels)


def test_training_mode_normalises_with_each_batch_of_one_modality(clip, images, embedded):
    backbone = build_tower(clip)
    how = BY_DEFAULT | {"training": True}
    made = stage_one_images(backbone, images, np.random.default_rng(3), CPU, ignore, **how)
    ((visible, infrared),) = shuffled_pass(images, np.random.default_rng(3))
    assert sorted(visible) == sorted(infrared) == list(range(24))
    assert not torch.allclose(made.visible, embedded.visible[visible], atol=1e-3)
    again = stage_one_images(backbone, images, np.random.default_rng(3), CPU, ignore, **how)
    assert torch.equal(made.infrared, again.infrared)
