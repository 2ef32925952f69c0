"""Each of the authors' tensors lands where it belongs, and whatever is not their network is one line."""

from pathlib import Path

import pytest
import torch

from csdn.errors import UserError
from csdn.models.authors_checkpoint import authors_name, import_state, read_checkpoint, trained_identities
from csdn.models.build import build_network
from csdn.models.clip_backbone import random_clip
from helpers.authors_network import AuthorsNetwork, authors_state
from helpers.tiny_clip import small_sizes

SIZE, IDENTITIES = (64, 32), 5
WHERE = {  # a tensor of each kind, by docs/models.md
    "backbone.visible_stem.conv1.weight": "image_encoder1.0.weight",
    "backbone.visible_stem.bn3.running_var": "image_encoder1.5.running_var",
    "backbone.infrared_stem.conv2.weight": "image_encoder2.2.weight",
    "backbone.infrared_stem.bn2.bias": "image_encoder2.3.bias",
    "backbone.layers.0.0.conv1.weight": "image_encoder.0.0.conv1.weight",
    "backbone.layers.3.0.downsample.1.bias": "image_encoder.3.0.downsample.1.bias",
    "backbone.attention_pool.positional_embedding": "attnpool.positional_embedding",
    "backbone.attention_pool.c_proj.bias": "attnpool.c_proj.bias",
    "pooling.p": "classifier.GEM.p",
    "pooled_head.neck.running_mean": "classifier.BN.running_mean",
    "pooled_head.weight": "classifier.classifier.weight",
    "projected_head.neck.num_batches_tracked": "classifier2.BN.num_batches_tracked",
    "projected_head.weight": "classifier2.classifier.weight",
}


def make_network(identities=IDENTITIES, size=SIZE, **sizes):
    heads = {"identities": identities, "classifier_scale": None, "descriptor": "reference"}
    clip, generator = random_clip(small_sizes(**sizes), size), torch.Generator()
    return build_network(clip, inner_relu=False, generator=generator, **heads)


@pytest.fixture
def theirs():
    torch.manual_seed(0)
    return AuthorsNetwork(IDENTITIES, SIZE).eval()


def saved(path, content):
    torch.save(content, path)
    return path


def test_every_tensor_lands_where_it_belongs(theirs, tmp_path):
    state = read_checkpoint(saved(tmp_path / "model_best.pth", authors_state(theirs)))
    network, given = make_network(), theirs.state_dict()
    left_out = import_state(network, state, Path("model_best.pth"))
    own = network.state_dict()
    assert {authors_name(name) for name in own} | {key for key in given if key.split(".")[0] in left_out} == set(given)
    assert all(torch.equal(value, given[authors_name(name)]) for name, value in own.items())
    assert {name: authors_name(name) for name in WHERE} == WHERE
    assert left_out == {"prompt_learner1": 3, "prompt_learner2": 3, "text_encoder": 2, "attention_fusion": 8}
    assert trained_identities(state) == IDENTITIES


def test_the_imported_network_describes_images_as_the_authors_does(theirs):
    network = make_network().eval()
    import_state(network, theirs.state_dict(), Path("x"))
    images = torch.randn(6, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    nothing = images[:0]
    with torch.no_grad():
        ours = network.describe(network(images, nothing)), network.describe(network(nothing, images))
        for got, infrared in zip(ours, (False, True), strict=True):
            torch.testing.assert_close(got, theirs.describe(images, infrared=infrared), atol=1e-5, rtol=0)
    assert not torch.allclose(*ours, atol=1e-3), "the stems would not matter"


def test_half_precision_is_converted(theirs):
    half = {k: v.half() if v.is_floating_point() else v for k, v in theirs.state_dict().items()}
    network = make_network()
    import_state(network, half, Path("x"))
    assert {value.dtype for value in network.state_dict().values()} == {torch.float32, torch.int64}


CONV, ROWS = "image_encoder.2.0.conv2.weight", "attnpool.positional_embedding"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda state: state.pop(CONV), f"lacks 1 of .* first {CONV}; give the whole state dict"),
        (lambda state: state.update(extra=torch.zeros(1)), "has 1 tensors .* first extra; set clip.model"),
        (lambda state: state.update({CONV: torch.zeros(2, 2)}), rf"{CONV} has the shape \(2, 2\).*set clip.model"),
        (lambda state: state.update({ROWS: torch.zeros(163, 256)}), r"\(163, 256\), .*\(9, 256\).*image_size"),
        (lambda state: state[CONV].fill_(torch.nan), f"{CONV} has values that are not finite"),
    ],
)
def test_another_network_is_refused(theirs, change, word):
    state = theirs.state_dict()
    change(state)
    network = make_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(UserError, match=word) as caught:
        import_state(network, state, Path("model_best.pth"))
    assert "\n" not in str(caught.value) and str(caught.value).startswith("model_best.pth: ")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ([torch.zeros(1)], "not a state dict"),
        ({"epoch": 3}, "not a state dict"),
        (torch.nn.Linear(1, 1), "contains Python objects"),
        ({"a": torch.zeros(1)}, "lacks classifier.classifier.weight; give the whole state dict"),
        ({"classifier.classifier.weight": torch.zeros(1)}, "lacks attnpool.positional_embedding"),
        ({"classifier.classifier.weight": torch.zeros(1), ROWS: torch.zeros(1)}, "is not a matrix"),
        (None, "correct the checkpoint's path"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_one_line(tmp_path, content, word):
    path = tmp_path / "model_best.pth"
    if content is not None:
        saved(path, content)
    with pytest.raises(UserError, match=word) as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)
