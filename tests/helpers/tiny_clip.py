"""Tiny models in open_clip's own registry, files as users have them, and images to train on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pandas as pd
import torch
from open_clip.model import CLIP
from torch import nn

from csdn.artifacts.files import write_parquet
from csdn.config.clip import MiniModel
from csdn.data.image_cache import write_pixels

TEXT = {"context_length": 40, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
RESNET = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 16}
VIT = {"image_size": 64, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16}
MODELS = {
    "tiny-resnet": {"embed_dim": 16, "vision_cfg": RESNET, "text_cfg": TEXT},
    "tiny-resnet-quickgelu": {"embed_dim": 16, "quick_gelu": True, "vision_cfg": RESNET, "text_cfg": TEXT},
    "tiny-wide-resnet": {"embed_dim": 16, "vision_cfg": RESNET | {"width": 16}, "text_cfg": TEXT},
    "tiny-vit": {"embed_dim": 16, "vision_cfg": VIT, "text_cfg": TEXT},
    "tiny-vit-quickgelu": {"embed_dim": 16, "quick_gelu": True, "vision_cfg": VIT, "text_cfg": TEXT},
}


def small_sizes(**sizes: Any) -> dict[str, Any]:
    """Sizes of a CLIP that is smaller than the small one, with some of them changed."""
    tiny = {"width": 8, "head_width": 16, "embed_dim": 16, "text_width": 16}
    return MiniModel(**tiny | sizes).model_dump()


def register(folder: Path) -> None:
    """Make MODELS known to open_clip, as it documents for models of one's own."""
    for name, config in MODELS.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(config))
        open_clip.add_model_config(path)


def random_state(name: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights of a model of open_clip, straight from open_clip's own constructor."""
    torch.manual_seed(seed)
    return CLIP(**open_clip.get_model_config(name)).state_dict()


class _Held(nn.Module):
    """Holds tensors under the dotted names of a state dict, so that a TorchScript archive has them."""

    def __init__(self, state: dict[str, torch.Tensor]) -> None:
        super().__init__()
        inner: dict[str, dict[str, torch.Tensor]] = {}
        for key, value in state.items():
            first, _, rest = key.partition(".")
            if rest:
                inner.setdefault(first, {})[rest] = value
            elif value.is_floating_point():
                self.register_parameter(first, nn.Parameter(value, requires_grad=False))
            else:
                self.register_buffer(first, value)
        for name, part in inner.items():
            self.add_module(name, _Held(part))

    def forward(self) -> None:
        raise RuntimeError("code of the archive was run")


def write_archive(path: Path, state: dict[str, torch.Tensor]) -> None:
    """A TorchScript archive as OpenAI publishes: half precision, three scalars, and a forward nobody must call."""
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    scalars = {
        "input_resolution": torch.tensor(224),
        "context_length": torch.tensor(77),
        "vocab_size": torch.tensor(49408),
    }
    torch.jit.script(_Held(half | scalars)).save(str(path))


def write_images(folder: Path, size: tuple[int, int], *, train: int = 6, test: int = 4, images: int = 3) -> None:
    """index.parquet and cache.npy of made-up people in the SYSU-MM01 layout, four cameras, noise for pixels."""
    rows = [
        (f"cam{camera}/{person:04d}/{number:04d}.jpg", person, camera, "infrared" if camera in (3, 6) else "visible")
        for person in range(1, train + test + 1)
        for camera in (1, 2, 3, 6)
        for number in range(1, images + 1)
    ]
    index = pd.DataFrame(rows, columns=["path", "person_id", "camera_id", "modality"])
    index["subset_default"] = np.where(index["person_id"] <= train, "train", "test")
    write_parquet(folder / "index.parquet", index)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (len(index), *size, 3), dtype=np.uint8)
    write_pixels(folder / "cache.npy", pixels.shape, pixels, index["path"])
