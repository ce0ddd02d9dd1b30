# SPDX-License-Identifier: Apache-2.0
"""Sampling poses: the codes of the five parts from one state of the language model."""

import torch
from torch import Tensor

from .decoding import SamplingOptions, draw
from .hmvlm import Hmvlm


@torch.inference_mode()
def draw_poses(
    model: Hmvlm, states: Tensor, options: SamplingOptions, seed: int = 0, samples: int = 1
) -> Tensor:
    """States (B, D) of `Hmvlm.pose_states` -> codes (B, samples, P).

    The first of a row is the likeliest part by part, the others are drawn; a row's draws depend on
    the seed and its place in the batch. Raises AssetError for weights that read no pictures.
    """
    _, head = model.seeing()
    spread = states.repeat_interleave(samples, dim=0)
    generators = [torch.Generator().manual_seed(seed + index) for index in range(len(states))]
    chosen = torch.zeros_like(spread)
    greedy = SamplingOptions(temperature=0.0)
    out = []
    for part in range(head.parts):
        logits = head.part_logits(spread, chosen, part)
        picked = [
            draw(row, options if index % samples else greedy, generators[index // samples])
            for index, row in enumerate(logits)
        ]
        codes = torch.tensor(picked, device=states.device)
        chosen = chosen + head.code_rows(codes, part)
        out.append(codes)
    return torch.stack(out, dim=1).unflatten(0, (len(states), samples))
