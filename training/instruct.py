# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train instruct`: train the experts, the gate and the motion tables (section 3.1)."""

import argparse
import json
import random
import re
import time
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from backend.errors import AssetError, InvalidInput
from backend.model.configuration import GateConfig, HmvlmConfig, LayoutConfig
from backend.model.hmvlm import Hmvlm
from backend.model.loading import (
    ADAPTER_FOLDER,
    build_hmvlm,
    encoder_width,
    load_base,
    load_encoder,
)
from backend.model.moe_lora import MoeLoraConfig, lora_parameters
from backend.motion.tokenizer import MotionTokenizer
from training.data.prepared import PreparedDataset

from .carry_over import carry_over_tables, shared_places
from .gating import (
    EmbeddingStore,
    GateWeights,
    collect_texts,
    gate_terms,
    polish_router,
    train_router,
    with_instructions,
)
from .general_text import general_batch, read_answered
from .instruct_data import Batch, InstructSampler, SampleSettings, tokenize_clips
from .loops import PRECISIONS, LoopSettings, computing_in, keep_freed_memory, train
from .mixture_arguments import add_mixture_arguments, read_mixture
from .motion_loss import CACHE_FOLDER, motion_loss, validation_batches, validation_loss

RUN_FILE = "training.json"
_GATE_CAPTIONS = 12000
_FOLDERS = (
    *("data", "source", "tokenizer", "pose_tokenizer", "out", "start_from", "start_tokenizer"),
)


@dataclass(frozen=True)
class InstructSettings:
    """One training run of the language model's motion side.

    source: the folder with prompts and human captions for the gate. start_from: an adapter folder
    whose experts, gate and tables are trained further. start_tokenizer: the tokenizer of that
    adapter, where it is another one: the tables are then carried over. batch: sequences a step.
    general_every: every how many steps a batch of general questions and answers is added to L_fm.
    moe, gate_encoder: the mixture and what its gate reads prompts with (see GateConfig).
    precision: of the frozen base model and of the products with the experts, whose own weights
    stay in single precision (see loops.PRECISIONS).
    """

    data: Path
    source: Path
    tokenizer: Path
    out: Path
    start_from: Path | None = None
    start_tokenizer: Path | None = None
    base_model: str = "smollm2"
    moe: MoeLoraConfig = field(default_factory=MoeLoraConfig)
    gate_encoder: str = "minilm"
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    steps: int | None = None
    minutes: float | None = None
    batch: int = 16
    lora_rate: float = 2e-3
    table_rate: float = 3e-3
    router_rate: float = 2e-4
    label_smoothing: float = 0.02
    gate_steps: int = 1500
    general_every: int = 50
    validate_every: int = 200
    precision: str = "fp32"
    seed: int = 0
    threads: int | None = None
    resume: bool = True
    samples: SampleSettings = field(default_factory=SampleSettings)
    gate: GateWeights = field(default_factory=GateWeights)


class Trainable(nn.Module):
    """The part of the model that is trained, so that a checkpoint leaves the base out."""

    def __init__(self, model: Hmvlm) -> None:
        super().__init__()
        self.router = model.router
        self.motion_embedding = model.motion_embedding
        self.motion_head = model.motion_head
        self.experts = nn.ParameterDict(
            {name.replace(".", "/"): value for name, value in lora_parameters(model)}
        )


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
    torch.manual_seed(settings.seed)
    tokenizer = MotionTokenizer.from_pretrained(settings.tokenizer)
    config = _model_config(settings, tokenizer)
    if settings.start_from is not None:  # what reads pictures stays, though only motion is trained
        config = replace(config, vision=HmvlmConfig.load(settings.start_from).vision)
    model = build_hmvlm(
        config,
        motion_tokenizer=tokenizer,
        dtype=torch.bfloat16 if settings.precision == "bf16" else torch.float32,
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
    motion, general = _gate_embeddings(model, data, settings, cache)
    answered = read_answered(settings.source, model.processor)
    # afterwards the experts have grown into the shares it gives; without a zero expert there is
    # no border to place
    if settings.start_from is None and settings.moe.zero_expert:
        fitted = train_router(
            model.router, motion, general, steps=settings.gate_steps, weights=settings.gate
        )
        print(f"gate before instruction tuning: {_rounded(fitted)}")
    optimizer = torch.optim.AdamW(
        parameter_groups(model, settings), betas=(0.9, 0.99), weight_decay=0.01, fused=True
    )
    held_out = validation_batches(settings.data, model)
    spent = {"rows": 0, "seconds": 0.0, "begun": time.monotonic()}

    def batch_loss(step: int) -> dict[str, Tensor]:
        batch = sampler.batch(step)
        alpha, terms = _gate_step(model, batch, motion, general, settings, step)
        with computing_in(settings.precision):
            terms |= motion_loss(model, batch, alpha, settings.label_smoothing)
        terms["loss"] = terms["motion"] + terms["gate"]
        if answered and step % settings.general_every == settings.general_every - 1:
            # too seldom for a curve of its own: it only joins the total
            terms["loss"] = terms["loss"] + 0.1 * general_batch(model, answered, step)
        spent["rows"] += batch.ids.shape[0] * batch.ids.shape[1]
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
        warm_up=0.04,
        final_rate=0.03,
        resume=settings.resume,
    )
    model.train()
    state = train(
        Trainable(model), optimizer, loop, batch_loss, validate if held_out else None, "instruct"
    )
    trained_for = time.monotonic() - spent["begun"]
    model.eval()
    if settings.moe.zero_expert:
        polished = polish_router(model.router, motion, general, steps=settings.gate_steps)
        print(f"gate after instruction tuning: {_rounded(polished)}")
    model.save_adapter(settings.out / ADAPTER_FOLDER)
    record = {
        **_plain(settings),
        "earlier": earlier_runs(settings.start_from),
        "carried_over": settings.start_tokenizer is not None,
        "data_hash": data.hash,
        "clips": len(data),
        "steps_done": state.step,
        "seconds": round(state.elapsed, 1),
        "rows_per_second": _rate(settings.out, spent["rows"], trained_for),
        "trained_parameters": sum(v.numel() for v in model.adapter_state().values()),
        "last": state.log[-1] if state.log else {},
    }
    (settings.out / RUN_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"{settings.out}: {state.step} steps, {record['rows_per_second']} rows a second")
    return settings.out


def earlier_runs(adapter: Path | None) -> list[dict]:
    """The records of the runs that an adapter comes from, first to last, where they are known."""
    if adapter is None or not (adapter.parent / RUN_FILE).is_file():
        return []
    record = json.loads((adapter.parent / RUN_FILE).read_text("utf-8"))
    record = record.get("model", record)  # exported weights keep it beside the tokenizer's
    return [*record.pop("earlier", []), portable(record)]


def portable(record: dict) -> dict:
    """A run's record without the folders of the machine it ran on."""
    return {k: v for k, v in record.items() if k not in _FOLDERS}


def _rate(out: Path, rows: float, seconds: float) -> float:
    """Rows a second of this session, or of the one before when this one had nothing left to do."""
    if rows or not (out / RUN_FILE).is_file():
        return round(rows / max(seconds, 1e-6), 1)
    return json.loads((out / RUN_FILE).read_text("utf-8"))["rows_per_second"]


def _model_config(settings: InstructSettings, tokenizer: MotionTokenizer) -> HmvlmConfig:
    base, _, digest = load_base(settings.base_model)
    own = base.config.get_text_config()
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
) -> tuple[Tensor, dict[str, Tensor]]:
    """alpha (B, E) of a batch, which L_fm trains too, and the gate's own terms."""
    assert model.encoder is not None
    words = model.processor
    own = model.encoder.encode([words.gate_text(caption) for caption in batch.captions])
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    drawn = [
        part[torch.randint(len(part), (256,), generator=generator)] for part in (motion, general)
    ]
    log_own = model.router.log_alpha(own)
    terms = gate_terms(
        torch.cat([log_own, model.router.log_alpha(drawn[0])]),
        model.router.log_alpha(drawn[1]),
        settings.gate,
        zero_expert=settings.moe.zero_expert,
    )
    return log_own.exp(), terms


def read_settings(run: Path) -> tuple[InstructSettings, dict]:
    """The settings of a finished run and the whole record it left."""
    path = run / RUN_FILE
    try:
        record = json.loads(path.read_text("utf-8"))
        # runs from before these were settings have the defaults
        record = {"moe": {}, "gate_encoder": InstructSettings.gate_encoder, **record}
        known = {f.name: record[f.name] for f in fields(InstructSettings)}
    except (OSError, ValueError, KeyError) as error:
        raise AssetError(f"{run} is not a finished run of `hmvlm-train instruct`.") from error
    for name in ("data", "source", "tokenizer", "out"):
        known[name] = Path(known[name])
    for name in ("start_from", "start_tokenizer"):
        known[name] = Path(known[name]) if known[name] is not None else None
    layout = known["layout"]
    known["layout"] = LayoutConfig(layout["name"], tuple(layout["delays"]))
    known["moe"] = MoeLoraConfig.from_dict(known["moe"])
    known["samples"] = SampleSettings(**known["samples"])
    known["gate"] = GateWeights(**known["gate"])
    return InstructSettings(**known), record


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def _plain(settings: InstructSettings) -> dict:
    return json.loads(json.dumps(asdict(settings), default=str))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="prepared data folder")
    parser.add_argument("--source", type=Path, required=True, help="folder with prompts/")
    parser.add_argument("--tokenizer", type=Path, required=True, help="trained motion tokenizer")
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    parser.add_argument("--start-from", type=Path, help="adapter folder to train further")
    parser.add_argument(
        "--start-tokenizer", type=Path, help="tokenizer of that adapter, if it is another one"
    )
    parser.add_argument("--base-model", default="smollm2", help="an asset or a model folder")
    add_mixture_arguments(parser)
    parser.add_argument("--layout", choices=("parallel", "flatten"), default="parallel")
    parser.add_argument(
        "--delays",
        type=lambda text: tuple(int(n) for n in text.split(",")),
        default=(0, 0, 0, 0, 0),
        help="steps each part lags behind in the parallel layout, as 0,1,1,2,2",
    )
    parser.add_argument("--steps", type=int, help="budget in steps: reproducible")
    parser.add_argument("--minutes", type=float, help="budget in minutes")
    parser.add_argument("--batch", type=int, default=16, help="sequences a step (default 16)")
    parser.add_argument("--lora-rate", type=float, default=2e-3)
    parser.add_argument("--table-rate", type=float, default=3e-3)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    parser.add_argument("--fresh", action="store_true", help="start over, ignoring saved progress")


def run(args: argparse.Namespace) -> None:
    train_instruct(
        InstructSettings(
            data=args.data,
            source=args.source,
            tokenizer=args.tokenizer,
            out=args.out,
            start_from=args.start_from,
            start_tokenizer=args.start_tokenizer,
            base_model=args.base_model,
            moe=read_mixture(args),
            gate_encoder=args.gate_encoder,
            layout=LayoutConfig(args.layout, args.delays),
            steps=args.steps,
            minutes=args.minutes,
            batch=args.batch,
            lora_rate=args.lora_rate,
            table_rate=args.table_rate,
            precision=args.precision,
            seed=args.seed,
            threads=args.threads,
            resume=not args.fresh,
        )
    )
