# SPDX-License-Identifier: Apache-2.0
"""Spatial transformer: one learnable token a body part gathers its own joints in every frame."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.motion.representation import JOINT_DIM, ROOT_DIM
from blender_addon.shared.skeleton import NUM_BODY_JOINTS, joint_index

from .config import MotionTokenizerConfig

_INPUT_TOKENS = NUM_BODY_JOINTS + 1  # the joints, and the root's path
_CARRYING_JOINTS = tuple(joint_index(name) for name in ("pelvis", "left_hip", "right_hip"))


def part_attention_mask(part_joints: tuple[tuple[int, ...], ...], with_path: bool = True) -> Tensor:
    """(P, 23 + P) True where a part token may look: its own joints, and every part token.

    Column 22 is the root's path (yaw, planar velocity, height, contacts): open to the parts that
    move the body through space, those with the pelvis or a hip. A pose has no path: (P, 22 + P).
    """
    parts, inputs = len(part_joints), NUM_BODY_JOINTS + int(with_path)
    mask = torch.zeros(parts, inputs + parts, dtype=torch.bool)
    for p, joints in enumerate(part_joints):
        mask[p, list(joints)] = True
        if with_path:
            mask[p, NUM_BODY_JOINTS] = any(j in _CARRYING_JOINTS for j in joints)
    mask[:, inputs:] = True
    return mask


class PartAttention(nn.Module):
    """One pre-norm transformer layer whose queries are the part tokens alone.

    Joint tokens are keys and values only: nothing reads a joint token but its own part, so
    updating 23 more tokens a frame would cost four times as much for the same output.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.project = nn.Linear(dim, dim)
        self.feed_norm = nn.LayerNorm(dim)
        self.feed = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, parts: Tensor, joints: Tensor, mask: Tensor) -> Tensor:
        """parts (N, P, D), joints (N, 23, D), mask (P, 23 + P) -> (N, P, D)."""
        frames, num_parts, dim = parts.shape
        normed = self.norm(parts)
        q = self.query(normed).view(frames, num_parts, self.heads, -1).transpose(1, 2)
        kv = self.key_value(torch.cat([joints, normed], dim=1))
        k, v = kv.view(frames, -1, 2, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        weights = scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)
        gathered = (weights @ v).transpose(1, 2).reshape(frames, num_parts, dim)
        parts = parts + self.project(gathered)
        return parts + self.feed(self.feed_norm(parts))


class SpatialEncoder(nn.Module):
    """(B, T, 272) normalised features -> (B, T, P, D) one token a part and frame."""

    mask: Tensor

    def __init__(self, config: MotionTokenizerConfig) -> None:
        super().__init__()
        dim = config.token_dim
        # each joint has its own embedding: an elbow's numbers mean something else than a hip's
        self.embed = nn.Parameter(torch.randn(_INPUT_TOKENS, JOINT_DIM, dim) * JOINT_DIM**-0.5)
        self.embed_bias = nn.Parameter(torch.zeros(_INPUT_TOKENS, 1, dim))
        self.part_tokens = nn.Parameter(torch.randn(config.num_parts, dim) * 0.02)
        self.layers = nn.ModuleList(
            PartAttention(dim, config.heads) for _ in range(config.spatial_layers)
        )
        self.register_buffer("mask", part_attention_mask(config.part_joints), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        batch, frames, _ = features.shape
        rows = features.reshape(batch * frames, -1)
        root = F.pad(rows[:, :ROOT_DIM], (0, JOINT_DIM - ROOT_DIM))
        inputs = torch.cat([rows[:, ROOT_DIM:], root], dim=1)
        inputs = inputs.view(-1, _INPUT_TOKENS, JOINT_DIM).transpose(0, 1)
        joints = F.gelu(torch.baddbmm(self.embed_bias, inputs, self.embed)).transpose(0, 1)
        parts = self.part_tokens.expand(batch * frames, -1, -1)
        for layer in self.layers:
            parts = layer(parts, joints, self.mask)
        return parts.view(batch, frames, *parts.shape[1:])
