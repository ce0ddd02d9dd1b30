# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train evaluate describe`: captions of simulated clips of people never trained on."""

import argparse
import json
from pathlib import Path

import numpy as np

from backend.errors import InvalidInput
from backend.model.configuration import HmvlmConfig
from backend.model.hmvlm import Hmvlm
from backend.model.loading import ADAPTER_FOLDER, build_hmvlm
from training.data.prepared import SPLITS, PreparedDataset

from .caption_loss import caption_scores, describe_batch
from .clip_samples import ClipSettings, ClipSource

_SHOWN = 12


def evaluate(
    model: Hmvlm, source: ClipSource, clips: int | None = None
) -> tuple[dict[str, float], list[dict[str, str]]]:
    """Scores of greedy captions (see caption_scores), and each clip's caption.

    clips: how many, drawn by the source's seed; all that can be described when None. Raises
    InvalidInput for none, AssetError for a model that reads no clips.
    """
    model.watching()
    chosen = source.usable
    if clips is not None and clips < len(chosen):
        chosen = np.sort(np.random.default_rng(source.seed).permutation(chosen)[: max(clips, 0)])
    if len(chosen) == 0:
        raise InvalidInput("There is no clip to evaluate on: no caption of the split describes it.")
    batch = source.of_clips(chosen, np.random.default_rng(source.seed))
    captions = describe_batch(model, batch)
    told = [
        {
            "clip": source.data.clips[index].id,
            "content": source.data.clips[index].content,
            "caption": caption,
        }
        for index, caption in zip(chosen.tolist(), captions, strict=True)
    ]
    return caption_scores(captions, source, chosen), told


def load_watching(checkpoint: Path) -> Hmvlm:
    """The model of exported weights or a run folder, without what makes motion. Raises AssetError
    for weights that read no clips."""
    model = build_hmvlm(HmvlmConfig.load(checkpoint / ADAPTER_FOLDER))
    model.load_adapter(checkpoint / ADAPTER_FOLDER)
    model.watching()
    return model.eval().requires_grad_(False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="prepared data folder")
    parser.add_argument("--checkpoint", type=Path, required=True, help="run folder, or weights")
    parser.add_argument("--split", choices=SPLITS, default="test", help="default test")
    parser.add_argument("--clips", type=int, help="how many (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="of the cameras and the mistakes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--out", type=Path, help="also write scores and captions to this JSON file")


def run(args: argparse.Namespace) -> None:
    if args.clips is not None and args.clips < 1:
        raise InvalidInput("--clips must be 1 or more.")
    model = load_watching(args.checkpoint)
    data = PreparedDataset(args.data, args.split)
    source = ClipSource(data, args.seed, ClipSettings(questions=0.0))
    scores, told = evaluate(model, source, args.clips)
    report = json.dumps({**scores, "captions": told}, ensure_ascii=False)
    if args.out:
        args.out.write_text(report + "\n", encoding="utf-8")
    if args.json:
        print(report)
        return
    for line in told[:_SHOWN]:
        print(f"{line['content'] or '-':<28}{line['caption']}")
    print(
        f"\n{scores['clips']:.0f} clips of the {args.split} split: action {scores['content']:.1%}, "
        f"side {scores['side']:.1%} of {scores['sided_clips']:.0f}, BLEU-4 {scores['bleu4']:.3f}, "
        f"ROUGE-L {scores['rouge_l']:.3f}, CIDEr {scores['cider']:.2f}"
    )
