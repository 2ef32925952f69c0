import pytest
import torch
from torch import nn

from csdn.models.clip_backbone import build_tower, create_clip
from csdn.models.folding import folded
from helpers.tiny_clip import small_sizes

TINY = small_sizes(layers=(2, 1, 1, 1))


@pytest.fixture
def tower():
    """A tower whose batch normalisations all do something."""
    torch.manual_seed(0)
    tower = build_tower(create_clip(TINY, (32, 16))).double().eval()
    for part in tower.modules():
        if isinstance(part, nn.BatchNorm2d):
            for values in (part.weight, part.bias, part.running_mean):
                nn.init.normal_(values)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
    return tower


def test_the_same_maps_without_any_batch_normalisation(tower):
    images = torch.randn(5, 3, 32, 16, dtype=torch.float64)
    lean = folded(tower)
    expected, found = (model(images[:3], images[3:]) for model in (tower, lean))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    assert sum(isinstance(part, nn.BatchNorm2d) for part in tower.modules()) == 2 * 3 + 5 * 3 + 4
    assert not any(isinstance(part, nn.BatchNorm2d) for part in lean.modules())


def test_the_original_is_untouched(tower):
    before = {name: value.clone() for name, value in tower.state_dict().items()}
    tower.train()
    lean = folded(tower)
    assert tower.training
    assert not lean.training
    assert all(torch.equal(value, before[name]) for name, value in tower.state_dict().items())


def test_what_has_no_pairs_is_only_copied():
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1))
    assert [type(part) for part in folded(network)] == [type(part) for part in network]
