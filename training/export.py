# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train export`: put a trained run where the backend finds it, with its card and digests."""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from safetensors.torch import load_file, save_file

from backend import assets
from backend.errors import AssetError, InvalidInput
from backend.model.compact import compact, expand
from backend.model.configuration import HmvlmConfig
from backend.model.loading import (
    ADAPTER_FOLDER,
    BASELINES_FOLDER,
    DEFAULT_CHECKPOINT,
    POSE_TOKENIZER_FOLDER,
    TOKENIZER_FOLDER,
    load_pose_tokenizer,
)
from backend.model.moe_lora import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from backend.motion.tokenizer import MotionTokenizer

from .card_tables import ABLATION, GATE, TASKS, ablation_table, budget, gate_table, tasks_table
from .instruct_settings import RUN_FILE, portable

MAX_BYTES = 44_000_000
CARD = "model_card.md"
FIGURES = "figures.json"


def export(
    run: Path,
    tokenizer: Path,
    out: Path,
    baselines: list[Path] | None = None,
    reports: list[Path] | None = None,
) -> Path:
    """Write adapter (a byte a number), tokenizers (half precision), card, figures and manifest.

    reports: JSON files of `hmvlm-train evaluate ... --out`, `compare-tasks` and `ablate-gate`, each
    named after its command, whose figures the card quotes. The folder is made beside `out` and
    moved there whole: a failed export leaves the old weights. Raises AssetError when the run does
    not fit the tokenizer, InvalidInput when it is too large.
    """
    config = HmvlmConfig.load(run / ADAPTER_FOLDER)
    parts, codes, _ = MotionTokenizer.from_pretrained(tokenizer).codebook_vectors().shape
    if (parts, codes) != (config.parts, config.codebook_size):
        raise AssetError(
            f"{run} was trained for {config.parts} x {config.codebook_size} codes, {tokenizer} has "
            f"{parts} x {codes}: give the tokenizer that the run was trained with."
        )
    record = _read_json(run / RUN_FILE)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out.parent) as scratch:
        ready = Path(scratch) / "ready"
        _copy_adapter(run / ADAPTER_FOLDER, ready / ADAPTER_FOLDER)
        _copy_tokenizer(tokenizer, ready / TOKENIZER_FOLDER)
        if config.vision is not None:
            poses = load_pose_tokenizer(run / POSE_TOKENIZER_FOLDER, config)
            poses.save_pretrained(ready / POSE_TOKENIZER_FOLDER)
        for baseline in baselines or []:
            _copy_tokenizer(baseline, ready / BASELINES_FOLDER / baseline.name)
        figures = {path.stem: _read_json(path) for path in reports or []}
        _write_json(ready / FIGURES, figures)
        made = _read_json(tokenizer / RUN_FILE) if (tokenizer / RUN_FILE).is_file() else {}
        # so that weights trained further from these can say where they come from
        _write_json(ready / RUN_FILE, {"model": portable(record), "tokenizer": portable(made)})
        card = model_card(config, record, figures, made)
        (ready / CARD).write_text(card, encoding="utf-8")
        assets.write_manifest(ready, record_times=False, base_sha256=config.base_sha256)
        size = sum(path.stat().st_size for path in ready.rglob("*") if path.is_file())
        if size > MAX_BYTES:
            raise InvalidInput(
                f"The export takes {size:,} bytes; at most {MAX_BYTES:,} are shipped."
            )
        if out.exists():
            shutil.rmtree(out)
        ready.rename(out)
    return out


def model_card(config: HmvlmConfig, record: dict, figures: dict, tokenizer: dict) -> str:
    """The model card: what it is, what it was made from, how good it is, what it is for.

    record, tokenizer: what the two training runs wrote about themselves.
    """
    last = {k: v for k, v in record.get("last", {}).items() if k.startswith("val_")}
    lines = [
        "---",
        "license: cc-by-nc-4.0",
        "base_model: HuggingFaceTB/SmolLM2-135M-Instruct",
        "tags: [motion-generation, text-to-motion, blender]",
        "---",
        "",
        "# HMVLM, embedded default",
        "",
        "Experts, gate, vocabulary and body-part tokenizers that turn a frozen "
        f"SmolLM2-135M-Instruct into a model which {_can(config)} (HMVLM, NeurIPS 2025).",
        "",
        "| part | |",
        "|---|---|",
        f"| base model | `{config.base_model}`, sha256 `{config.base_sha256[:16]}...` |",
        f"| experts | {config.moe.num_experts} with the zero expert, rank {config.moe.r}, on "
        f"{', '.join(config.moe.target_modules)} |",
        f"| motion codes | {config.parts} x {config.codebook_size}, 5 steps a second |",
        f"| layout | {config.layout.name}, delays {list(config.layout.delays)} |",
        f"| trained parameters | {record.get('trained_parameters', 0):,} |",
        "",
        "## Training",
        "",
        f"{record.get('clips', 0):,} clips (mirrored and composed ones included), "
        f"{record.get('steps_done', 0):,} steps of {_batches(record)}, "
        f"{record.get('seconds', 0) / 60:.0f} minutes, base model in "
        f"{record.get('precision', 'fp32')}. Next-token loss, L_gat on prompts unrelated to "
        "motion. Pictures and clips are landmarks simulated from the motions.",
        *_earlier_training(record.get("earlier", [])),
        "",
        "Validation (nats a token, joints in mm): "
        + (", ".join(f"{k.removeprefix('val_')} {v:.3f}" for k, v in last.items()) or "not run")
        + ".",
        "",
        f"The motion tokenizer: {tokenizer.get('steps_done', 0):,} steps of "
        f"{tokenizer.get('batch', 0)} windows, {tokenizer.get('seconds', 0) / 60:.0f} minutes. "
        f"Prepared data: `{record.get('data_hash', '?')}` for the language model, "
        f"`{tokenizer.get('data_hash', '?')}` for the tokenizer.",
        "",
        "## Reproduce",
        "",
        "    hmvlm-train prepare --source DATA --out prepared",
        "    hmvlm-train tokenizer --data prepared --out runs/tokenizer --kind body_part "
        f"--steps {tokenizer.get('steps_done', 0)} --precision "
        f"{tokenizer.get('precision', 'fp32')}",
        *(_ALIGNING if config.vision is not None else ()),
        *_instruct_commands([*record.get("earlier", []), record]),
        "    hmvlm-train export --run runs/instruct --tokenizer runs/tokenizer/body_part",
        "",
        "DATA holds the motion packs, captions and prompts listed under *Data and licence*."
        + (
            " BEFORE is the folder of the weights before these, whose card says how they were made."
            if any(run.get("carried_over") for run in [*record.get("earlier", []), record])
            else ""
        ),
        *_notes(record, tokenizer),
        "",
        "## Measured",
        "",
        *_figures(figures),
        "",
        "## Data and licence",
        "",
        "Trained on the Bandai Namco Research Motion Datasets 1 and 2 (CC BY-NC 4.0), the CMU "
        "Graphics Lab Motion Capture Database, and DeepMimic's clips (MIT). Because of the first, "
        "these weights are CC BY-NC 4.0: for non-commercial use. The base model is Apache-2.0 and "
        "is not part of this folder.",
        "",
        "## Limits",
        "",
        "Locomotion, turning, waving, raising hands, bowing, and a few sports, dances and "
        "acrobatics in a score of styles; no objects, no second person, no fingers or face. "
        "Sentences far from these give a plausible but wrong motion. Poses and clips are read "
        "through BlazePose's landmarks, one person at a time: what it misses, the model misses.",
    ]
    return "\n".join(lines) + "\n"


_ALIGNING = (
    "    hmvlm-train pose-tokenizer --data prepared --out runs/pose-tokenizer",
    "    hmvlm-train align --data prepared --pose-tokenizer runs/pose-tokenizer/body_part --out "
    "runs/align",
)
_SIZES = {"motion": "batch", "pose": "pose_batch", "video": "clip_batch"}
_NOUNS = {"motion": "motions", "pose": "people", "video": "clips to describe"}


def _can(config: HmvlmConfig) -> str:
    seeing = config.vision
    if seeing is None:
        return "writes human motion"
    more = ", and describes clips" if seeing.clip_rows else ""
    return f"writes human motion, reads poses from pictures{more}"


def _batches(run: dict) -> str:
    tasks = run.get("tasks", ["motion"])
    return " and ".join(f"{run.get(_SIZES[task], 0)} {_NOUNS[task]}" for task in tasks)


def _task_options(run: dict) -> str:
    """What the command of a run says of its tasks, where that is not motion alone."""
    tasks = run.get("tasks", ["motion"])
    if tasks == ["motion"]:
        return ""
    sizes = "".join(
        f"--{_SIZES[task].replace('_', '-')} {run.get(_SIZES[task], 0)} " for task in tasks
    )
    aligned = "--alignment runs/align " if run.get("aligned") else ""
    share = run.get("samples", {}).get("composite_share", 0.25)
    if "motion" in tasks and share != 0.25:
        sizes += f"--composite-share {share:g} "
    return f"--tasks {','.join(tasks)} {aligned}{sizes}"


def _earlier_training(earlier: list[dict]) -> list[str]:
    return [
        f"Before that, {run.get('steps_done', 0):,} steps of {_batches(run)} in "
        f"{run.get('seconds', 0) / 60:.0f} minutes, in {run.get('precision', 'fp32')}, on prepared "
        f"data `{run.get('data_hash', '?')}`."
        for run in earlier
    ]


def _instruct_commands(runs: list[dict]) -> list[str]:
    """The runs that follow on one another, the last one into runs/instruct.

    A run whose tables were carried over begins anew with another tokenizer: what came before it
    is in the folder of the weights that it began with.
    """
    carried = [index for index, run in enumerate(runs) if run.get("carried_over")]
    runs = runs[carried[-1] :] if carried else runs
    out = []
    for number, run in enumerate(runs, 1):
        folder = "runs/instruct" + (f"-{number}" if number < len(runs) else "")
        start = f"--start-from runs/instruct-{number - 1}/adapter " if number > 1 else ""
        if run.get("carried_over"):
            start = "--start-from BEFORE/adapter --start-tokenizer BEFORE/tokenizer "
        out.append(
            "    hmvlm-train instruct --data prepared --source DATA --tokenizer "
            f"runs/tokenizer/body_part {start}{_task_options(run)}--out {folder} "
            f"--steps {run.get('steps_done', 0)} "
            f"--lora-rate {run.get('lora_rate', 2e-3):g} --table-rate "
            f"{run.get('table_rate', 3e-3):g} --precision {run.get('precision', 'fp32')} "
            f"--seed {run.get('seed', 0)}"
            + (" --router-rate 0" if run.get("router_rate") == 0 else "")
        )
    return out


def _notes(*records: dict) -> list[str]:
    return [line for record in records if "note" in record for line in ("", record["note"])]


def _figures(figures: dict) -> list[str]:
    if not figures:
        return ["No evaluation was given to this export."]
    rows = [
        f"| {name} | {key} | {value:g} |"
        for name, report in figures.items()
        if name not in (TASKS, ABLATION)
        # of figures by group, those of all groups together
        for key, value in _numbers(report.get("all", report))
    ]
    out = ["| evaluation | figure | value |", "|---|---|---|", *rows] if rows else []
    shares = gate_table(figures.get(GATE, {}))
    if shares:
        out += ["", "### Mean share of each expert, by task", "", *shares]
    if TASKS in figures:
        out += ["", "### One task alone against all together (`compare-tasks`)", ""]
        out += tasks_table(figures[TASKS])
    if ABLATION in figures:
        out += ["", "### Text to motion with and without L_gat (`ablate-gate`)", ""]
        out += [f"From nothing, {budget(figures[ABLATION])} each.", ""]
        out += ablation_table(figures[ABLATION])
    return out


def _numbers(report: object, prefix: str = "") -> list[tuple[str, float]]:
    """The numbers of a report two levels deep, with dotted names."""
    if not isinstance(report, dict):
        return []
    out: list[tuple[str, float]] = []
    for key, value in report.items():
        name = f"{prefix}{key}"
        if isinstance(value, int | float) and not isinstance(value, bool):
            out.append((name, value))
        elif isinstance(value, dict) and not prefix:
            out += _numbers(value, f"{name}.")
    return out


def _copy_adapter(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    state = compact(expand(load_file(source / ADAPTER_WEIGHTS)))
    save_file(state, target / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    shutil.copyfile(source / ADAPTER_CONFIG, target / ADAPTER_CONFIG)


def _copy_tokenizer(source: Path, target: Path) -> None:
    # save_pretrained is what leaves training state out and writes half precision
    MotionTokenizer.from_pretrained(source).save_pretrained(target)


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise AssetError(f"{path} is missing or no JSON: finish that run first.") from error


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="run folder of `instruct`")
    parser.add_argument(
        "--tokenizer", type=Path, required=True, help="the motion tokenizer it was trained with"
    )
    parser.add_argument(
        "--baselines", type=Path, nargs="*", default=[], help="tokenizers to ship for comparison"
    )
    parser.add_argument(
        "--reports",
        type=Path,
        nargs="*",
        default=[],
        help="JSON of `evaluate ... --out`, and what compare-tasks and ablate-gate wrote",
    )
    parser.add_argument(
        "--out", type=Path, default=DEFAULT_CHECKPOINT, help=f"default {DEFAULT_CHECKPOINT.name}"
    )


def run(args: argparse.Namespace) -> None:
    folder = export(args.run, args.tokenizer, args.out, args.baselines, args.reports)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 1e6:.1f} MB")
