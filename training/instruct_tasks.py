# SPDX-License-Identifier: Apache-2.0
"""The tasks that one model is taught together: motion from text, poses and clips from landmarks.

A step's batch is mixed: it holds some rows of every task, and their losses are added up. Letters:
B batch, E experts.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from backend.model.decoding import SamplingOptions
from backend.model.hmvlm import Hmvlm
from backend.model.pose_decoding import draw_poses
from backend.model.processing import POSE_INSTRUCTION, POSE_PROMPT
from backend.motion.pose_tokenizer import PoseTokenizer

from .caption_loss import caption_loss, gate_texts
from .clip_samples import ClipBatch, ClipSource
from .instruct_data import Batch, InstructSampler
from .motion_loss import motion_loss, validation_loss
from .pose_samples import PoseBatch, PoseSource, code_scores, pose_code_loss
from .shares import Share

_GREEDY = SamplingOptions(temperature=0.0)


class Task(Protocol):
    """One kind of request with its batches."""

    def loss(self, step: int, share: Share) -> tuple[Tensor, dict[str, Tensor]]:
        """L_fm of a share of the step's batch, and what else is worth a curve.

        Shares add up to the whole batch's (see shares.Share)."""
        ...

    def validate(self) -> dict[str, float]:
        """Figures on what is never trained on; empty when there is nothing held out."""
        ...


def gate_alpha(model: Hmvlm, prompts: list[str]) -> Tensor:
    """B prompts with their instruction -> (B, E) alphas through which L_fm trains the router."""
    assert model.encoder is not None
    # the border at 0.99 needs single precision, whatever the layers compute in
    with torch.autocast(model.device.type, enabled=False):
        embedded = model.encoder.encode(prompts).to(model.device)
        return model.router.log_alpha(embedded).exp()


class MotionTask:
    """Text to motion. rows: how many rows of sequences it has made."""

    def __init__(
        self, model: Hmvlm, sampler: InstructSampler, held_out: list[Batch], smoothing: float
    ) -> None:
        self.model, self.sampler, self.held_out = model, sampler, held_out
        self.smoothing = smoothing
        self.rows = 0

    def loss(self, step: int, share: Share) -> tuple[Tensor, dict[str, Tensor]]:
        model, batch = self.model, self.sampler.batch(step)
        part = batch.rows(share.rows(len(batch.captions)))
        alpha = gate_alpha(model, [model.processor.gate_text(text) for text in part.captions])
        terms = motion_loss(model, part, alpha, self.smoothing, batch)
        self.rows += part.ids.shape[0] * part.ids.shape[1]
        return terms["motion"], terms

    def validate(self) -> dict[str, float]:
        return validation_loss(self.model, self.held_out) if self.held_out else {}


class PoseTask:
    """A pose from one person's landmarks, through the projector and the language model.

    joints: weight of the joints' error (see pose_code_loss).
    """

    def __init__(
        self,
        model: Hmvlm,
        source: PoseSource,
        held_out: PoseBatch | None,
        *,
        size: int,
        joints: float,
    ) -> None:
        self.model, self.source, self.held_out = model, source, held_out
        self.size, self.joints = size, joints
        self._prompts = [model.processor.gate_text(POSE_PROMPT, POSE_INSTRUCTION)]

    @property
    def tokenizer(self) -> PoseTokenizer:
        return self.source.tokenizer

    def loss(self, step: int, share: Share) -> tuple[Tensor, dict[str, Tensor]]:
        part = self.source.batch(step, self.size).rows(share.rows(self.size))
        alpha = gate_alpha(self.model, self._prompts).expand(len(part.seen), -1)
        _, head = self.model.seeing()
        states = self.model.pose_states(part.seen.to(self.model.device), alpha)
        scores = head.scores(states, part.codes.to(self.model.device))
        terms = pose_code_loss(scores, part, self.tokenizer, self.joints)
        weight = len(part.seen) / self.size
        shown = {"pose": terms["pose"], "pose_joints": terms["joints"]}
        return weight * terms["loss"], {name: weight * value for name, value in shown.items()}

    def validate(self) -> dict[str, float]:
        if self.held_out is None:
            return {}
        alpha = gate_alpha(self.model, self._prompts).expand(len(self.held_out.seen), -1)
        states = self.model.pose_states(self.held_out.seen.to(self.model.device), alpha)
        codes = draw_poses(self.model, states, _GREEDY)[:, 0]
        found = code_scores(codes.cpu(), self.held_out, self.tokenizer)
        return {f"pose_{name}": value for name, value in found.items()}


class VideoTask:
    """A description of a clip of a person, or an answer to a question about it."""

    def __init__(
        self, model: Hmvlm, source: ClipSource, held_out: ClipBatch | None, *, size: int
    ) -> None:
        self.model, self.source, self.held_out = model, source, held_out
        self.size = size

    def loss(self, step: int, share: Share) -> tuple[Tensor, dict[str, Tensor]]:
        whole = self.source.batch(step, self.size)
        terms = self._terms(whole.rows(share.rows(self.size)), whole)
        return terms["caption"], terms

    def validate(self) -> dict[str, float]:
        if self.held_out is None:
            return {}
        return {k: float(v) for k, v in self._terms(self.held_out, self.held_out).items()}

    def _terms(self, part: ClipBatch, whole: ClipBatch) -> dict[str, Tensor]:
        alpha = gate_alpha(self.model, gate_texts(part, self.model.processor))
        return caption_loss(self.model, part, alpha, of=whole)


def together(tasks: Sequence[Task], step: int, share: Share) -> dict[str, Tensor]:
    """The terms of all tasks; `fm` is the sum of their losses."""
    total: Tensor | float = 0.0
    out: dict[str, Tensor] = {}
    for task in tasks:
        loss, terms = task.loss(step, share)
        total = total + loss
        out |= terms
    assert isinstance(total, Tensor)
    return out | {"fm": total}


@torch.no_grad()
def validate(tasks: Sequence[Task]) -> dict[str, float]:
    """The held-out figures of all tasks."""
    out: dict[str, float] = {}
    for task in tasks:
        out |= task.validate()
    return out
