"""An encoder is rebuilt from its file and its record; what is not such a file is told before anything is built."""

from types import SimpleNamespace

import pytest

from csdn.artifacts.files import write_json
from csdn.errors import UserError
from csdn.search.trained import TrainedEncoder, load_trained


@pytest.mark.parametrize(("flip", "width"), [(True, 2 * (256 + 16)), (False, 256 + 16)])
def test_a_descriptor_is_pooled_and_projected_features_of_the_image_and_its_mirror(flip, width):
    network = SimpleNamespace(backbone=SimpleNamespace(channels=256, embed_dim=16))
    assert TrainedEncoder(network, None, None, False, flip).width == width


def test_a_file_that_is_not_there_and_one_without_its_record_are_told(tmp_path):
    path = tmp_path / "encoder.safetensors"
    with pytest.raises(UserError, match=r"encoder\.safetensors: no such file; give the encoder\.safetensors of a run"):
        load_trained(path)
    path.touch()
    with pytest.raises(UserError, match=r"encoder\.safetensors\.provenance\.json: no such file; copy the encoder's"):
        load_trained(path)


@pytest.mark.parametrize(
    "content", [{}, {"parameters": {"step": "train_encoders"}}, {"parameters": {"step": "train_encoder"}}]
)
def test_a_record_without_the_settings_of_a_training_is_named(tmp_path, content):
    path = tmp_path / "encoder.safetensors"
    path.touch()
    write_json(f"{path}.provenance.json", content)
    with pytest.raises(
        UserError, match=r"encoder\.safetensors\.provenance\.json: does not tell how to rebuild"
    ) as caught:
        load_trained(path)
    assert len(str(caught.value).splitlines()) == 1
