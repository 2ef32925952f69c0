"""The trained network of a run: rebuilt from its file alone, and told where the file belongs to other settings."""

import pytest
import torch

from csdn.artifacts.files import write_tensors
from csdn.errors import UserError
from csdn.models.build import build_network, load_encoder
from csdn.models.clip_backbone import create_clip
from helpers.tiny_clip import small_sizes

SIZE, CPU = (32, 16), torch.device("cpu")
KIND = {"inner_relu": True, "classifier_scale": None, "descriptor": "both_necks"}


@pytest.fixture
def trained(tmp_path):
    """A network of three identities, and its file."""
    torch.manual_seed(1)
    heads = {"identities": 3, "generator": torch.Generator().manual_seed(1), **KIND}
    network = build_network(create_clip(small_sizes(), SIZE), **heads).eval()
    state = network.state_dict() | {"person_ids": torch.tensor([4, 7, 9])}
    write_tensors(tmp_path / "encoder.safetensors", state)
    return network, tmp_path / "encoder.safetensors"


def test_it_computes_what_was_trained(trained):
    network, path = trained
    again = load_encoder(path, small_sizes(), SIZE, CPU, **KIND).eval()
    images = torch.randn(2, 3, *SIZE)
    with torch.no_grad():
        one, other = (each.describe(each(images[:1], images[1:])) for each in (network, again))
    torch.testing.assert_close(one, other)
    assert again.pooled_head.weight.shape[0] == 3
    assert again.backbone.visible_stem.conv1.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("sizes", "size"), [({"embed_dim": 32}, SIZE), ({"width": 16}, SIZE), ({}, (64, 32))])
def test_other_settings_are_told_in_one_line(trained, sizes, size):
    with pytest.raises(UserError, match=r"encoder\.safetensors: belongs to other settings \(size mismatch.*train it"):
        load_encoder(trained[1], small_sizes(**sizes), size, CPU, **KIND)
