"""Weights from files: every common format can be read, no code in a file runs, and each wrong file has its message."""

import zipfile

import pytest
import torch
from safetensors.torch import save_file

from csdn.config.clip import Clip
from csdn.errors import UserError
from csdn.models.clip_backbone import load_clip, random_clip
from csdn.models.clip_weights import architecture, is_openai, read_state
from helpers.tiny_clip import random_state, register, write_archive

SIZE = (64, 32)


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory):
    register(tmp_path_factory.mktemp("models"))


def saved(state, path):
    state = {key: value.contiguous() for key, value in state.items()}
    if path.suffix == ".safetensors":
        save_file(state, path)
    elif path.stem == "archive":
        write_archive(path, state)
    elif path.stem == "checkpoint":
        torch.save({"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("name", ["tiny-resnet-quickgelu", "tiny-vit-quickgelu"])
@pytest.mark.parametrize("file", ["archive.pt", "state.pt", "checkpoint.pt", "clip.safetensors"])
def test_every_format_gives_the_same_weights(tmp_path, capsys, name, file):
    state = random_state(name)
    path = saved(state, tmp_path / file)
    loaded = load_clip(name, path, SIZE)
    shared = [key for key in loaded.state_dict() if "positional_embedding" not in key or not key.startswith("visual")]
    for key in shared:
        half = state[key].half().float() if state[key].is_floating_point() else state[key]
        wanted = half if file == "archive.pt" else state[key]
        assert torch.equal(loaded.state_dict()[key], wanted), key
    assert loaded.visual.state_dict().keys() == {k[7:] for k in state if k.startswith("visual.")}
    assert is_openai(read_state(path)) == (file == "archive.pt")
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["tiny-resnet", "tiny-vit"])
def test_openais_weights_in_a_model_without_quick_gelu_are_warned_about(tmp_path, capsys, name):
    path = saved(random_state(name), tmp_path / "archive.pt")
    load_clip(name, path, SIZE)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "QuickGELU" in lines[0] and f"set clip.model to {name}-quickgelu" in lines[0]


def test_code_in_a_file_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").write_text, ("ran",))

    path = tmp_path / "clip.pt"
    torch.save({"a": Trap()}, path)
    with pytest.raises(UserError, match="Python objects"):
        read_state(path)
    assert not (tmp_path / "ran").exists()


def test_random_weights_are_those_of_the_seed():
    first, same, other = (random_clip("tiny-vit", SIZE, seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(value, same[key]) for key, value in first.items())
    assert not torch.equal(first["visual.conv1.weight"], other["visual.conv1.weight"])
    before = torch.get_rng_state()
    random_clip("tiny-vit", SIZE)
    assert torch.equal(torch.get_rng_state(), before)


def test_architectures_are_named():
    assert architecture(random_state("tiny-resnet")) == "a ResNet (1-1-1-1 blocks, width 8)"
    assert architecture(random_state("tiny-vit")) == "a vision transformer (2 layers, width 32, patches of 16 pixels)"
    assert architecture({"visual.trunk.x": torch.zeros(1)}) is None


def wrong_files(folder):
    """Every wrong file with a word of its message."""
    state = random_state("tiny-resnet")
    good = saved(state, folder / "state.pt").read_bytes()
    tensors = saved(state, folder / "clip.safetensors").read_bytes()
    first = "visual.layer1.0.conv1.weight"
    bad = state | {first: torch.full_like(state[first], float("nan"))}
    texts = {
        "empty.pt": (b"", "is empty"),
        "pointer.pt": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        "page.pt": (b"<!DOCTYPE html><title>404</title>", "web page"),
        "text.pt": (b"hello", "cannot be read as weights"),
        "cut.pt": (good[:1000], "truncated"),
        "cut.safetensors": (tensors[:-100], "truncated"),
        "text.safetensors": (b"hello", "truncated or not a safetensors"),
    }
    for name, (content, _) in texts.items():
        (folder / name).write_bytes(content)
    states = {
        "vit.pt": (random_state("tiny-vit"), "is a vision transformer .* but clip.model tiny-resnet is a ResNet"),
        "wide.pt": (random_state("tiny-wide-resnet"), "width 16.* is a ResNet .*width 8"),
        "visual.pt": ({k: v for k, v in state.items() if k.startswith("visual.")}, "lacks .* text tower"),
        "short.pt": (state | {"positional_embedding": torch.zeros(7, 16)}, r"of shape \(7, 16\), but .* \(40, 16\)"),
        "nan.pt": (bad, f"values in {first} that are not finite"),
        "encoder.pt": ({"backbone.visible_stem.conv1.weight": torch.zeros(1)}, "train-encoder"),
        "transformers.pt": ({"vision_model.embeddings.class_embedding": torch.zeros(1)}, "Hugging Face"),
        "imagenet.pt": ({"conv1.weight": torch.zeros(1), "layer1.0.conv1.weight": torch.zeros(1)}, "text tower"),
        "other.pt": ({"a": torch.zeros(1)}, "no CLIP image tower"),
        "list.pt": ([torch.zeros(1)], "not a state dict"),
    }
    for name, (content, _) in states.items():
        torch.save(content, folder / name)
    with zipfile.ZipFile(folder / "photos.pt", "w") as archive:
        archive.writestr("photo.jpg", b"")
    more = {
        "missing.pt": ("", "no such file"),
        ".": ("", "cannot be read"),
        "photos.pt": ("", "cannot be read as weights"),
    }
    return {name: word for name, (_, word) in (texts | states | more).items()}


def test_each_wrong_file_has_a_message_of_its_own(tmp_path):
    messages = []
    for name, word in wrong_files(tmp_path).items():
        with pytest.raises(UserError, match=word) as caught:
            load_clip("tiny-resnet", tmp_path / name, SIZE)
        messages.append(str(caught.value).replace(f"{tmp_path}/{name}", ""))
        assert len(str(caught.value).splitlines()) == 1
    assert len(set(messages)) == len(messages)


@pytest.mark.parametrize(
    ("model", "size", "word"),
    [
        ("RN51", SIZE, "open_clip has no model 'RN51'"),
        ("ViT-B-16-SigLIP", SIZE, "text tower other than CLIP's own"),
        ("convnext_base", SIZE, "neither CLIP's ResNet nor its transformer"),
        ("tiny-vit", (72, 32), "72x32 is not a multiple of 16x16"),
        ("tiny-resnet", (64, 40), "64x40 is not a multiple"),
    ],
)
def test_models_that_do_not_fit_are_refused(model, size, word):
    for make in (random_clip, lambda *what: load_clip(what[0], "openai", what[1])):
        with pytest.raises(UserError, match=word):
            make(model, size)


@pytest.mark.parametrize("architecture", ["RN50-quickgelu", Clip().architecture])
def test_weights_that_are_neither_a_file_nor_a_tag_are_refused(architecture):
    with pytest.raises(UserError, match=r"'nonsense' is not a file, nor a tag of (RN50-quickgelu|mini); its tags: "):
        load_clip(architecture, "nonsense", SIZE)
