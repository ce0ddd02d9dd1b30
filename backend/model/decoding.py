# SPDX-License-Identifier: Apache-2.0
"""Sampling: motion tokens step by step with a key-value cache, and plain text for chat.

Letters: B batch, N rows of a sequence, P parts, L time steps, K codes a part.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from ..errors import Cancelled, InvalidInput
from .hmvlm import Hmvlm
from .processing import EMPTY, LayoutCodec

DEFAULT_MAX_STEPS = 50  # ten seconds, the longest clip seen in training


@dataclass(frozen=True)
class SamplingOptions:
    """How a code is drawn.

    temperature 0 takes the best code. guidance above 1 strengthens the words' effect at twice the
    cost: the scores are pushed away from those of the same motion without words.
    """

    temperature: float = 1.0
    top_p: float = 0.9
    guidance: float = 1.0


GREEDY = SamplingOptions(temperature=0.0)


@dataclass(frozen=True)
class MotionRequest:
    """One row of a batch. steps: exact length, or None when the model chooses.

    start: (L0, P) codes to go on from. last: (P,) codes to end on. alpha: (E,).
    """

    prompt: str
    alpha: Tensor
    seed: int = 0
    seconds: float | None = None
    steps: int | None = None
    start: np.ndarray | None = None
    last: np.ndarray | None = None


class MotionDecoder:
    """Draws the codes of B requests together; rows are independent of one another.

    `run()` yields after every time step that became complete in all rows still running, so that
    the caller can stream, report and cancel.
    """

    def __init__(
        self,
        model: Hmvlm,
        requests: list[MotionRequest],
        options: SamplingOptions,
        *,
        max_steps: int = DEFAULT_MAX_STEPS,
    ) -> None:
        self.model, self.requests, self.options = model, requests, options
        self.layout: LayoutCodec = model.processor.layout
        self.parts, self.codes = model.config.parts, model.config.codebook_size
        self.limits = [request.steps or max_steps for request in requests]
        # a generator a row: a row's draws do not depend on what else is in the batch
        self.generators = [torch.Generator().manual_seed(r.seed) for r in requests]
        rows = self.layout.length(max(self.limits)) + 1
        self.grid = np.full((len(requests), rows, self.parts), EMPTY, dtype=np.int64)
        self.ended: list[int | None] = [None] * len(requests)
        starts = {0 if r.start is None else len(r.start) for r in requests}
        if len(starts) > 1:
            raise ValueError("the requests of a batch must start with equally long motions")
        self.given = starts.pop()
        if self.given >= min(self.limits):
            raise InvalidInput("The motion to continue is as long as the clip that was asked for.")
        for index, request in enumerate(requests):
            if request.start is not None:
                known = self.layout.to_grid(request.start)
                self.grid[index, : len(known)] = known

    def run(self) -> Iterator[int]:
        """Yields the number of time steps that are complete so far, in the longest row."""
        first = self.layout.end_row(self.given)
        cache = DynamicCache(config=self.model.base.config)
        guided = self.options.guidance != 1.0
        ids, mask = self._prompts(first, guided)
        alpha = torch.stack([r.alpha for r in self.requests]).to(self.model.device)
        if guided:
            alpha = torch.cat([alpha, self._alpha_without_words().expand_as(alpha)])
        positions = (mask.cumsum(dim=1) - 1).clamp_min(0)
        done = self.given
        for row in range(first, self.grid.shape[1]):
            hidden = self.model.hidden(
                ids,
                alpha,
                past_key_values=cache,
                use_cache=True,
                attention_mask=mask if self._needs_mask(mask) else None,
                position_ids=positions,
            )[:, -1]
            self._draw_row(row, hidden.to(self.model.motion_head.rows.dtype), guided)
            complete = self._complete_steps(row)
            if complete > done:
                done = complete
                yield done
            if all(self._finished(index, row) for index in range(len(self.requests))):
                break
            ids = self._row_ids(row, guided)
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            positions = positions[:, -1:] + 1

    def result(self, index: int) -> np.ndarray:
        """(L, P) codes of a row; all of them once run() is through."""
        known = self.grid[index]
        steps = self._length(index)
        if steps is None:
            steps = self.limits[index]
        codes = self.layout.from_grid(known[: self.layout.length(steps)])
        whole = (codes != EMPTY).all(axis=1)
        codes = codes[: int(np.argmin(whole))] if not whole.all() else codes
        last = self.requests[index].last
        if last is not None and steps is not None and len(codes) == steps:
            codes[-1] = last
        return codes

    def _alpha_without_words(self) -> Tensor:
        """(1, E): the gate on the bare instruction, as in training where words were left out."""
        return self.model.gate([self.model.processor.gate_text("")]).to(self.model.device)

    def _prompts(self, first: int, guided: bool) -> tuple[Tensor, Tensor]:
        """Left-padded ids (B, N, P) up to the row before `first`, and their mask (B, N)."""
        words = self.model.processor
        prompts = [r.prompt for r in self.requests]
        if guided:
            prompts += [""] * len(self.requests)
        sequences = []
        for index, prompt in enumerate(prompts):
            request = self.requests[index % len(self.requests)]
            head = words.prompt_ids(prompt, request.seconds, request.last)
            body = words.vocabulary.motion_ids(self.grid[index % len(self.requests), :first])
            sequences.append(np.concatenate([head, body]))
        longest = max(len(s) for s in sequences)
        ids = np.full((len(sequences), longest, self.parts), EMPTY, dtype=np.int64)
        mask = np.zeros((len(sequences), longest), dtype=np.int64)
        for row, sequence in enumerate(sequences):
            ids[row, longest - len(sequence) :] = sequence
            mask[row, longest - len(sequence) :] = 1
        device = self.model.device
        return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)

    @staticmethod
    def _needs_mask(mask: Tensor) -> bool:
        return not bool(mask.all())

    def _draw_row(self, row: int, hidden: Tensor, guided: bool) -> None:
        """Choose the cells of `row` part by part; each part sees the choices before it."""
        count = len(self.requests)
        chosen = torch.zeros_like(hidden)
        active = dict(self.layout.parts_at(row))
        for part in range(self.parts):
            if part not in active:
                continue
            logits = self.model.motion_head.part_logits(hidden, chosen, part).float()
            if guided:
                with_words, without = logits[:count], logits[count:]
                logits = without + self.options.guidance * (with_words - without)
            picked = []
            for index in range(count):
                picked.append(self._pick(index, row, part, active[part], logits[index]))
            cells = torch.tensor(picked, device=hidden.device)
            if guided:
                cells = torch.cat([cells, cells])
            chosen = chosen + self.model.chosen_embedding(cells, part)

    def _pick(self, index: int, row: int, part: int, step: int, logits: Tensor) -> int:
        known = int(self.grid[index, row, part])
        if known != EMPTY:
            return known
        length = self._length(index)
        if length is not None and step >= length:
            return EMPTY
        request = self.requests[index]
        if part == 0:
            # the end cannot come before its time when a length was asked for, nor at once
            if request.steps is not None or step < max(1, self.given):
                logits = logits.clone()
                logits[self.codes] = -torch.inf
            elif step >= self.limits[index]:
                self.ended[index] = step
                return EMPTY
        code = draw(logits, self.options, self.generators[index])
        if code == self.codes:
            self.ended[index] = step
            return EMPTY
        if request.last is not None and length is not None and step == length - 1:
            code = int(request.last[part])
        self.grid[index, row, part] = code
        return code

    def _length(self, index: int) -> int | None:
        """Time steps of a row, once they are known."""
        request = self.requests[index]
        return request.steps if request.steps is not None else self.ended[index]

    def _finished(self, index: int, row: int) -> bool:
        length = self._length(index)
        return length is not None and row + 1 >= self.layout.length(length)

    def _complete_steps(self, row: int) -> int:
        """Time steps whose parts are all drawn after `row`, at most the longest row's length."""
        by_layout = (
            (row + 1) // self.parts if self.layout.flatten else row + 1 - max(self.layout.delays)
        )
        lengths = [self._length(i) for i in range(len(self.requests))]
        most = max(limit if n is None else n for n, limit in zip(lengths, self.limits, strict=True))
        return min(by_layout, most)

    def _row_ids(self, row: int, guided: bool) -> Tensor:
        cells = self.model.processor.vocabulary.motion_ids(self.grid[:, row])
        end = self.model.processor.vocabulary.control("</motion>")
        for index in range(len(cells)):
            length = self._length(index)
            if length is not None and row == self.layout.end_row(length):
                cells[index, 0] = end
        ids = torch.from_numpy(cells)[:, None, :].to(self.model.device)
        return torch.cat([ids, ids]) if guided else ids


def draw(logits: Tensor, options: SamplingOptions, generator: torch.Generator) -> int:
    """One index from (K,) logits: temperature, then the smallest set that holds top_p."""
    logits = logits.float().cpu()
    if options.temperature == 0.0:
        return int(logits.argmax())
    probabilities = (logits / options.temperature).softmax(dim=-1)
    ordered, order = probabilities.sort(descending=True)
    # an index stays while what is before it holds less than top_p, so one always stays
    ordered = torch.where(ordered.cumsum(0) - ordered < options.top_p, ordered, 0.0)
    return int(order[torch.multinomial(ordered, 1, generator=generator)])


@torch.inference_mode()
def generate_motion(
    model: Hmvlm,
    requests: list[MotionRequest],
    options: SamplingOptions,
    *,
    max_steps: int = DEFAULT_MAX_STEPS,
    on_step: Callable[[int, MotionDecoder], None] | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> list[np.ndarray]:
    """Codes (L, P) for each request. Raises Cancelled a step after is_cancelled() turns true."""
    decoder = MotionDecoder(model, requests, options, max_steps=max_steps)
    for done in decoder.run():
        if is_cancelled():
            raise Cancelled
        if on_step is not None:
            on_step(done, decoder)
    return [decoder.result(index) for index in range(len(requests))]


@torch.inference_mode()
def generate_text(
    model: Hmvlm,
    messages: list[dict[str, str]],
    *,
    alpha: Tensor | None = None,
    options: SamplingOptions = GREEDY,
    seed: int = 0,
    max_new_tokens: int = 256,
    on_text: Callable[[str], None] = lambda text: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> tuple[str, list[int], Tensor]:
    """The assistant's answer, greedy by default, its token ids, and alpha (E,).

    alpha: (E,), or None for the gate to read the last message of the user. Where alpha_0 is at the
    threshold or above, the experts are skipped; only text ids can be drawn in any case, so the
    answer is the base model's.
    """
    question = next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
    if not question.strip():
        raise InvalidInput("The message is empty. Type a question.")
    shares = model.gate([question]) if alpha is None else alpha[None]
    weights = None if bool(model.skips_experts(shares)[0]) else shares.to(model.device)
    words = model.processor
    rows = words.text_rows(words.chat_text(messages))
    ids = torch.from_numpy(rows)[None].to(model.device)
    cache = DynamicCache(config=model.base.config)
    stop = model.stop_tokens()
    generator = torch.Generator().manual_seed(seed)
    out: list[int] = []
    said = text = ""
    for _ in range(max_new_tokens):
        if is_cancelled():
            raise Cancelled
        logits = model.text_logits(ids, weights, past_key_values=cache, use_cache=True)[0, -1]
        # the best is taken where the base model's own `generate` takes it: on the device
        greedy = options.temperature == 0.0
        token = int(logits.argmax()) if greedy else draw(logits, options, generator)
        if token in stop:
            break
        out.append(token)
        text = words.tokenizer.decode(out, skip_special_tokens=True)
        # a character may be split over tokens: hold back what does not decode yet
        if not text.endswith("�"):
            on_text(text[len(said) :])
            said = text
        ids = torch.full((1, 1, words.parts), EMPTY, dtype=torch.long, device=model.device)
        ids[0, 0, 0] = token
    if text != said:
        on_text(text[len(said) :])
    return text, out, shares[0]
