# SPDX-License-Identifier: Apache-2.0
"""A new tokenizer under a trained model: its tables are carried over by what the codes stand for.

Both tokenizers code the same training clips. A new code starts from the rows of the old codes that
stood at its places, each as often as it did, so that experts which have learnt to read and write
the old codes need not begin again.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from backend.model.hmvlm import Hmvlm

_SMOOTHING = 1e-3  # of the old codes' own shares: a code that never occurs starts as their mean


def shared_places(new: Sequence[np.ndarray], old: Sequence[np.ndarray], codes: int) -> Tensor:
    """Codes (L, P) of the same clips twice -> (P, K, K): row k says which old codes stood where
    the new code k stands, as shares."""
    a, b = np.concatenate(new), np.concatenate(old)
    if a.shape != b.shape:
        raise ValueError(f"the clips do not have the same time steps: {a.shape} and {b.shape}")
    counts = np.zeros((a.shape[1], codes, codes))
    for part in range(a.shape[1]):
        np.add.at(counts[part], (a[:, part], b[:, part]), 1.0)
    counts += _SMOOTHING / codes * counts.sum(axis=1, keepdims=True)
    return torch.from_numpy(counts / counts.sum(axis=-1, keepdims=True)).float()


@torch.no_grad()
def carry_over_tables(model: Hmvlm, shares: Tensor) -> None:
    """Replace the rows of the old codes in the model's tables by those of the new; (P, K, K)."""
    parts, codes, _ = shares.shape
    for table in (model.motion_embedding.motion, model.motion_head.rows):
        rows = table.view(parts, codes, -1)
        mixed = torch.einsum("pkj,pjd->pkd", shares.to(rows), rows)
        # a mean of many rows is short: give each part the spread that it had
        spread = rows.std(dim=(1, 2), keepdim=True)
        centre = mixed.mean(dim=1, keepdim=True)
        mixed = centre + (mixed - centre) * spread / mixed.std(dim=(1, 2), keepdim=True)
        table.copy_(mixed.reshape_as(table))
