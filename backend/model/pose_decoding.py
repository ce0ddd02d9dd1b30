# SPDX-License-Identifier: Apache-2.0
"""Poses out of one state of the language model: the codes of the five parts, and the pose between
the likely ones.

Letters: B batch, S samples, P parts, D features.
"""

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


@torch.inference_mode()
def offer_poses(
    model: Hmvlm, states: Tensor, options: SamplingOptions, seed: int = 0, samples: int = 1
) -> tuple[Tensor, Tensor]:
    """States (B, D) -> codes (B, samples, P) as `draw_poses` has them, and poses (B, samples, 22,
    3, 3), the heading taken out of the root. Raises AssetError as `draw_poses` does.

    The first pose is what the mean of the code vectors decodes to, weighed by their probabilities
    along the likeliest codes: it is what training measures (as in TokenHMR), and is less wrong
    than any pose out of whole codes. The others are those of their codes.
    """
    codes = draw_poses(model, states, options, seed, samples)
    _, head = model.seeing()
    tokenizer = model.pose_tokenizer
    scores = head.scores(states, codes[:, 0])
    table = tokenizer.codebook_vectors()
    vectors = [s.float().softmax(dim=-1) @ table[part] for part, s in enumerate(scores)]
    first = tokenizer.decode_vectors(torch.stack(vectors, dim=1))[:, None]
    drawn = tokenizer.decode(codes[:, 1:].flatten(0, 1)).unflatten(0, (len(states), samples - 1))
    return codes, torch.cat([first, drawn], dim=1)
