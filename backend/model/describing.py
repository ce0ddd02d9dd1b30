# SPDX-License-Identifier: Apache-2.0
"""Words about clips: greedy text after rows of features, with the experts on.

Letters: B batch, N rows of a sequence, M rows of a clip, P parts, D features, E experts.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import DynamicCache

from ..errors import Cancelled
from .hmvlm import Hmvlm
from .processing import EMPTY


@torch.inference_mode()
def describe_clips(
    model: Hmvlm,
    ids: Tensor,
    features: Tensor,
    alpha: Tensor,
    *,
    max_new_tokens: int,
    on_tokens: Callable[[list[list[int]]], None] = lambda tokens: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> list[list[int]]:
    """Prompts (B, N, P) of one length, the clips' rows (B, M, D), alphas (B, E) -> the token ids of
    each answer, without the token that ends it.

    on_tokens gets all answers so far after every token. Raises Cancelled once is_cancelled().
    """
    stop = model.stop_tokens()
    cache = DynamicCache(config=model.base.config)
    alpha = alpha.to(model.device)
    out: list[list[int]] = [[] for _ in ids]
    going = [True] * len(ids)
    rows: Tensor = ids.to(model.device)
    seen: Tensor | None = features
    for _ in range(max_new_tokens):
        if is_cancelled():
            raise Cancelled
        logits = model.text_logits(
            rows, alpha, features=seen, past_key_values=cache, use_cache=True
        )
        chosen = logits[:, -1].argmax(dim=-1)
        for index, token in enumerate(chosen.tolist()):
            going[index] = going[index] and token not in stop
            if going[index]:
                out[index].append(token)
        if not any(going):
            break
        on_tokens(out)
        rows = torch.full_like(rows[:, :1], EMPTY)
        rows[:, 0, 0] = chosen
        seen = None
    return out


class TextStream:
    """Gives an answer out piece by piece, as its tokens come."""

    def __init__(self, model: Hmvlm, on_text: Callable[[str], None]) -> None:
        self._tokenizer, self._on_text = model.processor.tokenizer, on_text
        self.said = ""

    def show(self, tokens: list[int], last: bool = False) -> None:
        text = self._tokenizer.decode(tokens, skip_special_tokens=True)
        # a character may be split over tokens: hold back what does not decode yet
        if text != self.said and (last or not text.endswith("�")):
            self._on_text(text[len(self.said) :])
            self.said = text
