# SPDX-License-Identifier: Apache-2.0
"""The motion tokenizer: smpl22 rows to discrete body-part codes and back (HMVLM, section 3.2)."""

from .config import KINDS, MotionTokenizerConfig, tokenizer_config
from .model import MotionTokenizer, TokenizerOutput

__all__ = [
    "KINDS",
    "MotionTokenizer",
    "MotionTokenizerConfig",
    "TokenizerOutput",
    "tokenizer_config",
]
