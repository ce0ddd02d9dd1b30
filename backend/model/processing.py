# SPDX-License-Identifier: Apache-2.0
"""From prompts and motion codes to the model's input rows, and back.

A sequence is a table of ids (N, P): a text or control token sits in column 0 of its row, a motion
step holds the codes of its parts in their columns, and EMPTY marks cells with nothing in them. The
model embeds a row as the sum of its cells, so both layouts and plain text share one code path.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .configuration import HmvlmConfig, LayoutConfig

EMPTY = -1
FEATURE = -2
"""In column 0: a row whose embedding is a feature of a picture, from the projector."""
IGNORE = -100
CONTROL_TOKENS: tuple[str, ...] = (
    "<motion>",
    "</motion>",
    "<pose>",
    "</pose>",
    "<last>",
    "<empty>",
)
STEPS_PER_SECOND = 5.0  # 20 frames a second, 4 frames a time step
FRAMES_PER_STEP = 4

MOTION_INSTRUCTION = "Animate:"
POSE_INSTRUCTION = "Pose:"
POSE_PROMPT = "the person in the picture"
"""What the gate reads after POSE_INSTRUCTION: a picture comes without words of its own."""
DESCRIBE_INSTRUCTION = "Describe:"
DESCRIBE_PROMPT = "the person in the clip"
"""What the gate reads after DESCRIBE_INSTRUCTION where nothing is asked about the clip."""
QUESTION_INSTRUCTION = "Answer the question."
SYSTEM_PROMPT = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"


@dataclass(frozen=True)
class Vocabulary:
    """Text ids keep their order; then motion (P x K), pose (P x K) and the control tokens."""

    text: int
    parts: int
    codes: int

    @property
    def motion_start(self) -> int:
        return self.text

    @property
    def pose_start(self) -> int:
        return self.text + self.parts * self.codes

    @property
    def control_start(self) -> int:
        return self.text + 2 * self.parts * self.codes

    @property
    def size(self) -> int:
        return self.control_start + len(CONTROL_TOKENS)

    def control(self, token: str) -> int:
        return self.control_start + CONTROL_TOKENS.index(token)

    def motion_ids(self, grid: np.ndarray) -> np.ndarray:
        """(N, P) codes, EMPTY where none -> (N, P) vocabulary ids."""
        offsets = self.motion_start + np.arange(self.parts) * self.codes
        return np.where(grid == EMPTY, EMPTY, grid + offsets)


class LayoutCodec:
    """Places codes (L, P) of L time steps and P parts on a grid of sequence steps, and back."""

    def __init__(self, config: LayoutConfig, parts: int) -> None:
        self.parts = parts
        self.flatten = config.name == "flatten"
        delays = (0,) * parts if self.flatten else tuple(config.delays)
        if len(delays) != parts or min(delays) < 0 or delays[0] != 0:
            raise ValueError(f"delays must be {parts} numbers of 0 or more, the first 0: {delays}")
        self.delays = delays

    def length(self, steps: int) -> int:
        """Rows that L time steps take."""
        return steps * self.parts if self.flatten else steps + max(self.delays) * (steps > 0)

    def to_grid(self, codes: np.ndarray) -> np.ndarray:
        """(L, P) codes -> (N, P) grid with EMPTY cells."""
        steps = len(codes)
        grid = np.full((self.length(steps), self.parts), EMPTY, dtype=np.int64)
        for part in range(self.parts):
            grid[self._rows(steps, part), part] = codes[:, part]
        return grid

    def from_grid(self, grid: np.ndarray) -> np.ndarray:
        """(N, P) grid -> (L, P) codes of every time step whose parts are all there."""
        span = len(grid)
        steps = span // self.parts if self.flatten else max(span - max(self.delays), 0)
        return np.stack([grid[self._rows(steps, part), part] for part in range(self.parts)], axis=1)

    def parts_at(self, row: int) -> list[tuple[int, int]]:
        """(part, time step) of each cell that row fills while the motion goes on."""
        if self.flatten:
            return [(row % self.parts, row // self.parts)]
        return [(p, row - d) for p, d in enumerate(self.delays) if row >= d]

    def end_row(self, steps: int) -> int:
        """The row whose part 0 is the end after L time steps."""
        return steps * self.parts if self.flatten else steps

    def _rows(self, steps: int, part: int) -> np.ndarray:
        at = np.arange(steps)
        return at * self.parts + part if self.flatten else at + self.delays[part]


@dataclass(frozen=True)
class Sample:
    """One training sequence.

    ids (N, P): input rows, of which the first prompt_rows come before the motion. labels (N, P):
    what each row predicts, as codes of the part (K = end, in column 0), IGNORE where nothing.
    """

    ids: np.ndarray
    labels: np.ndarray
    prompt_rows: int


class HmvlmProcessor:
    """Text tokenizer, vocabulary, layout and templates of one model."""

    def __init__(self, config: HmvlmConfig, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.vocabulary = Vocabulary(config.text_vocab_size, config.parts, config.codebook_size)
        self.layout = LayoutCodec(config.layout, config.parts)
        self.parts, self.codes = config.parts, config.codebook_size

    def gate_text(self, prompt: str, instruction: str = MOTION_INSTRUCTION) -> str:
        """What the gate reads for a request: instruction and prompt."""
        return f"{instruction} {prompt}".strip()

    def motion_text(self, prompt: str, seconds: float | None) -> str:
        """The text template, short because every token of it costs as much as a motion step."""
        text = f"{MOTION_INSTRUCTION} {prompt.strip()}"
        return text if seconds is None else f"{text}\nseconds: {seconds:.1f}"

    def prompt_ids(
        self, prompt: str, seconds: float | None = None, last: np.ndarray | None = None
    ) -> np.ndarray:
        """Rows up to and with <motion>. last: (P,) codes the motion shall end on.

        Continuing a motion needs no words: its first tokens follow <motion> (HMVLM's template
        'text + first tokens'); ending in a pose puts the last token before it ('text + last').
        """
        text = self.tokenizer.encode(self.motion_text(prompt, seconds), add_special_tokens=False)
        rows = [self._column(np.array(text, dtype=np.int64))]
        if last is not None:
            rows.append(self._control("<last>"))
            rows.append(self.vocabulary.motion_ids(self.layout_single(last)))
        rows.append(self._control("<motion>"))
        return np.concatenate(rows)

    def pose_ids(self, features: int) -> np.ndarray:
        """(N, P) rows of a pose request: instruction, M rows of the picture, <pose>.

        The last row predicts the P codes of the pose.
        """
        text = self.tokenizer.encode(POSE_INSTRUCTION, add_special_tokens=False)
        picture = self._column(np.full(features, FEATURE, dtype=np.int64))
        return np.concatenate(
            [self._column(np.array(text, dtype=np.int64)), picture, self._control("<pose>")]
        )

    def describe_ids(self, features: int, seconds: float, question: str = "") -> np.ndarray:
        """(N, P) rows of a request to describe a clip or, with a question, to answer it: words,
        length, the clip's rows, a new line. The last row predicts the answer's first token."""
        asked = f"Question: {question.strip()}" if question.strip() else DESCRIBE_INSTRUCTION
        clip = self._column(np.full(features, FEATURE, dtype=np.int64))
        text = self.text_rows(f"{asked}\nseconds: {seconds:.1f}\n")
        return np.concatenate([text, clip, self.text_rows("\n")])

    def layout_single(self, codes: np.ndarray) -> np.ndarray:
        """(P,) codes of one time step -> (1, P): a whole step in one row, in either layout."""
        return np.asarray(codes, dtype=np.int64).reshape(1, self.parts)

    def motion_rows(self, codes: np.ndarray) -> np.ndarray:
        """(L, P) codes -> (N, P) ids; rows not yet complete because of delays are included."""
        return self.vocabulary.motion_ids(self.layout.to_grid(codes))

    def sample(
        self,
        prompt: str,
        codes: np.ndarray,
        *,
        seconds: float | None = None,
        with_last: bool = False,
        ends: bool = True,
    ) -> Sample:
        """A training sequence for codes (L, P). ends: the clip really ends here, so predict it."""
        head = self.prompt_ids(prompt, seconds, codes[-1] if with_last else None)
        grid = self.layout.to_grid(codes)
        targets = np.where(grid == EMPTY, IGNORE, grid)
        end = self.layout.end_row(len(codes))
        ids = self.vocabulary.motion_ids(grid)
        if ends:
            if end == len(targets):
                targets = np.concatenate([targets, np.full((1, self.parts), IGNORE)])
            targets[end, 0] = self.codes
            if end < len(ids):
                ids[end, 0] = self.vocabulary.control("</motion>")
        inputs = np.concatenate([head, ids[: len(targets) - 1]])
        labels = np.full((len(inputs), self.parts), IGNORE, dtype=np.int64)
        labels[len(head) - 1 :] = targets
        return Sample(inputs, labels, len(head))

    def chat_text(self, messages: list[dict[str, str]]) -> str:
        """The base model's own chat template, so that chat is the base model's."""
        return self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )

    def text_rows(self, text: str) -> np.ndarray:
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        return self._column(np.array(ids, dtype=np.int64))

    def _control(self, token: str) -> np.ndarray:
        return self._column(np.array([self.vocabulary.control(token)]))

    def _column(self, ids: np.ndarray) -> np.ndarray:
        rows = np.full((len(ids), self.parts), EMPTY, dtype=np.int64)
        rows[:, 0] = ids
        return rows


def seconds_to_steps(seconds: float) -> int:
    """Time steps that cover `seconds`, at least one."""
    return max(1, round(seconds * STEPS_PER_SECOND))


def steps_to_seconds(steps: int) -> float:
    return steps / STEPS_PER_SECOND
