# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train instruct`: train the experts, the gate and the tables (sections 3.1 and 3.2)."""

import argparse
from pathlib import Path

from backend.errors import InvalidInput
from backend.model.configuration import LayoutConfig
from backend.model.quantising import QUANTISATIONS

from .gating import GateWeights
from .instruct import train_instruct
from .instruct_config import DEFAULTS, resolve
from .instruct_data import SampleSettings
from .instruct_settings import TASKS, InstructSettings
from .mixture_arguments import add_mixture_arguments, read_mixture
from .precision import CHOICES, chosen_precision

_LAYOUTS = ("parallel", "flatten")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="prepared data folder")
    parser.add_argument("--source", type=Path, required=True, help="folder with prompts/")
    parser.add_argument("--tokenizer", type=Path, required=True, help="trained motion tokenizer")
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    parser.add_argument(
        "--config",
        metavar="NAME|FILE",
        help="embedded, paper-vicuna, paper-gemma or a TOML file; other options win over it",
    )
    parser.add_argument("--start-from", type=Path, help="adapter folder to train further")
    parser.add_argument(
        "--start-tokenizer", type=Path, help="tokenizer of that adapter, if it is another one"
    )
    parser.add_argument(
        "--tasks",
        type=lambda text: tuple(text.split(",")),
        help=f"of {','.join(TASKS)}, learned together (default motion)",
    )
    parser.add_argument(
        "--alignment", type=Path, help="run of `hmvlm-train align`, for pose and video"
    )
    parser.add_argument(
        "--base-model", help="an asset, a model folder or OWNER/MODEL on the hub (default smollm2)"
    )
    parser.add_argument(
        "--quantise", choices=QUANTISATIONS, help="the base model's weights, with bitsandbytes"
    )
    add_mixture_arguments(parser)
    parser.add_argument("--layout", choices=_LAYOUTS)
    parser.add_argument(
        "--delays",
        type=lambda text: tuple(int(n) for n in text.split(",")),
        help="steps each part lags behind in the parallel layout, as 0,1,1,2,2",
    )
    parser.add_argument("--steps", type=int, help="budget in steps: reproducible")
    parser.add_argument("--minutes", type=float, help="budget in minutes")
    parser.add_argument("--batch", type=int, help="sequences a step (default 16)")
    parser.add_argument("--pose-batch", type=int, help="people a step (default 32)")
    parser.add_argument("--clip-batch", type=int, help="clips to describe a step (default 12)")
    parser.add_argument(
        "--composite-share", type=float, help="motion clips of two actions (default 0.25)"
    )
    parser.add_argument(
        "--micro-batch", type=int, help="sequences that a process computes at once (default: all)"
    )
    parser.add_argument("--lora-rate", type=float, help="default 2e-3")
    parser.add_argument("--table-rate", type=float, help="default 3e-3")
    parser.add_argument("--router-rate", type=float, help="default 2e-4")
    parser.add_argument(
        "--gate-eta",
        type=float,
        help="weight of L_gat; 0 leaves it out, and with it the border (default 1)",
    )
    parser.add_argument(
        "--precision", choices=CHOICES, help="default fp32; auto: the faster one here"
    )
    parser.add_argument("--seed", type=int, help="default 0")
    parser.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    parser.add_argument("--fresh", action="store_true", help="start over, ignoring saved progress")
    # what was not given is told apart from what was, so that a configuration can say it
    parser.set_defaults(**dict.fromkeys(DEFAULTS))


def run(args: argparse.Namespace) -> None:
    train_instruct(read_arguments(args))


def read_arguments(args: argparse.Namespace) -> InstructSettings:
    """The settings of a command line: its options over its configuration over the defaults."""
    values = resolve(args.config, vars(args))
    for key, allowed in (
        ("layout", _LAYOUTS),
        ("precision", CHOICES),
        ("quantise", (None, *QUANTISATIONS)),
    ):
        if values[key] not in allowed:
            raise InvalidInput(f"'{key}' must be one of {allowed}, not {values[key]!r}.")
    values["precision"] = chosen_precision(values["precision"])
    return InstructSettings(
        data=args.data,
        source=args.source,
        tokenizer=args.tokenizer,
        out=args.out,
        start_from=args.start_from,
        start_tokenizer=args.start_tokenizer,
        alignment=args.alignment,
        moe=read_mixture(argparse.Namespace(**values)),
        layout=LayoutConfig(values["layout"], values["delays"]),
        gate=GateWeights(values["gate_eta"], values["gate_motion"], values["gate_balance"]),
        samples=SampleSettings(composite_share=values["composite_share"]),
        resume=not args.fresh,
        **{
            key: values[key]
            for key in (
                "tasks",
                "pose_batch",
                "clip_batch",
                "base_model",
                "quantise",
                "gate_encoder",
                "steps",
                "minutes",
                "batch",
                "micro_batch",
                "lora_rate",
                "table_rate",
                "router_rate",
                "warm_up",
                "final_rate",
                "weight_decay",
                "label_smoothing",
                "precision",
                "seed",
                "threads",
            )
        },
    )
