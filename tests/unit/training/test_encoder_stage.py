"""Stage 2: every term and every switch of the loss, the optimiser's groups, and real training steps."""

import copy

import numpy as np
import pytest
import torch

from csdn.config.encoder import Encoder, LossWeights
from csdn.config.fidelity import Fidelity
from csdn.jobs.unpacking import encoder_arguments
from csdn.losses import identity_loss, modality_shared_enhancement_loss, weighted_regularization_triplet_loss
from csdn.models.reid_network import Features
from csdn.training import encoder_stage
from csdn.training.batches import augmented_batches
from csdn.training.encoder_stage import (
    Descriptions,
    Validation,
    build_optimizer,
    loss_terms,
    permute_descriptions,
    train_encoder,
)

CPU = torch.device("cpu")
SETTINGS = Encoder(
    epochs=3,
    identities=3,
    images=2,
    learning_rate=1e-3,
    schedule="cosine",
    warmup_epochs=0,
    semantic_logits="cosine",
)


def how(fidelity=None, **changes):
    """Batching, loss and optimization of SETTINGS with some values changed."""
    return encoder_arguments(SETTINGS.model_copy(update=changes), fidelity or Fidelity())


def ignore(row):
    """An on_epoch that does nothing."""


def descriptions(seed=0):
    texts = torch.randn(6, 16, generator=torch.Generator().manual_seed(seed))
    return Descriptions(texts, texts)


def test_training_lowers_every_loss_and_moves_every_trained_part(network, images):
    before = {name: value.clone() for name, value in network.named_parameters()}
    history = train_encoder(network, images, descriptions(), *how(epochs=12), np.random.default_rng(0), CPU, ignore)
    assert [row["epoch"] for row in history] == list(range(12))
    for name in ("identity", "semantic_visible", "semantic_infrared", "loss"):
        assert history[-1][name] < history[0][name], name
    still = [name for name, value in network.named_parameters() if torch.equal(value, before[name])]
    # a key bias shifts all scores of a softmax alike: it cannot have a gradient
    assert still == ["backbone.attention_pool.k_proj.bias"]


def test_training_is_repeatable(network, images):
    def run():
        own = copy.deepcopy(network)
        train_encoder(own, images, None, *how(), np.random.default_rng(5), CPU, ignore)
        return own.state_dict()

    first, second = run(), run()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_the_scale_of_raw_distances_is_logged_and_changes_no_weight(network, images, monkeypatch):
    def run(changed=False):
        own = copy.deepcopy(network)
        with monkeypatch.context() as patch:
            if changed:
                patch.setattr(encoder_stage, "mean_distance", lambda features: torch.tensor(7.0))
            history = train_encoder(own, images, None, *how(), np.random.default_rng(5), CPU, ignore)
        return own.state_dict(), history

    (first, logged), (second, given) = run(), run(changed=True)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    for name in ("distance_pooled", "distance_projected"):
        assert all(0 < row[name] != 7 for row in logged) and all(row[name] == 7 for row in given)
    assert [row["triplet"] for row in logged] == [row["triplet"] for row in given]


def test_terms_are_those_of_the_method(network):
    count = 6
    labels = torch.arange(3).repeat_interleave(2)
    generator = torch.Generator().manual_seed(0)
    features = Features(
        torch.rand(3 * count, network.backbone.channels, generator=generator),
        torch.randn(3 * count, 16, generator=generator),
    )
    network.eval()
    terms = loss_terms(network, features, labels, descriptions(), how()[1])
    everyone = labels.repeat(3)
    logits = network.classify(features)
    expected = {
        "identity": identity_loss(logits[0], everyone) + identity_loss(logits[1], everyone),
        "modality_shared": sum(modality_shared_enhancement_loss(f[:count], f[-count:], labels) for f in features),
        "triplet": sum(weighted_regularization_triplet_loss(f, everyone) for f in features),
    }
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(value.item(), rel=1e-6), name
    assert set(terms) - set(expected) == {"semantic_visible", "semantic_infrared"}


def test_without_descriptions_there_is_no_semantic_term(network):
    labels = torch.arange(3).repeat_interleave(2)
    features = Features(torch.rand(18, network.backbone.channels), torch.randn(18, 16))
    assert set(loss_terms(network, features, labels, None, how()[1])) == {
        "identity",
        "modality_shared",
        "triplet",
    }


def test_each_modality_is_pulled_to_its_own_text(network):
    """Without fusion the two texts differ: changing the infrared ones must change the infrared term alone."""
    labels = torch.arange(3).repeat_interleave(2)
    features = Features(torch.rand(18, network.backbone.channels), torch.randn(18, 16))
    one = descriptions(0)
    two = Descriptions(one.visible, descriptions(1).infrared)
    a, b = (loss_terms(network, features, labels, texts, how()[1]) for texts in (one, two))
    assert a["semantic_visible"] == b["semantic_visible"]
    assert a["semantic_infrared"] != b["semantic_infrared"]


def test_a_zero_weight_silences_its_term(network, images):
    weights = LossWeights(identity=0, modality_shared=0, triplet=0, semantic_visible=0, semantic_infrared=0)
    given = how(weights=weights, weight_decay=0.0, epochs=1)
    before = {name: value.clone() for name, value in network.named_parameters()}
    train_encoder(network, images, descriptions(), *given, np.random.default_rng(0), CPU, ignore)
    assert all(torch.equal(value, before[name]) for name, value in network.named_parameters())


def test_optimizer_groups(network):
    def group_of(parameter, optimizer):
        for group in optimizer.param_groups:
            if any(parameter is other for other in group["params"]):
                return group["factor"], group["weight_decay"] > 0
        raise AssertionError("not optimised")

    values = {"head_learning_rate_factor": 2.0, "weight_decay": 5e-4}
    sound = build_optimizer(network, how(**values)[2])
    assert group_of(network.pooled_head.weight, sound) == (2.0, True)
    assert group_of(network.pooled_head.neck.weight, sound) == (1.0, False)
    assert group_of(network.pooling.p, sound) == (1.0, False)
    assert group_of(network.backbone.visible_stem.conv1.weight, sound) == (1.0, True)
    reference = build_optimizer(network, how(Fidelity(decay_everything=True), **values)[2])
    assert group_of(network.pooled_head.neck.weight, reference) == (2.0, True)
    assert group_of(network.pooling.p, reference) == (2.0, True)


def test_batches_line_up_with_their_labels(images):
    batching, *_ = how(augmentation=SETTINGS.augmentation.model_copy(update={"padding": 0}))
    batches = list(augmented_batches(images, batching, np.random.default_rng(0)))
    assert len(batches) == 24 // 6 + 1
    for batch in batches:
        assert batch.visible.shape == (12, 3, 32, 16)
        assert batch.infrared.shape == (6, 3, 32, 16)
        assert batch.labels.tolist() == sorted(batch.labels.tolist(), key=batch.labels.tolist().index)
        exchanged = batch.visible[6:]
        assert torch.equal(exchanged[:, 0], exchanged[:, 1])


def test_permuted_descriptions_are_all_wrong_and_all_there():
    texts = Descriptions(torch.arange(7.0)[:, None], 10 + torch.arange(7.0)[:, None])
    permuted = permute_descriptions(texts, np.random.default_rng(0))
    assert (permuted.visible != texts.visible).all()
    assert sorted(permuted.visible.flatten().tolist()) == list(range(7))
    assert torch.equal(permuted.infrared, permuted.visible + 10)


def test_validation_joins_the_history_and_selects_the_best(network, images):
    scores = iter([0.2, 0.9, 0.1])
    states = []

    def validate(net):
        states.append({name: value.clone() for name, value in net.state_dict().items()})
        return {"validation_map": next(scores)}

    validation = Validation(validate, 1, "validation_map")
    history = train_encoder(network, images, None, *how(), np.random.default_rng(0), CPU, ignore, validation)
    assert [row["validation_map"] for row in history] == [0.2, 0.9, 0.1]
    assert all(torch.equal(value, states[1][name]) for name, value in network.state_dict().items())


def test_a_loss_that_is_not_finite_names_step_and_term(network, images):
    network.pooled_head.weight.data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match=r"loss identity is nan at step 0, learning rate"):
        train_encoder(network, images, None, *how(), np.random.default_rng(0), CPU, ignore)


def test_unit_metric_features_ignore_the_length_of_features(network):
    labels = torch.arange(3).repeat_interleave(2)
    features = Features(torch.rand(18, network.backbone.channels), torch.randn(18, 16))
    longer = Features(*(7 * feature for feature in features))
    for kind, alike in (("raw", False), ("unit", True)):
        loss = how(metric_features=kind)[1]
        a, b = (loss_terms(network, f, labels, None, loss) for f in (features, longer))
        for name in ("triplet", "modality_shared"):
            assert torch.allclose(a[name], b[name], rtol=1e-4) is alike, (kind, name)
