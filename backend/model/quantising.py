# SPDX-License-Identifier: Apache-2.0
"""A frozen base model in 4 or 8 bits, through bitsandbytes."""

import importlib.util
import os
from typing import Any

import torch

from ..errors import InvalidInput

QUANTISATIONS = ("4bit", "8bit")


def options(kind: str, dtype: torch.dtype) -> dict[str, Any]:
    """What from_pretrained needs to load a model in `kind`, one of QUANTISATIONS.

    4bit: NormalFloat with the scales quantised too, computing in `dtype` (Dettmers et al. 2023,
    QLoRA). Raises InvalidInput without bitsandbytes or without a CUDA device.
    """
    if kind not in QUANTISATIONS:
        raise InvalidInput(
            f"A base model is quantised to {' or '.join(QUANTISATIONS)}: not {kind}."
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise InvalidInput(
            "--quantise needs bitsandbytes: install it with `uv sync --group quantised`, or leave "
            "--quantise out."
        )
    if not torch.cuda.is_available():
        raise InvalidInput("--quantise needs a CUDA GPU: leave it out on this machine.")
    from transformers import BitsAndBytesConfig

    if kind == "8bit":
        config = BitsAndBytesConfig(load_in_8bit=True)
    else:
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    # quantised weights are made on the device where they stay: each process has its own
    device = int(os.environ.get("LOCAL_RANK", "0"))
    return {"quantization_config": config, "device_map": {"": device}}
