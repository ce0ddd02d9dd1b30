# SPDX-License-Identifier: Apache-2.0
"""Instruction tuning: train the experts, the gate and the tables, on one task or on several
(sections 3.1 and 3.2)."""

import json
import random
import re
import time
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import Tensor

from backend.errors import AssetError, InvalidInput
from backend.model.gate import Router
from backend.model.hmvlm import Hmvlm
from backend.model.loading import ADAPTER_FOLDER, POSE_TOKENIZER_FOLDER
from backend.motion.tokenizer import MotionTokenizer
from training.data.landmark_simulation import LandmarkSimulator
from training.data.pose_widening import PoseBank
from training.data.prepared import PreparedDataset

from .carry_over import carry_over_tables, shared_places
from .checkpoint import TrainingState, whole_tensor
from .clip_samples import ClipSource
from .gating import (
    EmbeddingStore,
    collect_texts,
    gate_terms,
    polish_router,
    train_router,
    with_instructions,
)
from .general_text import general_batch, read_answered
from .instruct_data import InstructSampler, tokenize_clips
from .instruct_model import Trainable, build_model, parameter_groups
from .instruct_settings import RUN_FILE, InstructSettings, portable
from .instruct_tasks import MotionTask, PoseTask, Task, VideoTask, together
from .instruct_tasks import validate as validate_tasks
from .loops import LoopSettings, keep_freed_memory, train
from .motion_loss import CACHE_FOLDER, validation_batches
from .pose_samples import PoseSource
from .precision import computing_in, warn_of_slow
from .run_record import plain
from .shares import Share, accelerator_for

_HELD_OUT_POSES, _HELD_OUT_CLIPS = 256, 64
_GATE_CAPTIONS = 12000


def train_instruct(settings: InstructSettings) -> Path:
    """Train; returns the run folder, which then holds the adapter."""
    keep_freed_memory()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if settings.start_tokenizer is not None and settings.start_from is None:
        raise InvalidInput("--start-tokenizer belongs to --start-from: give both, or neither.")
    accelerator = accelerator_for(settings.batch, settings.micro_batch)
    if settings.quantise:
        _refuse_sharded_quantised(accelerator)
    warn_of_slow(settings.precision, accelerator.device.type)
    torch.manual_seed(settings.seed)
    tokenizer = MotionTokenizer.from_pretrained(settings.tokenizer)
    # the main process first: it fills the caches that the others then read
    with accelerator.main_process_first():
        model = build_model(settings, tokenizer)
    data = PreparedDataset(settings.data, "train")
    if len(data) == 0:
        raise InvalidInput(f"{settings.data} has no clips to train on.")
    cache = settings.data / CACHE_FOLDER
    with accelerator.main_process_first():
        tasks = _tasks(settings, model, data, tokenizer)
        motion, general = _gate_embeddings(model, data, settings, cache)
    model.motion_tokenizer.requires_grad_(False)
    answered = read_answered(settings.source, model.processor)
    # afterwards the experts have grown into the shares it gives
    if settings.start_from is None and settings.bordered:
        fitted = train_router(
            model.router, motion, general, steps=settings.gate_steps, weights=settings.gate
        )
        print(f"gate before instruction tuning: {_rounded(fitted)}")
    optimizer = torch.optim.AdamW(
        parameter_groups(model, settings),
        betas=(0.9, 0.99),
        weight_decay=settings.weight_decay,
        fused=True,
    )
    begun = time.monotonic()

    def batch_loss(step: int, share: Share) -> dict[str, Tensor]:
        terms = _gate_step(model, motion, general, settings, step, share)
        with computing_in(settings.precision, accelerator.device.type):
            terms |= together(tasks, step, share)
        terms["loss"] = terms.pop("fm") + terms["gate"]
        due = step % settings.general_every == settings.general_every - 1
        if answered and due and share.once:
            # too seldom for a curve of its own: it only joins the total
            general_loss = general_batch(model, answered, step)
            terms["loss"] = terms["loss"] + 0.1 * share.once * general_loss
        return terms

    def validate() -> dict[str, float]:
        return validate_tasks(tasks)

    loop = LoopSettings(
        settings.out,
        steps=settings.steps,
        minutes=settings.minutes,
        log_every=20,
        validate_every=settings.validate_every,
        save_minutes=5.0,
        warm_up=settings.warm_up,
        final_rate=settings.final_rate,
        resume=settings.resume,
    )
    model.train()
    state = train(
        Trainable(model, seeing=settings.sees),
        optimizer,
        loop,
        batch_loss,
        validate,
        "instruct",
        accelerator=accelerator,
        whole=model,
        shared=True,
        facts={"settings": settings, "data_hash": data.hash, "seed": settings.seed},
    )
    spent = (sum(t.rows for t in tasks if isinstance(t, MotionTask)), time.monotonic() - begun)
    adapter = {name: whole_tensor(value).cpu() for name, value in model.adapter_state().items()}
    if accelerator.is_main_process:
        if settings.bordered and settings.router_rate > 0:  # else the gate stays as it was
            polished = _polish(model, adapter, motion, general, settings)
            print(f"gate after instruction tuning: {_rounded(polished)}")
        model.save_adapter(settings.out / ADAPTER_FOLDER, state=adapter)
        if model.pose_tokenizer is not None:
            model.pose_tokenizer.save_pretrained(settings.out / POSE_TOKENIZER_FOLDER)
        _write_record(settings, data, state, adapter, spent)
    accelerator.wait_for_everyone()
    return settings.out


def _tasks(
    settings: InstructSettings, model: Hmvlm, data: PreparedDataset, tokenizer: MotionTokenizer
) -> list[Task]:
    out: list[Task] = []
    cache = settings.data / CACHE_FOLDER
    if "motion" in settings.tasks:
        codes = tokenize_clips(data, tokenizer, cache)
        if settings.start_tokenizer is not None:
            before = MotionTokenizer.from_pretrained(settings.start_tokenizer)
            old = tokenize_clips(data, before, cache)
            carry_over_tables(model, shared_places(codes, old, model.config.codebook_size))
        sampler = InstructSampler(
            data,
            codes,
            model.processor,
            settings.samples,
            batch=settings.batch,
            seed=settings.seed,
        )
        held_out = validation_batches(settings.data, model)
        out.append(MotionTask(model, sampler, held_out, settings.label_smoothing))
    if "pose" in settings.tasks:
        people = _people(data, model, settings.seed)
        val = PreparedDataset(settings.data, "val")
        found = _people(val, model, 1).batch(0, _HELD_OUT_POSES) if len(val) else None
        out.append(PoseTask(model, people, found, size=settings.pose_batch, joints=settings.joints))
    if "video" in settings.tasks:
        clips = ClipSource(data, settings.seed)
        val = ClipSource(PreparedDataset(settings.data, "val"), 1)
        seen = val.batch(0, _HELD_OUT_CLIPS) if len(val.usable) else None
        out.append(VideoTask(model, clips, seen, size=settings.clip_batch))
    return out


def _people(data: PreparedDataset, model: Hmvlm, seed: int) -> PoseSource:
    return PoseSource(
        LandmarkSimulator(PoseBank.from_prepared(data)),
        model.pose_tokenizer.requires_grad_(False),
        seed,
    )


def _refuse_sharded_quantised(accelerator: Accelerator) -> None:
    if accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        raise InvalidInput(
            "--quantise goes with one GPU or with DDP (training/configs/accelerate/ddp.yaml): "
            "weights in 4 or 8 bits are not sharded here."
        )


def _polish(
    model: Hmvlm,
    adapter: dict[str, Tensor],
    motion: Tensor,
    general: Tensor,
    settings: InstructSettings,
) -> dict[str, float]:
    """Polish the router among the adapter's tensors, in place, on the CPU."""
    prefix = "router."
    router = Router(model.config.gate, settings.moe.num_experts)
    own = {k.removeprefix(prefix): v for k, v in adapter.items() if k.startswith(prefix)}
    router.load_state_dict(own)
    polished = polish_router(router, motion, general, steps=settings.gate_steps)
    adapter |= {f"{prefix}{name}": value for name, value in router.state_dict().items()}
    return polished


def _write_record(
    settings: InstructSettings,
    data: PreparedDataset,
    state: TrainingState,
    adapter: dict[str, Tensor],
    spent: tuple[int, float],
) -> None:
    """spent: rows of motion, and the seconds in which they were made."""
    record = {
        **plain(settings),
        "earlier": earlier_runs(settings.start_from),
        "carried_over": settings.start_tokenizer is not None,
        "aligned": settings.alignment is not None,
        "data_hash": data.hash,
        "clips": len(data),
        "steps_done": state.step,
        "seconds": round(state.elapsed, 1),
        "rows_per_second": _rate(settings.out, *spent),
        "trained_parameters": sum(v.numel() for v in adapter.values()),
        "last": state.log[-1] if state.log else {},
    }
    (settings.out / RUN_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"{settings.out}: {state.step} steps, {record['rows_per_second']} rows a second")


def earlier_runs(adapter: Path | None) -> list[dict]:
    """The records of the runs that an adapter comes from, first to last, where they are known."""
    if adapter is None or not (adapter.parent / RUN_FILE).is_file():
        return []
    record = json.loads((adapter.parent / RUN_FILE).read_text("utf-8"))
    record = record.get("model", record)  # exported weights keep it beside the tokenizer's
    return [*record.pop("earlier", []), portable(record)]


def _rate(out: Path, rows: float, seconds: float) -> float:
    """Rows a second of this session, or of the one before when this one had nothing left to do."""
    if rows or not (out / RUN_FILE).is_file():
        return round(rows / max(seconds, 1e-6), 1)
    return json.loads((out / RUN_FILE).read_text("utf-8"))["rows_per_second"]


def _gate_embeddings(
    model: Hmvlm, data: PreparedDataset, settings: InstructSettings, cache: Path
) -> tuple[Tensor, Tensor]:
    rng = random.Random(settings.seed)
    captions = sorted({rng.choice(clip.captions) for clip in data.clips})
    captions = rng.sample(captions, min(_GATE_CAPTIONS, len(captions)))
    texts = with_instructions(collect_texts(settings.source, captions, test=False), rng)
    if model.encoder is None:
        raise AssetError("The gate's encoder is missing. Run `hmvlm fetch`.")
    slug = re.sub(r"[^\w-]+", "_", settings.gate_encoder)
    store = EmbeddingStore(model.encoder, cache / f"gate_{slug}.safetensors")
    every = store.embed(texts.motion + texts.general)
    return every[: len(texts.motion)], every[len(texts.motion) :]


def _gate_step(
    model: Hmvlm,
    motion: Tensor,
    general: Tensor,
    settings: InstructSettings,
    step: int,
    share: Share,
) -> dict[str, Tensor]:
    """The gate's own terms: means over prompts of both kinds and not sums over rows, see Share."""
    if not share.once:
        return {"gate": motion.new_zeros((), device=model.device)}
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    own, other = (
        model.router.log_alpha(
            part[torch.randint(len(part), (256,), generator=generator)].to(model.device)
        )
        for part in (motion, general)
    )
    terms = gate_terms(
        own,
        other,
        settings.gate,
        bordered=settings.bordered,
    )
    return {name: share.once * value for name, value in terms.items()}


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
