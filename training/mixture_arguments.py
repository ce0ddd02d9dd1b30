# SPDX-License-Identifier: Apache-2.0
"""The options of `hmvlm-train instruct` that shape the mixture of experts and its gate."""

import argparse

from backend.model.moe_lora import MoeLoraConfig
from backend.model.moe_lora.config import ALL_LINEAR


def add_mixture_arguments(parser: argparse.ArgumentParser) -> None:
    usual = MoeLoraConfig()
    parser.add_argument(
        "--experts", type=int, default=usual.num_experts, help="with the zero expert (default 5)"
    )
    parser.add_argument("--rank", type=int, default=usual.r, help="of one expert (default 8)")
    parser.add_argument(
        "--targets",
        type=lambda text: text if text == ALL_LINEAR else tuple(text.split(",")),
        default=usual.target_modules,
        help=f"layers that get experts, as q_proj,v_proj or {ALL_LINEAR} (default: the seven "
        "projections of a block)",
    )
    parser.add_argument(
        "--no-zero-expert", action="store_true", help="every expert has weights; none is the base"
    )
    parser.add_argument(
        "--gate-encoder",
        default="minilm",
        help="an asset, a folder, or open_clip:MODEL/PRETRAINED (default minilm)",
    )


def read_mixture(args: argparse.Namespace) -> MoeLoraConfig:
    """The mixture of the options; lora_alpha keeps its ratio to the rank."""
    return MoeLoraConfig(
        num_experts=args.experts,
        r=args.rank,
        lora_alpha=MoeLoraConfig().scaling * args.rank,
        target_modules=args.targets,
        zero_expert=not args.no_zero_expert,
    )
