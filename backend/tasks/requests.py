# SPDX-License-Identifier: Apache-2.0
"""What can be asked of the model and what is refused; importable without torch."""

import math
from dataclasses import dataclass

from blender_addon.shared.motion import Motion

from ..errors import InvalidInput

MIN_SECONDS = 1.0
MAX_SECONDS = 30.0
MAX_PROMPT_CHARS = 1000
MAX_SEED = 2**63 - 1
MAX_TEMPERATURE = 5.0
MAX_GUIDANCE = 10.0
DEFAULT_GUIDANCE = 3.0


@dataclass(frozen=True)
class TextToMotionParams:
    """A sentence to a motion.

    seconds: length of the result, None lets the model choose. start: a motion to go on from (its
    last seconds are used, and begin the result). end: a motion whose last pose the result ends in.
    guidance: above 1, the words weigh more; 1 is the paper's plain sampling.
    """

    prompt: str
    seconds: float | None = None
    seed: int = 0
    temperature: float = 1.0
    top_p: float = 0.9
    guidance: float = DEFAULT_GUIDANCE
    start: Motion | None = None
    end: Motion | None = None


def validate(params: TextToMotionParams) -> None:
    """Raises InvalidInput, with what to do instead, for a request that cannot be served."""
    check_prompt(params.prompt)
    if params.seconds is not None:
        _within("The length", params.seconds, MIN_SECONDS, MAX_SECONDS, " seconds")
    if not isinstance(params.seed, int) or not 0 <= params.seed <= MAX_SEED:
        raise InvalidInput(f"The seed must be a whole number from 0 to {MAX_SEED}.")
    _within("The temperature", params.temperature, 0.0, MAX_TEMPERATURE)
    _within("top_p", params.top_p, 0.01, 1.0)
    _within("The guidance", params.guidance, 0.0, MAX_GUIDANCE)
    for name, motion in (("start", params.start), ("end", params.end)):
        if motion is not None and motion.num_frames < 2:
            raise InvalidInput(
                f"The {name} motion has one frame: give one of at least 0.2 seconds."
            )


def check_prompt(prompt: str) -> None:
    """Raises InvalidInput for a prompt that is empty, too long or no text."""
    if not isinstance(prompt, str):
        raise InvalidInput("The prompt must be text.")
    if not prompt.strip():
        raise InvalidInput("The prompt is empty. Describe a motion, as: a man walks and waves.")
    if len(prompt) > MAX_PROMPT_CHARS:
        raise InvalidInput(
            f"The prompt has {len(prompt):,} characters, {MAX_PROMPT_CHARS:,} are allowed. "
            "Describe one motion in a sentence or two."
        )


def _within(name: str, value: float, low: float, high: float, unit: str = "") -> None:
    usable = isinstance(value, (int, float)) and math.isfinite(value)
    if not usable or not low <= value <= high:
        raise InvalidInput(f"{name} must be from {low:g} to {high:g}{unit}; you gave {value}.")
