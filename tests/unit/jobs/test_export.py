"""What is exported computes what the encoder computes, and says what it is."""

import json

import numpy as np
import pytest
import torch

from csdn.cli.main import main
from csdn.errors import UserError
from csdn.models.inference import embed_images
from csdn.search import export
from csdn.search.export import Descriptor, export_encoder
from csdn.search.trained import load_trained


@pytest.mark.parametrize("modality", ["visible", "infrared"])
@pytest.mark.parametrize("flip", [True, False])
def test_a_descriptor_from_raw_pixels_is_that_of_the_evaluation(run, modality, flip):
    trained = load_trained(run.encoder, device="cpu", flip=flip)
    pixels = np.random.default_rng(1).integers(0, 256, (3, *trained.settings.image_size, 3), dtype=np.uint8)
    infrared = np.full(3, modality == "infrared")
    options = dict(batch=3, flip=flip, normalization=trained.settings.fidelity.normalization, device=trained.device)
    expected = embed_images(trained.network, pixels, np.arange(3), infrared, **options)
    with torch.no_grad():
        found = Descriptor(trained, modality)(torch.from_numpy(pixels)).numpy()
    assert found.shape == (3, trained.width)
    assert np.allclose(found, expected, atol=1e-6)
    assert np.allclose(np.linalg.norm(found, axis=1), np.sqrt(4 if flip else 2), atol=1e-5)


@pytest.mark.slow
def test_programs_are_as_the_encoder_and_say_what_they_are(chosen_on_test, tmp_path, capsys):
    onnx = pytest.importorskip("onnx", reason="pip install -c constraints.txt -e '.[export]'")
    onnxruntime = pytest.importorskip("onnxruntime")
    with pytest.raises(SystemExit) as caught:
        main(["export", "--encoder", str(chosen_on_test), "--output", str(tmp_path / "out")])
    assert caught.value.code == 0
    assert capsys.readouterr().out.count("differ from the encoder's by at most") == 4
    trained = load_trained(chosen_on_test, device="cpu")
    for images in (1, 9):
        shape = (images, *trained.settings.image_size, 3)
        pixels = np.random.default_rng(images).integers(0, 256, shape, dtype=np.uint8)
        with torch.no_grad():
            expected = Descriptor(trained, "infrared")(torch.from_numpy(pixels)).numpy()
        session = onnxruntime.InferenceSession(tmp_path / "out/infrared.onnx")
        assert np.allclose(session.run(None, {"images": pixels})[0], expected, atol=1e-5)
    about = {p.key: p.value for p in onnx.load(tmp_path / "out/visible.onnx").metadata_props}
    assert (about["selected_on"], about["modality"], about["variant"]) == ("test", "visible", "init")
    files = {export.METADATA: ""}
    torch.export.load(tmp_path / "out/visible.pt2", extra_files=files)
    assert json.loads(files[export.METADATA]) == {
        k: v for k, v in about.items() if k in json.loads(files[export.METADATA])
    }
    assert json.loads(files[export.METADATA])["selected_on"] == "test"


@pytest.mark.slow
def test_a_program_that_computes_something_else_is_not_written(run, tmp_path, monkeypatch):
    pytest.importorskip("onnx", reason="pip install -c constraints.txt -e '.[export]'")
    monkeypatch.setattr(export, "PARITY", -1.0)
    with pytest.raises(UserError, match="its descriptors differ from the encoder"):
        export_encoder(load_trained(run.encoder, device="cpu"), run.encoder, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
