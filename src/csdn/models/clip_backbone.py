"""The CLIP that training starts from: open_clip's model, its weights, and its towers adapted to person images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import torch
from open_clip.model import CLIP
from open_clip.modified_resnet import ModifiedResNet
from open_clip.pretrained import download_pretrained, get_pretrained_cfg
from open_clip.transformer import VisionTransformer
from torch import nn

from csdn.config.base import MINI
from csdn.config.clip import Backbone, MiniModel
from csdn.errors import UserError, warn
from csdn.models.clip_weights import is_openai, load_state, read_state
from csdn.models.resnet_tower import STRIDE, TwoStreamResNet, adapt_resnet, resize_attention_pool
from csdn.models.transformer_tower import TwoStreamTransformer, resize_patch_grid
from csdn.seeding import derive_seed

ImageTower = TwoStreamResNet | TwoStreamTransformer
VOCABULARY = 49408  # size of the vocabulary of CLIP's own tokenizer, which encodes the prompts
MEAN_STD = {
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def create_clip(clip: Backbone, image_size: tuple[int, int]) -> CLIP:
    """The CLIP of `clip` with random weights, its image tower already adapted to `image_size` (H, W)."""
    model = _create(clip)
    _adapt(model, image_size, clip.model)
    return model


def load_clip(clip: Backbone, image_size: tuple[int, int], mini_weights: Path | None, *, seed: int = 0) -> CLIP:
    """The CLIP of `clip` with its weights, adapted to `image_size` (H, W), frozen and in evaluation mode.

    Args:
        mini_weights: clip.safetensors of the pre-training step; needed when `clip.weights` is `mini`.
        seed: draws random weights, so that every stage of a run starts from the same network.

    Raises:
        UserError: the model does not exist or its image tower is not supported, `image_size` does not fit it, or the
            weights are missing, damaged or belong to another architecture.
    """
    if clip.weights == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "clip"))
            model = create_clip(clip, image_size)
    elif clip.weights == MINI:
        if mini_weights is None:
            raise UserError("clip.weights: `mini` needs the pre-trained small CLIP; give --clip clip.safetensors")
        model = create_clip(clip, clip.image_size)
        load_state(model, read_state(mini_weights), mini_weights, clip.model)
        resize_attention_pool(model.visual, _fitting(model, image_size, clip.model))
    else:
        _check_weights_name(clip)
        model = _create(clip)
        _fitting(model, image_size, clip.model)  # checked before the weights are read or even downloaded
        _load_file(model, clip)
        _adapt(model, image_size, clip.model)
    return model.eval().requires_grad_(False)


def build_tower(model: CLIP, *, inner_relu: bool = True) -> ImageTower:
    """The image tower of an adapted CLIP with one stem for each modality; it shares the model's other layers.

    Args:
        inner_relu: False restores the stem of the authors' code; a vision transformer has no ReLU there.
    """
    if isinstance(model.visual, VisionTransformer):
        return TwoStreamTransformer(model.visual)
    return TwoStreamResNet(model.visual, inner_relu=inner_relu)


def _create(clip: Backbone) -> CLIP:
    return _create_mini(clip.mini) if clip.model == MINI else _create_named(clip.model)


def _create_mini(mini: MiniModel) -> CLIP:
    """open_clip's CLIP with the small custom configuration; residual branches are active from the start.

    open_clip starts each block's last BN weight at 0, with which a tower this small learns too slowly.
    """
    vision = {"layers": list(mini.layers), "width": mini.width, "image_size": 64, "head_width": mini.head_width}
    text = {
        "context_length": mini.context_length,
        "vocab_size": VOCABULARY,
        "width": mini.text_width,
        "heads": mini.text_heads,
        "layers": mini.text_layers,
    }
    model = CLIP(embed_dim=mini.embed_dim, vision_cfg=vision, text_cfg=text)
    for name, parameter in model.visual.named_parameters():
        if name.startswith("layer") and name.endswith("bn3.weight"):
            nn.init.ones_(parameter)
    return model


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


def _check_weights_name(clip: Backbone) -> None:
    """Raise an error if the weights are neither a file nor a tag of open_clip."""
    tags = open_clip.list_pretrained_tags_by_model(clip.model)
    if not clip.weights_path and clip.model in open_clip.list_models() and clip.weights not in tags:
        known = ", ".join(tags) or "none"
        raise UserError(f"clip.weights: {clip.weights!r} is not a file, nor a tag of {clip.model}; its tags: {known}")


def _load_file(model: CLIP, clip: Backbone) -> None:
    """Load the user's file, or the file of an open_clip tag, into the model of `clip`."""
    path, tagged = Path(clip.weights_path or ""), False
    if not clip.weights_path:
        found = get_pretrained_cfg(clip.model, clip.weights)
        path = Path(download_pretrained(found))  # only tags use the network
        tagged = bool(found.get("quick_gelu"))
    state = read_state(path)
    if (tagged or is_openai(state)) and not _has_quick_gelu(model):
        warn(
            f"clip.model: {clip.weights} are OpenAI's weights, made for QuickGELU, but {clip.model} computes GELU, so "
            f"its features are slightly wrong; set clip.model to {clip.model}-quickgelu"
        )
    load_state(model, state, path, clip.model)


def _has_quick_gelu(model: CLIP) -> bool:
    return any(type(module).__name__ == "QuickGELU" for module in model.transformer.modules())


def _adapt(model: CLIP, image_size: tuple[int, int], name: str) -> None:
    """Adapt the image tower, in place, to `image_size` (H, W)."""
    image_size = _fitting(model, image_size, name)
    if isinstance(model.visual, ModifiedResNet):
        adapt_resnet(model.visual, image_size)
    else:
        resize_patch_grid(model.visual, image_size)


def _fitting(model: CLIP, image_size: tuple[int, int], name: str) -> tuple[int, int]:
    """`image_size`, which the tower must divide evenly, or its positions would not match the pixels."""
    height, width = (STRIDE, STRIDE) if isinstance(model.visual, ModifiedResNet) else model.visual.patch_size
    if image_size[0] % height or image_size[1] % width:
        raise UserError(
            f"image_size: {image_size[0]}x{image_size[1]} is not a multiple of {height}x{width}, the stride of "
            f"clip.model {name}; set datasets.<name>.image_size to a multiple of it"
        )
    return image_size


def normalize_images(images: torch.Tensor, normalization: str = "clip") -> torch.Tensor:
    """uint8 images (N, H, W, 3) -> normalised float images (N, 3, H, W) in channels-last memory."""
    mean, std = (torch.tensor(values, device=images.device) for values in MEAN_STD[normalization])
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)


def as_images(pixels: np.ndarray) -> torch.Tensor:
    """A uint8 array (N, H, W, 3) as a tensor that owns its memory."""
    return torch.from_numpy(np.array(pixels, dtype=np.uint8))
