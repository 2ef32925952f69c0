"""CLIP's towers from open_clip, adapted to person images: stride 16, any height and width, one stem a modality."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import open_clip
import torch
from open_clip.model import CLIP
from open_clip.modified_resnet import ModifiedResNet
from torch import nn

from csdn.artifacts import readable
from csdn.config import Backbone, MiniModel
from csdn.errors import UserError
from csdn.models.attention_pooling import AttentionPooling, resample_positions

STRIDE = 16
MEAN_STD = {
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


class Stem(nn.Module):
    """CLIP ResNets' first layers: three convolutions with BN and ReLU, then 2x2 average pooling (stride 4 in all).

    Args:
        resnet: the open_clip ModifiedResNet whose stem is copied.
        inner_relu: False keeps only the ReLU after the third BN, as the authors' code does.
    """

    def __init__(self, resnet: ModifiedResNet, inner_relu: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = copy.deepcopy(resnet.conv1), copy.deepcopy(resnet.bn1)
        self.conv2, self.bn2 = copy.deepcopy(resnet.conv2), copy.deepcopy(resnet.bn2)
        self.conv3, self.bn3 = copy.deepcopy(resnet.conv3), copy.deepcopy(resnet.bn3)
        self.inner = nn.ReLU(inplace=True) if inner_relu else nn.Identity()
        self.last = nn.ReLU(inplace=True)
        self.pool = nn.AvgPool2d(2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, 3, H, W) -> (N, width, H/4, W/4)."""
        x = self.inner(self.bn1(self.conv1(images)))
        x = self.inner(self.bn2(self.conv2(x)))
        return self.pool(self.last(self.bn3(self.conv3(x))))


class TwoStreamResNet(nn.Module):
    """A CLIP ResNet with one stem a modality and everything after it shared."""

    def __init__(self, resnet: ModifiedResNet, *, inner_relu: bool = True) -> None:
        super().__init__()
        self.visible_stem = Stem(resnet, inner_relu)
        self.infrared_stem = Stem(resnet, inner_relu)
        self.layers = nn.Sequential(resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4)
        self.attention_pool = cast(AttentionPooling, resnet.attnpool)  # adapt_resnet put it there
        self.channels = self.attention_pool.q_proj.in_features
        self.embed_dim = self.attention_pool.c_proj.out_features

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Visible (N, 3, H, W) and infrared (M, 3, H, W), either may be empty -> maps (N + M, C, H/16, W/16)."""
        streams = [(self.visible_stem, visible), (self.infrared_stem, infrared)]
        return self.layers(torch.cat([stem(images) for stem, images in streams if len(images)]))


def create_clip(clip: Backbone, image_size: tuple[int, int]) -> CLIP:
    """The CLIP of `clip` with random weights, its image tower already adapted to `image_size` (H, W)."""
    model = _create(clip)
    adapt_resnet(model.visual, image_size)
    return model


def load_clip(clip: Backbone, image_size: tuple[int, int], mini_weights: Path | None) -> CLIP:
    """The CLIP of `clip` with its weights, adapted to `image_size` (H, W), frozen and in evaluation mode.

    Args:
        mini_weights: clip.safetensors of the pre-training step; needed when `clip.weights` is `mini`.

    Raises:
        UserError: the weights are missing or belong to another architecture.
    """
    if clip.weights == "random":
        model = create_clip(clip, image_size)
    elif clip.weights == "mini":
        if mini_weights is None:
            raise UserError("clip.weights: `mini` needs the pre-trained small CLIP; give --clip clip.safetensors")
        model = create_clip(clip, clip.image_size)
        load_state(model, read_state(mini_weights), mini_weights)
        resize_positions(model.visual, image_size)
    elif clip.weights_path:
        model = _create(clip)
        load_state(model, read_state(Path(clip.weights_path)), Path(clip.weights_path))
        adapt_resnet(model.visual, image_size)
    else:
        model = _create_named(clip.model, clip.weights)
        adapt_resnet(model.visual, image_size)
    return model.eval().requires_grad_(False)


def adapt_resnet(visual: Any, image_size: tuple[int, int]) -> None:
    """Remove an open_clip ModifiedResNet's last stride and give it a single-query pool for `image_size`, in place.

    The pool's weights are kept and its positional embedding is resampled to (H/16, W/16).
    """
    block = visual.layer4[0]
    block.avgpool, block.stride = nn.Identity(), 1
    block.downsample[0] = nn.Identity()
    old = visual.attnpool
    side = int((len(old.positional_embedding) - 1) ** 0.5)
    pool = AttentionPooling(old.q_proj.in_features, old.c_proj.out_features, old.num_heads, (side, side))
    pool.load_state_dict(old.state_dict())
    visual.attnpool = pool
    resize_positions(visual, image_size)


def resize_positions(visual: Any, image_size: tuple[int, int]) -> None:
    """Resample the attention pool's positional embedding to the map of `image_size` (H, W), in place."""
    pool = visual.attnpool
    grid = (image_size[0] // STRIDE, image_size[1] // STRIDE)
    if pool.grid != grid:
        pool.positional_embedding = nn.Parameter(
            resample_positions(pool.positional_embedding.detach(), pool.grid, grid)
        )
        pool.grid = grid


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """A state dict from safetensors, `torch.save`d tensors or an OpenAI TorchScript archive; no code of it runs.

    Raises:
        UserError: the file is missing or holds no state dict.
    """
    with readable(path):
        path.open("rb").close()
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        try:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, ValueError):  # how torch.load refuses a TorchScript archive
            return torch.jit.load(path, map_location="cpu").state_dict()
    except Exception as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path}: holds no CLIP weights that can be read ({first}); give another clip.weights"
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, Mapping) else None
    if not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError(f"{path}: is not a state dict of tensors; give clip.weights as safetensors or a state dict")
    return {key.removeprefix("module."): value for key, value in state.items()}


def load_state(model: CLIP, state: Mapping[str, torch.Tensor], source: Path) -> None:
    """Load `state` into `model`, converting to float32.

    Raises:
        UserError: keys are missing or shapes differ; names the first of them.
    """
    own = model.state_dict()
    extra = {"input_resolution", "context_length", "vocab_size"}  # scalars in OpenAI's archives
    missing = sorted(set(own) - set(state))
    differing = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing or differing:
        what = (
            f"lacks {missing[0]}"
            if missing
            else (
                f"has {differing[0]} of shape {tuple(state[differing[0]].shape)}, not {tuple(own[differing[0]].shape)}"
            )
        )
        raise UserError(
            f"{source}: weights of another architecture than clip.model ({what}); correct clip.model or the file"
        )
    model.load_state_dict(
        {
            key: value.float() if value.is_floating_point() else value
            for key, value in state.items()
            if key in own and key not in extra
        }
    )


def _create(clip: Backbone) -> CLIP:
    return _create_mini(clip.mini) if clip.model == "mini" else _create_named(clip.model)


def _create_mini(mini: MiniModel) -> CLIP:
    """open_clip's CLIP with the small custom configuration; residual branches start open.

    open_clip starts each block's last BN weight at 0; at this size and budget the tower then learns too slowly.
    """
    vision = {"layers": list(mini.layers), "width": mini.width, "image_size": 64, "head_width": mini.head_width}
    text = {
        "context_length": mini.context_length,
        "vocab_size": 49408,
        "width": mini.text_width,
        "heads": mini.text_heads,
        "layers": mini.text_layers,
    }
    model = CLIP(embed_dim=mini.embed_dim, vision_cfg=vision, text_cfg=text)
    for name, parameter in model.visual.named_parameters():
        if name.startswith("layer") and name.endswith("bn3.weight"):
            nn.init.ones_(parameter)
    return model


def _create_named(name: str, tag: str | None = None) -> CLIP:
    if name not in open_clip.list_models():
        raise UserError(
            f"clip.model: open_clip has no model {name!r}; see open_clip.list_models(), e.g. RN50-quickgelu"
        )
    if tag and tag not in open_clip.list_pretrained_tags_by_model(name):
        known = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "none"
        raise UserError(f"clip.weights: {tag!r} is no file and no tag of {name}; its tags: {known}")
    model = open_clip.create_model(name, pretrained=tag)  # a tag is the one thing here that reaches the network
    if not hasattr(model.visual, "layer4"):
        raise UserError(f"clip.model: {name} has no CLIP ResNet image tower; give e.g. RN50-quickgelu")
    return model


def normalize_images(images: torch.Tensor, normalization: str = "clip") -> torch.Tensor:
    """uint8 images (N, H, W, 3) -> normalised float images (N, 3, H, W) in channels-last memory."""
    mean, std = (torch.tensor(values, device=images.device) for values in MEAN_STD[normalization])
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)


def as_images(pixels: np.ndarray) -> torch.Tensor:
    """A uint8 array (N, H, W, 3) as a tensor that owns its memory."""
    return torch.from_numpy(np.array(pixels, dtype=np.uint8))
