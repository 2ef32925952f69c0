"""The CLIP that training starts from: open_clip's model, its weights, and its towers adapted to person images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.model import CLIP
from open_clip.modified_resnet import ModifiedResNet
from open_clip.pretrained import download_pretrained, get_pretrained_cfg
from open_clip.transformer import VisionTransformer

from csdn.errors import UserError, warn
from csdn.models.clip_weights import is_openai, load_state, read_state
from csdn.models.resnet_tower import STRIDE, TwoStreamResNet, adapt_resnet, resize_attention_pool
from csdn.models.small_clip import VOCABULARY, create_small_clip, with_unknown_words
from csdn.models.transformer_tower import TwoStreamTransformer, resize_patch_grid
from csdn.seeding import derive_seed

Size = tuple[int, int]  # (H, W)
ImageTower = TwoStreamResNet | TwoStreamTransformer
Architecture = str | Mapping[str, Any]
"""A model of open_clip by its name, or the sizes of the small CLIP (see `create_small_clip`)."""
MEAN_STD = {
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def create_clip(architecture: Architecture, image_size: Size) -> CLIP:
    """A CLIP with random weights, its image tower already adapted to `image_size` (H, W).

    Raises:
        UserError: the model does not exist, its towers are not supported, or `image_size` does not fit it.
    """
    model = _create(architecture)
    _adapt(model, image_size, architecture)
    return model


def random_clip(architecture: Architecture, image_size: Size, *, seed: int = 0) -> CLIP:
    """`create_clip` with the weights of `seed`, so that every stage of a run starts from the same network; frozen."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "clip"))
        return _frozen(create_clip(architecture, image_size))


def load_small_clip(sizes: Mapping[str, Any], path: Path, image_size: Size, *, trained_size: Size) -> CLIP:
    """The small CLIP that was pre-trained at `trained_size` and saved in `path`, adapted to `image_size`; frozen.

    Raises:
        UserError: `image_size` does not fit it, or the weights are missing, damaged or of other sizes.
    """
    model = create_clip(sizes, trained_size)
    load_state(model, with_unknown_words(read_state(path)), path, _name(sizes), may_lack_words=True)
    resize_attention_pool(model.visual, _fitting(model, image_size, sizes))
    return _frozen(model)


def load_clip(architecture: Architecture, weights: Path | str, image_size: Size) -> CLIP:
    """A CLIP with the weights of a file or, if `weights` is no path, of a tag of open_clip; adapted and frozen.

    Raises:
        UserError: the model does not exist or its image tower is not supported, `image_size` does not fit it, or the
            weights are missing, damaged or belong to another architecture.
    """
    model = _create(architecture)
    _fitting(model, image_size, architecture)  # checked before the weights are read or even downloaded
    _load_file(model, weights, _name(architecture))
    _adapt(model, image_size, architecture)
    return _frozen(model)


def build_tower(model: CLIP, *, inner_relu: bool = True) -> ImageTower:
    """The image tower of an adapted CLIP with one stem for each modality; it shares the model's other layers.

    Args:
        inner_relu: False restores the stem of the authors' code; a vision transformer has no ReLU there.
    """
    if isinstance(model.visual, VisionTransformer):
        return TwoStreamTransformer(model.visual)
    return TwoStreamResNet(model.visual, inner_relu=inner_relu)


def _create(architecture: Architecture) -> CLIP:
    return _create_named(architecture) if isinstance(architecture, str) else create_small_clip(**architecture)


def _create_named(name: str) -> CLIP:
    """A model of open_clip with random weights; built here because open_clip's factory downloads parts of some."""
    config = open_clip.get_model_config(name)
    if config is None:
        raise UserError(
            f"clip.model: open_clip has no model {name!r}; see open_clip.list_models(), e.g. RN50-quickgelu"
        )
    text = config["text_cfg"]
    plain = set(text) <= {"context_length", "vocab_size", "width", "heads", "layers"}
    if config.get("custom_text") or not plain or text.get("vocab_size", VOCABULARY) != VOCABULARY:
        raise UserError(f"clip.model: {name} has a text tower other than CLIP's own; give e.g. RN50-quickgelu")
    vision = config["vision_cfg"]
    if {"timm_model_name", "attentional_pool", "pool_type"} & set(vision):
        raise UserError(f"clip.model: {name} has neither CLIP's ResNet nor its transformer; give e.g. RN50-quickgelu")
    return CLIP(**config)


def _load_file(model: CLIP, weights: Path | str, name: str) -> None:
    """Load a file, or the file of a tag of open_clip, into the model `name`."""
    path, tagged = Path(weights), False
    if isinstance(weights, str):
        found = _find_tag(weights, name)
        path = Path(download_pretrained(found))  # only tags use the network
        tagged = bool(found.get("quick_gelu"))
    state = read_state(path)
    if (tagged or is_openai(state)) and not _has_quick_gelu(model):
        warn(
            f"clip.model: {weights} are OpenAI's weights, made for QuickGELU, but {name} computes GELU, so its "
            f"features are slightly wrong; set clip.model to {name}-quickgelu"
        )
    load_state(model, state, path, name)


def _find_tag(tag: str, name: str) -> dict[str, Any]:
    """What open_clip knows of the weights with this tag."""
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag not in tags:
        known = ", ".join(tags) or "none"
        raise UserError(f"clip.weights: {tag!r} is not a file, nor a tag of {name}; its tags: {known}")
    return get_pretrained_cfg(name, tag)


def _has_quick_gelu(model: CLIP) -> bool:
    return any(type(module).__name__ == "QuickGELU" for module in model.transformer.modules())


def _name(architecture: Architecture) -> str:
    """How `clip.model` calls it, for messages."""
    return architecture if isinstance(architecture, str) else "mini"


def _frozen(model: CLIP) -> CLIP:
    return model.eval().requires_grad_(False)


def _adapt(model: CLIP, image_size: Size, architecture: Architecture) -> None:
    """Adapt the image tower, in place, to `image_size` (H, W)."""
    image_size = _fitting(model, image_size, architecture)
    if isinstance(model.visual, ModifiedResNet):
        adapt_resnet(model.visual, image_size)
    else:
        resize_patch_grid(model.visual, image_size)


def _fitting(model: CLIP, image_size: Size, architecture: Architecture) -> Size:
    """`image_size`, which the tower must divide evenly, or its positions would not match the pixels."""
    height, width = (STRIDE, STRIDE) if isinstance(model.visual, ModifiedResNet) else model.visual.patch_size
    if image_size[0] % height or image_size[1] % width:
        raise UserError(
            f"image_size: {image_size[0]}x{image_size[1]} is not a multiple of {height}x{width}, the stride of "
            f"clip.model {_name(architecture)}; set datasets.<name>.image_size to a multiple of it"
        )
    return image_size


def normalize_images(images: torch.Tensor, normalization: str = "clip") -> torch.Tensor:
    """uint8 images (N, H, W, 3) -> normalised float images (N, 3, H, W) in channels-last memory."""
    mean, std = (torch.tensor(values, device=images.device) for values in MEAN_STD[normalization])
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)


def as_images(pixels: np.ndarray) -> torch.Tensor:
    """A uint8 array (N, H, W, 3) as a tensor that owns its memory."""
    return torch.from_numpy(np.array(pixels, dtype=np.uint8))
