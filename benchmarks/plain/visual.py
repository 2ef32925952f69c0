"""Stage 2 and embedding as the structure of the authors' code implies them."""

import copy
import functools

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.plain.losses import modality_shared, weighted_triplet


class PlainAttentionPool(nn.Module):
    """CLIP's attention pool: every position is projected and queries all others; the first token's answer is kept."""

    def __init__(self, pool):
        super().__init__()
        self.positional_embedding = nn.Parameter(pool.positional_embedding.detach().clone())
        self.q_proj, self.k_proj, self.v_proj, self.c_proj = (
            copy.deepcopy(part) for part in (pool.q_proj, pool.k_proj, pool.v_proj, pool.c_proj)
        )
        self.num_heads = pool.num_heads

    def forward(self, maps):
        """Map (N, C, h, w) -> (N, embed)."""
        x = maps.flatten(2).permute(2, 0, 1)
        x = torch.cat([x.mean(0, keepdim=True), x], dim=0)
        x = x + self.positional_embedding[:, None]
        x, _ = F.multi_head_attention_forward(
            query=x,
            key=x,
            value=x,
            embed_dim_to_check=x.shape[-1],
            num_heads=self.num_heads,
            q_proj_weight=self.q_proj.weight,
            k_proj_weight=self.k_proj.weight,
            v_proj_weight=self.v_proj.weight,
            in_proj_weight=None,
            in_proj_bias=torch.cat([self.q_proj.bias, self.k_proj.bias, self.v_proj.bias]),
            bias_k=None,
            bias_v=None,
            add_zero_attn=False,
            dropout_p=0.0,
            out_proj_weight=self.c_proj.weight,
            out_proj_bias=self.c_proj.bias,
            use_separate_proj_weight=True,
            training=self.training,
            need_weights=False,
        )
        return x[0]


class PlainGeM(nn.Module):
    """Generalised mean by powers."""

    def __init__(self, pooling):
        super().__init__()
        self.p = nn.Parameter(pooling.p.detach().clone())
        self.eps = pooling.eps

    def forward(self, maps):
        """Map (N, C, h, w) -> (N, C)."""
        powers = maps.flatten(2).clamp(min=self.eps).pow(self.p)
        return powers.mean(2).pow(1 / self.p)


def plain_network(network):
    """A copy of a network with plain pools and convolutions, in PyTorch's default memory format."""
    network = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            part.forward = functools.partial(nn.Conv2d.forward, part)  # 1 x 1 convolutions as convolutions
    network.backbone.attention_pool = PlainAttentionPool(network.backbone.attention_pool)
    network.pooling = PlainGeM(network.pooling)
    return network


def plain_optimizer(optimizer):
    """The same optimiser, updating one parameter after another."""
    for group in optimizer.param_groups:
        group.update(fused=False, foreach=False)
    return optimizer


def visual_step(network, optimizer, batch, texts, weights):
    """One step on a batch (first visible views, second visible views, infrared); returns the loss."""
    visible, infrared, labels = (part.contiguous() for part in batch)
    count = len(labels)
    everyone = labels.repeat(3)
    features = network(visible, infrared)
    projected = features.projected
    loss = 0.0
    for feature, logits in zip(features, network.classify(features), strict=True):
        loss = loss + weights["identity"] * F.cross_entropy(logits, everyone)
        loss = loss + weights["modality_shared"] * modality_shared(feature[:count], feature[2 * count :], labels)
        loss = loss + weights["triplet"] * weighted_triplet(feature, everyone)
    loss = loss + weights["semantic_visible"] * F.cross_entropy(projected[:count] @ texts.T, labels)
    loss = loss + weights["semantic_infrared"] * F.cross_entropy(projected[2 * count :] @ texts.T, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@torch.no_grad()
def embed(network, images, infrared, batch, normalize):
    """Descriptors of uint8 images (N, H, W, 3) of one modality and of their mirror images."""
    network.eval()
    out = []
    for start in range(0, len(images), batch):
        part = normalize(torch.from_numpy(images[start : start + batch])).contiguous()
        nothing = part[:0]
        sides = []
        for seen in (part, part.flip(3)):
            pair = (nothing, seen) if infrared else (seen, nothing)
            sides.append(network.describe(network(*pair)))
        out.append(torch.cat(sides, dim=1))
    return torch.cat(out)
