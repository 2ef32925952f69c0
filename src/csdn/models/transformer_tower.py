"""CLIP's vision transformers adapted to person images: any height and width, one patch embedding per modality."""

from __future__ import annotations

import copy

import torch
from open_clip.transformer import VisionTransformer
from torch import nn

from csdn.models.attention_pooling import resample_positions


class TwoStreamTransformer(nn.Module):
    """A CLIP vision transformer with one patch embedding for each modality and everything after it shared."""

    def __init__(self, vit: VisionTransformer) -> None:
        super().__init__()
        self.visible_stem, self.infrared_stem = copy.deepcopy(vit.conv1), copy.deepcopy(vit.conv1)
        self.class_embedding, self.positional_embedding = vit.class_embedding, vit.positional_embedding
        self.patch_dropout = vit.patch_dropout
        self.ln_pre, self.transformer, self.ln_post = vit.ln_pre, vit.transformer, vit.ln_post
        self.projection = vit.proj
        self.channels, self.embed_dim = vit.proj.shape

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Visible (N, 3, H, W) and infrared (M, 3, H, W), each possibly empty -> class tokens (N + M, C)."""
        streams = [(self.visible_stem, visible), (self.infrared_stem, infrared)]
        return self.trunk(torch.cat([stem(images) for stem, images in streams if len(images)]))

    def trunk(self, stems: torch.Tensor) -> torch.Tensor:
        """The layers shared by both modalities: patches (N, C, h, w) -> class tokens (N, C) after the final norm."""
        patches = stems.flatten(2).transpose(1, 2)
        first = self.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
        tokens = torch.cat([first, patches], dim=1) + self.positional_embedding
        tokens = self.transformer(self.ln_pre(self.patch_dropout(tokens)))
        return self.ln_post(tokens[:, 0])

    def project(self, tokens: torch.Tensor) -> torch.Tensor:
        """Class tokens (N, C) -> features in CLIP's joint space (N, embed)."""
        return tokens @ self.projection

    def build_pooling(self) -> nn.Module:
        """The module that computes `pooled` (N, C): the class token itself, as there is no map to pool."""
        return nn.Identity()


def resize_patch_grid(visual: VisionTransformer, image_size: tuple[int, int]) -> None:
    """Resample the positional embedding to the patches of `image_size` (H, W), in place; the class token's is kept."""
    height, width = visual.patch_size
    grid = (image_size[0] // height, image_size[1] // width)
    if visual.grid_size != grid:
        positions = visual.positional_embedding.detach()
        visual.positional_embedding = nn.Parameter(resample_positions(positions, visual.grid_size, grid))
        visual.grid_size, visual.image_size = grid, image_size
