"""A network takes images of another size: its positions are resampled where it has some."""

from __future__ import annotations

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from headswap.heads.resize import take_size
from headswap.zoos.catalogue import build_network


def test_a_transformer_for_518_px_takes_224_with_a_position_for_each_patch() -> None:
    module = build_network("timm/vit_small_patch14_dinov2", device="meta").module
    assert module.pos_embed.shape == (1, 1 + 37 * 37, 384)

    assert take_size(module, (3, 224, 224))

    assert module.pos_embed.shape == (1, 1 + 16 * 16, 384)
    assert module(torch.empty(2, 3, 224, 224, device="meta")).shape == (2, 1000)


def test_positions_are_resampled_from_those_that_were_there() -> None:
    module = VisionTransformer(img_size=80, patch_size=8, embed_dim=16, depth=1, num_heads=2).eval()
    side, half, patch = 10, 5, 8
    rows = torch.linspace(0, 1, side).repeat_interleave(side)  # how far down each position is
    with torch.no_grad():
        module.pos_embed[:, -side * side :] = rows[None, :, None]

    assert take_size(module, (3, half * patch, half * patch))

    grid = module.pos_embed[0, -half * half :, 0].detach().reshape(half, half)
    assert torch.allclose(grid, grid[:, :1].expand(half, half), atol=1e-5)
    assert (grid.diff(dim=0) > 0.1 / half).all()


def test_a_network_of_one_size_refuses_another() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5))

    assert take_size(module, (3, 8, 8))
    assert not take_size(module, (3, 9, 9))
