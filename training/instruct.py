# SPDX-License-Identifier: Apache-2.0
"""Instruction tuning: train the experts, the gate and the motion tables (section 3.1)."""

import json
import random
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import Tensor, nn

from backend.errors import AssetError, InvalidInput
from backend.model.configuration import GateConfig, HmvlmConfig
from backend.model.gate import Router
from backend.model.hmvlm import Hmvlm
from backend.model.loading import (
    ADAPTER_FOLDER,
    build_hmvlm,
    describe_base,
    encoder_width,
    load_encoder,
)
from backend.model.moe_lora import lora_parameters
from backend.motion.tokenizer import MotionTokenizer
from training.data.prepared import PreparedDataset

from .carry_over import carry_over_tables, shared_places
from .checkpoint import TrainingState, whole_tensor
from .gating import (
    EmbeddingStore,
    collect_texts,
    gate_terms,
    polish_router,
    train_router,
    with_instructions,
)
from .general_text import general_batch, read_answered
from .instruct_data import Batch, InstructSampler, tokenize_clips
from .instruct_settings import RUN_FILE, InstructSettings, portable
from .loops import LoopSettings, computing_in, keep_freed_memory, train
from .motion_loss import CACHE_FOLDER, motion_loss, validation_batches, validation_loss
from .run_record import plain
from .shares import Share, accelerator_for

_GATE_CAPTIONS = 12000


class Trainable(nn.Module):
    """The part of the model that is trained, so that a checkpoint leaves the base out."""

    def __init__(self, model: Hmvlm) -> None:
        super().__init__()
        self.router = model.router
        self.motion_embedding = model.motion_embedding
        self.motion_head = model.motion_head
        # asked for whenever they are needed: sharding replaces the parameters of a model
        self._experts = lambda: lora_parameters(model)

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """Router and tables by their names, the experts as experts.NAME."""
        yield from super().named_parameters(*args, **kwargs)
        for name, value in self._experts():
            yield f"experts.{name.replace('.', '/')}", value

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """All of named_parameters; there are no buffers."""
        return {name: value.detach() for name, value in self.named_parameters()}


def parameter_groups(model: Hmvlm, settings: InstructSettings) -> list[dict]:
    """Experts, motion tables and router, each with its own rate; the first sets the schedule."""
    tables = [*model.motion_embedding.parameters(), *model.motion_head.parameters()]
    return [
        {"params": [p for _, p in lora_parameters(model)], "lr": settings.lora_rate},
        {"params": tables, "lr": settings.table_rate},
        {"params": list(model.router.parameters()), "lr": settings.router_rate},
    ]


def train_instruct(settings: InstructSettings) -> Path:
    """Train; returns the run folder, which then holds the adapter."""
    keep_freed_memory()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if settings.start_tokenizer is not None and settings.start_from is None:
        raise InvalidInput("--start-tokenizer belongs to --start-from: give both, or neither.")
    accelerator = accelerator_for(settings.batch, settings.micro_batch)
    quantisation = {}
    if settings.quantise:
        _refuse_sharded_quantised(accelerator)
        quantisation["quantise"] = settings.quantise
    torch.manual_seed(settings.seed)
    tokenizer = MotionTokenizer.from_pretrained(settings.tokenizer)
    config = _model_config(settings, tokenizer)
    if settings.start_from is not None:  # what reads pictures stays, though only motion is trained
        config = replace(config, vision=HmvlmConfig.load(settings.start_from).vision)
    # the main process first: it fills the caches that the others then read
    with accelerator.main_process_first():
        model = build_hmvlm(
            config,
            motion_tokenizer=tokenizer,
            dtype=torch.bfloat16 if settings.precision == "bf16" else torch.float32,
            **quantisation,
        )
    for _, expert in lora_parameters(model):
        expert.data = expert.data.float()  # small steps would vanish in half precision
    if settings.start_from is not None:
        model.load_adapter(settings.start_from)
    else:
        vectors = tokenizer.codebook_vectors()
        model.motion_embedding.start_from_codebook(vectors, model.text_std())
    data = PreparedDataset(settings.data, "train")
    if len(data) == 0:
        raise InvalidInput(f"{settings.data} has no clips to train on.")
    cache = settings.data / CACHE_FOLDER
    with accelerator.main_process_first():
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
    with accelerator.main_process_first():
        motion, general = _gate_embeddings(model, data, settings, cache)
        held_out = validation_batches(settings.data, model)
    model.motion_tokenizer.requires_grad_(False)
    answered = read_answered(settings.source, model.processor)
    # afterwards the experts have grown into the shares it gives; without a zero expert there is
    # no border to place
    if settings.start_from is None and settings.moe.zero_expert:
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
    spent = {"rows": 0, "seconds": 0.0, "begun": time.monotonic()}

    def batch_loss(step: int, share: Share) -> dict[str, Tensor]:
        batch = sampler.batch(step)
        part = batch.rows(share.rows(len(batch.captions)))
        alpha, terms = _gate_step(model, batch, motion, general, settings, step, share)
        with computing_in(settings.precision, accelerator.device.type):
            terms |= motion_loss(model, part, alpha, settings.label_smoothing, batch)
        terms["loss"] = terms["motion"] + terms["gate"]
        due = step % settings.general_every == settings.general_every - 1
        if answered and due and share.once:
            # too seldom for a curve of its own: it only joins the total
            general_loss = general_batch(model, answered, step)
            terms["loss"] = terms["loss"] + 0.1 * share.once * general_loss
        spent["rows"] += part.ids.shape[0] * part.ids.shape[1]
        return terms

    def validate() -> dict[str, float]:
        return validation_loss(model, held_out)

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
        Trainable(model),
        optimizer,
        loop,
        batch_loss,
        validate if held_out else None,
        "instruct",
        accelerator=accelerator,
        whole=model,
        shared=True,
        facts={"settings": settings, "data_hash": data.hash, "seed": settings.seed},
    )
    trained_for = time.monotonic() - spent["begun"]
    adapter = {name: whole_tensor(value).cpu() for name, value in model.adapter_state().items()}
    if accelerator.is_main_process:
        if settings.moe.zero_expert:
            polished = _polish(model, adapter, motion, general, settings)
            print(f"gate after instruction tuning: {_rounded(polished)}")
        model.save_adapter(settings.out / ADAPTER_FOLDER, state=adapter)
        _write_record(settings, data, state, adapter, spent, trained_for)
    accelerator.wait_for_everyone()
    return settings.out


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
    spent: dict[str, float],
    trained_for: float,
) -> None:
    record = {
        **plain(settings),
        "earlier": earlier_runs(settings.start_from),
        "carried_over": settings.start_tokenizer is not None,
        "data_hash": data.hash,
        "clips": len(data),
        "steps_done": state.step,
        "seconds": round(state.elapsed, 1),
        "rows_per_second": _rate(settings.out, spent["rows"], trained_for),
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


def _model_config(settings: InstructSettings, tokenizer: MotionTokenizer) -> HmvlmConfig:
    own, digest = describe_base(settings.base_model)
    parts, codes, _ = tokenizer.codebook_vectors().shape
    layout = settings.layout
    if len(layout.delays) != parts:
        layout = replace(layout, delays=(0,) * parts)
    return HmvlmConfig(
        base_model=settings.base_model,
        base_sha256=digest,
        text_vocab_size=own.vocab_size,
        hidden_size=own.hidden_size,
        parts=parts,
        codebook_size=codes,
        moe=settings.moe,
        gate=GateConfig(
            encoder=settings.gate_encoder,
            embed_dim=encoder_width(load_encoder(settings.gate_encoder)),
        ),
        layout=layout,
    )


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
    batch: Batch,
    motion: Tensor,
    general: Tensor,
    settings: InstructSettings,
    step: int,
    share: Share,
) -> tuple[Tensor, dict[str, Tensor]]:
    """alpha (B, E) of a share's rows, which L_fm trains too, and the gate's own terms.

    Those are means over the whole batch and not sums over its rows: see Share.once.
    """
    assert model.encoder is not None
    words = model.processor
    own = model.encoder.encode([words.gate_text(caption) for caption in batch.captions])
    log_own = model.router.log_alpha(own.to(model.device))
    alpha = log_own[share.rows(len(own))].exp()
    if not share.once:
        return alpha, {"gate": alpha.new_zeros(())}
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    drawn = [
        part[torch.randint(len(part), (256,), generator=generator)].to(model.device)
        for part in (motion, general)
    ]
    terms = gate_terms(
        torch.cat([log_own, model.router.log_alpha(drawn[0])]),
        model.router.log_alpha(drawn[1]),
        settings.gate,
        zero_expert=settings.moe.zero_expert,
    )
    return alpha, {name: share.once * value for name, value in terms.items()}


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
