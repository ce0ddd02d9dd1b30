# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train evaluate experts`: what the mixture costs as the number of experts grows."""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backend.errors import InvalidInput
from backend.model.loading import load_base
from backend.model.moe_lora import MoeLoraConfig, MoeLoraLinear, MoeLoraModel, get_moe_lora_model

BASE = "base model"


class ExplicitMixture(nn.Module):
    """Equation 1 as it is written: two products and a sum for each expert, for comparison only."""

    def __init__(self, fused: MoeLoraLinear, model: MoeLoraModel) -> None:
        super().__init__()
        self.base_layer = fused.base_layer
        self.rank, self.state = model.config.r, model.mixture
        self.factors = nn.ParameterList(
            p.detach().contiguous()
            for pair in zip(
                fused.lora_A.split(self.rank), fused.lora_B.split(self.rank, dim=1), strict=True
            )
            for p in pair
        )

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, N, in) -> (B, N, out)."""
        scale = self.state.scale
        y = self.base_layer(x)
        if scale is None:
            return y
        for i in range(len(self.factors) // 2):
            a, b = self.factors[2 * i], self.factors[2 * i + 1]
            y = y + F.linear(F.linear(x, a), b) * scale[:, i * self.rank, None, None].to(x)
        return y


@dataclass(frozen=True)
class ExpertFigures:
    """Latency of one variant. experts: 0 for the base model; the zero expert counts, where it is.

    rank: of all trained experts together. prefill, decode: milliseconds, medians of the repeats.
    The ratios are medians of this variant's time over the base model's of the same repeat.
    """

    variant: str
    experts: int
    rank: int
    prefill: float
    decode: float
    prefill_ratio: float
    decode_ratio: float


@dataclass(frozen=True)
class _Variant:
    name: str
    experts: int
    rank: int
    call: Callable[..., Any]


def build_variants(base: Any, experts: list[int], rank: int) -> list[_Variant]:
    """The base model, and for each number of experts the fused mixture and the explicit sum.

    All share the base's weights. One expert is a plain LoRA without a zero expert; from two on the
    zero expert is one of them, as in the paper.
    """
    variants = [_Variant(BASE, 0, 0, base)]
    device = base.get_input_embeddings().weight.device
    for count in experts:
        config = MoeLoraConfig(num_experts=count, r=rank, zero_expert=count > 1)
        fused = get_moe_lora_model(_sharing_weights(base), config)
        for module in fused.modules():
            if isinstance(module, MoeLoraLinear):
                nn.init.normal_(module.lora_B, std=0.01)
        alpha = torch.randn(1, count).softmax(dim=1).to(device)
        for name, model in (("fused", fused), ("explicit sum", _explicit(fused))):
            variants.append(_Variant(name, count, config.total_rank, _with_alpha(model, alpha)))
    return variants


def _with_alpha(model: MoeLoraModel, alpha: Tensor) -> Callable[..., Any]:
    return lambda **inputs: model(alpha=alpha, **inputs)


def _sharing_weights(model: nn.Module) -> Any:
    """A copy of the modules that uses the same tensors."""
    tensors = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def _explicit(fused: MoeLoraModel) -> MoeLoraModel:
    model = _sharing_weights(fused)
    for name, module in list(model.named_modules()):
        if isinstance(module, MoeLoraLinear):
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, ExplicitMixture(module, model))
    return model


@torch.inference_mode()
def measure(variants: list[_Variant], ids: Tensor, repeats: int) -> list[ExpertFigures]:
    """Time a prefill of ids (1, N) and a one-token decode after it, the variants taking turns.

    In each repeat every variant runs once, in an order that rotates, so that what else the machine
    does falls on all of them alike. One repeat before does not count.
    """
    prefill: list[list[float]] = [[] for _ in variants]
    decode: list[list[float]] = [[] for _ in variants]
    for repeat in range(repeats + 1):
        for turn in range(len(variants)):
            index = (turn + repeat) % len(variants)
            call = variants[index].call
            seconds, output = _timed(lambda call=call: call(input_ids=ids, use_cache=True))
            one = {"input_ids": ids[:, -1:], "past_key_values": output.past_key_values}
            step, _ = _timed(lambda call=call, one=one: call(use_cache=True, **one))
            if repeat:
                prefill[index].append(seconds)
                decode[index].append(step)

    def figures(index: int) -> ExpertFigures:
        variant = variants[index]
        times, ratios = [], []
        for kind in (prefill, decode):
            times.append(round(1000 * statistics.median(kind[index]), 2))
            paired = [own / base for own, base in zip(kind[index], kind[0], strict=True)]
            ratios.append(round(statistics.median(paired), 3))
        return ExpertFigures(variant.name, variant.experts, variant.rank, *times, *ratios)

    return [figures(index) for index in range(len(variants))]


def _timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and the result; on a GPU once everything queued is done."""
    _wait()
    begun = time.perf_counter()
    out = run()
    _wait()
    return time.perf_counter() - begun, out


def _wait() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _tiny() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=64,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
        )
    ).eval()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base-model", default="smollm2", help="an asset or a model folder")
    parser.add_argument("--tiny", action="store_true", help="a random toy instead of a base model")
    parser.add_argument(
        "--experts",
        type=lambda text: [int(n) for n in text.split(",")],
        default=[1, 2, 5, 9, 17],
        help="numbers of experts, the zero expert among them from 2 on (default 1,2,5,9,17)",
    )
    parser.add_argument("--rank", type=int, default=8, help="of one expert (default 8)")
    parser.add_argument("--tokens", type=int, default=64, help="length of the prompt (default 64)")
    parser.add_argument("--repeats", type=int, default=9, help="timings a variant (default 9)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--out", type=Path, help="also write the figures to this JSON file")


def run(args: argparse.Namespace) -> None:
    """Build every variant over one base model, time them in turn, print."""
    if min(args.repeats, args.threads, args.tokens, *args.experts) < 1:
        raise InvalidInput("--repeats, --threads, --tokens and --experts must be 1 or more.")
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    dtype = torch.float32 if args.device == "cpu" else torch.bfloat16
    base = _tiny() if args.tiny else load_base(args.base_model, dtype)[0]
    base.to(args.device)
    ids = torch.randint(0, base.config.get_text_config().vocab_size, (1, args.tokens))
    variants = build_variants(base, args.experts, args.rank)
    table = measure(variants, ids.to(args.device), args.repeats)
    report = {
        "base_model": "tiny" if args.tiny else args.base_model,
        "device": args.device,
        "dtype": str(dtype).removeprefix("torch."),
        "threads": args.threads,
        "tokens": args.tokens,
        "repeats": args.repeats,
        "expert_rank": args.rank,
        "figures": [asdict(row) for row in table],
    }
    if args.out:
        args.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if args.json:
        print(json.dumps(report))
        return
    print(
        f"{report['base_model']}, {args.device}, {report['dtype']}, {args.threads} threads; "
        f"medians of {args.repeats} interleaved repeats; experts of rank {args.rank}"
    )
    print(
        f"{'':14} {'experts':>7} {'total rank':>10} {f'prefill {args.tokens}':>12} {'x base':>7} "
        f"{'decode 1':>12} {'x base':>7}"
    )
    for row in table:
        print(
            f"{row.variant:14} {row.experts:7} {row.rank:10} {row.prefill:9.2f} ms "
            f"{row.prefill_ratio:7.3f} {row.decode:9.2f} ms {row.decode_ratio:7.3f}"
        )
