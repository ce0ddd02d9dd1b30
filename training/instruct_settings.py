# SPDX-License-Identifier: Apache-2.0
"""The settings of instruction tuning, and how a finished run's are read back."""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path

from backend.errors import AssetError, InvalidInput
from backend.model.configuration import LayoutConfig
from backend.model.moe_lora import MoeLoraConfig

from .gating import GateWeights
from .instruct_data import SampleSettings

RUN_FILE = "training.json"
_NEWER = (
    *("gate_encoder", "micro_batch", "quantise", "warm_up", "final_rate", "weight_decay"),
    *("tasks", "alignment", "pose_batch", "clip_batch", "joints"),
)
_FOLDERS = ("data", "source", "tokenizer", "out", "start_from", "start_tokenizer", "alignment")
TASKS: tuple[str, ...] = ("motion", "pose", "video")
"""What one model can be taught together."""


@dataclass(frozen=True)
class InstructSettings:
    """One training run of the language model, on one task or on several together.

    tasks: of TASKS; a step's batch holds `batch` rows of motion, `pose_batch` people for poses and
    `clip_batch` clips to describe. alignment: the finished run of stage 1 (`hmvlm-train align`)
    whose projector, heads and pose tokenizer the last two begin with. joints: weight of the joints'
    error beside that of the pose codes (see pose_code_loss).
    source: the folder with prompts and human captions for the gate. start_from: an adapter folder
    whose experts, gate and tables are trained further. start_tokenizer: the tokenizer of that
    adapter, where it is another one: the tables are then carried over. batch: sequences a step, of
    all processes together; micro_batch: how many one process computes at once (None: all its own).
    general_every: every how many steps a batch of general questions and answers is added to L_fm.
    moe, gate_encoder: the mixture and what its gate reads prompts with (see GateConfig).
    precision: of the frozen base model and of the products with the experts, whose own weights
    stay in single precision (see PRECISIONS). quantise: "4bit" or "8bit", the base model's frozen
    weights in that many bits (needs bitsandbytes and a CUDA GPU).
    warm_up: fraction of the budget. final_rate: fraction of the rates that is left at the end.
    """

    data: Path
    source: Path
    tokenizer: Path
    out: Path
    start_from: Path | None = None
    start_tokenizer: Path | None = None
    tasks: tuple[str, ...] = ("motion",)
    alignment: Path | None = None
    pose_batch: int = 32
    clip_batch: int = 12
    joints: float = 5.0
    base_model: str = "smollm2"
    moe: MoeLoraConfig = field(default_factory=MoeLoraConfig)
    gate_encoder: str = "minilm"
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    steps: int | None = None
    minutes: float | None = None
    batch: int = 16
    micro_batch: int | None = None
    quantise: str | None = None
    warm_up: float = 0.04
    final_rate: float = 0.03
    weight_decay: float = 0.01
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

    def __post_init__(self) -> None:
        unknown = [task for task in self.tasks if task not in TASKS]
        if unknown or not self.tasks:
            raise InvalidInput(
                f"There is no task '{', '.join(unknown)}': choose of {', '.join(TASKS)}."
            )

    @property
    def bordered(self) -> bool:
        """Whether the gate learns which prompts are the zero expert's: not without one, and not in
        the ablation without L_gat."""
        return self.moe.zero_expert and self.gate.eta > 0

    @property
    def sees(self) -> bool:
        """Whether a task reads landmarks."""
        return "pose" in self.tasks or "video" in self.tasks


def read_settings(run: Path) -> tuple[InstructSettings, dict]:
    """The settings of a finished run and the whole record it left."""
    path = run / RUN_FILE
    try:
        record = json.loads(path.read_text("utf-8"))
        # runs from before these were settings have the defaults
        record = {"moe": {}, **{name: getattr(InstructSettings, name) for name in _NEWER}, **record}
        known = {f.name: record[f.name] for f in fields(InstructSettings)}
    except (OSError, ValueError, KeyError) as error:
        raise AssetError(f"{run} is not a finished run of `hmvlm-train instruct`.") from error
    for name in ("data", "source", "tokenizer", "out"):
        known[name] = Path(known[name])
    known["tasks"] = tuple(known["tasks"])
    for name in ("start_from", "start_tokenizer", "alignment"):
        known[name] = Path(known[name]) if known[name] is not None else None
    layout = known["layout"]
    known["layout"] = LayoutConfig(layout["name"], tuple(layout["delays"]))
    known["moe"] = MoeLoraConfig.from_dict(known["moe"])
    known["samples"] = SampleSettings(**known["samples"])
    known["gate"] = GateWeights(**known["gate"])
    return InstructSettings(**known), record


def portable(record: dict) -> dict:
    """A run's record without the folders of the machine it ran on."""
    return {k: v for k, v in record.items() if k not in _FOLDERS}
