"""The authors' network as their names and docs/method.md tell it, written plainly: a twin to import from."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

WIDTH, HEADS, EMBED = 8, 16, 16  # of the tiny CLIP of `tiny_jobs`: 32 x width channels, in heads of 16
CHANNELS = 32 * WIDTH


def _stem() -> nn.Sequential:
    conv1, conv2 = nn.Conv2d(3, WIDTH // 2, 3, 2, 1, bias=False), nn.Conv2d(WIDTH // 2, WIDTH // 2, 3, 1, 1, bias=False)
    conv3 = nn.Conv2d(WIDTH // 2, WIDTH, 3, 1, 1, bias=False)
    bns = [nn.BatchNorm2d(WIDTH // 2), nn.BatchNorm2d(WIDTH // 2), nn.BatchNorm2d(WIDTH)]
    return nn.Sequential(conv1, bns[0], conv2, bns[1], conv3, bns[2], nn.ReLU(), nn.AvgPool2d(2))


class _Block(nn.Module):
    """Bottleneck of CLIP's ResNets."""

    def __init__(self, inner: int, before: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, inner, 3, padding=1, bias=False), nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, 4 * inner, 1, bias=False), nn.BatchNorm2d(4 * inner)
        self.stride = stride
        self.downsample = nn.Sequential(nn.Conv2d(before, 4 * inner, 1, bias=False), nn.BatchNorm2d(4 * inner))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.avg_pool2d(F.relu(self.bn2(self.conv2(out))), self.stride)
        return F.relu(self.bn3(self.conv3(out)) + self.downsample(F.avg_pool2d(x, self.stride)))


class _AttentionPool(nn.Module):
    def __init__(self, positions: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.randn(positions + 1, CHANNELS) / CHANNELS**0.5)
        self.k_proj, self.q_proj, self.v_proj = (nn.Linear(CHANNELS, CHANNELS) for _ in range(3))
        self.c_proj = nn.Linear(CHANNELS, EMBED)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        x = maps.flatten(2).permute(2, 0, 1)
        x = torch.cat([x.mean(0, keepdim=True), x]) + self.positional_embedding[:, None]
        length, count, _ = x.shape

        def heads(projection: nn.Linear) -> torch.Tensor:
            return projection(x).reshape(length, count, -1, HEADS).permute(1, 2, 0, 3)

        out = F.scaled_dot_product_attention(heads(self.q_proj), heads(self.k_proj), heads(self.v_proj))
        return self.c_proj(out[:, :, 0].reshape(count, CHANNELS))


class _Head(nn.Module):
    def __init__(self, dim: int, identities: int, *, pools: bool) -> None:
        super().__init__()
        if pools:
            self.GEM = nn.Module()
            self.GEM.p = nn.Parameter(torch.full((1,), 2.5))
        self.BN = nn.BatchNorm1d(dim)
        self.classifier = nn.Linear(dim, identities, bias=False)


class AuthorsNetwork(nn.Module):
    """Every tensor that the authors' state dict has, with random values, and the descriptor computed from them."""

    def __init__(self, identities: int, image_size: tuple[int, int]) -> None:
        super().__init__()
        self.image_encoder1, self.image_encoder2 = _stem(), _stem()
        inner, before = [WIDTH * 2**stage for stage in range(4)], WIDTH
        blocks = []
        for stage, width in enumerate(inner):
            blocks.append(nn.Sequential(_Block(width, before, 2 if stage in (1, 2) else 1)))
            before = 4 * width
        self.image_encoder = nn.Sequential(*blocks)
        self.attnpool = _AttentionPool(image_size[0] // 16 * (image_size[1] // 16))
        self.classifier = _Head(CHANNELS, identities, pools=True)
        self.classifier2 = _Head(EMBED, identities, pools=False)
        for name in ("prompt_learner1", "prompt_learner2"):
            prompts = nn.Module()
            prompts.cls_ctx = nn.Parameter(torch.randn(identities, 4, EMBED))
            prompts.register_buffer("token_prefix", torch.randn(1, 5, EMBED))
            prompts.register_buffer("token_suffix", torch.randn(1, 68, EMBED))
            self.add_module(name, prompts)
        self.text_encoder = nn.Module()
        self.text_encoder.ln_final = nn.LayerNorm(EMBED)
        self.attention_fusion = nn.Module()
        for name in ("q", "k", "v", "common"):
            self.attention_fusion.add_module(f"embedding_{name}", nn.Sequential(nn.Linear(EMBED, EMBED)))
        for module in self.modules():  # statistics as after a training
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 2.0)
                module.num_batches_tracked.fill_(7)

    def describe(self, images: torch.Tensor, *, infrared: bool) -> torch.Tensor:
        """Descriptors of normalised images (N, 3, H, W) without the mirrored ones."""
        maps = self.image_encoder((self.image_encoder2 if infrared else self.image_encoder1)(images))
        p = self.classifier.GEM.p
        pooled = self.classifier.BN(maps.clamp(min=1e-6).pow(p).mean((2, 3)).pow(1 / p))
        return torch.cat([F.normalize(pooled, dim=1), F.normalize(self.attnpool(maps), dim=1)], dim=1)


def authors_state(network: AuthorsNetwork) -> dict[str, torch.Tensor]:
    """Its state dict as `torch.nn.DataParallel` saves it, and under CLIP's names of layers."""
    return {f"module.{name}": value.clone() for name, value in network.state_dict().items()}
