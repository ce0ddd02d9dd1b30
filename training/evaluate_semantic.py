# SPDX-License-Identifier: Apache-2.0
"""`hmvlm-train evaluate semantic`: prompts in, motions out, judged by kinematics."""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from backend.errors import InvalidInput
from blender_addon.shared.motion import Motion

from .metrics.semantic import JUDGES, Verdict, judge_motion, judge_pair


@dataclass(frozen=True)
class PromptCase:
    """A prompt and what must hold.

    expect: a name of `JUDGES`, or empty; slower_than: a prompt whose motion must be the faster.
    """

    prompt: str
    expect: str = ""
    slower_than: str = ""
    seconds: float | None = None


# phrased on purpose unlike the training captions
PROMPTS: tuple[PromptCase, ...] = (
    PromptCase("a guy sets off and keeps going straight on foot", "forward"),
    PromptCase("somebody crosses the room at an ordinary walk", "forward"),
    PromptCase("she is out jogging through the park", "forward"),
    PromptCase("late for the bus, he legs it down the street", "forward"),
    PromptCase("an athlete sprinting towards the finish line", "forward", seconds=None),
    PromptCase("without looking behind, the man steps backwards away from the door", "backward"),
    PromptCase("keep facing the front and move in reverse", "backward"),
    PromptCase("the hiker comes to a fork and takes the path on the left", "turn-left"),
    PromptCase("person on foot swings round leftwards", "turn-left"),
    PromptCase("walking, and then a right-hand bend", "turn-right"),
    PromptCase("a woman rounds the street corner on her right", "turn-right"),
    PromptCase("a pupil's left arm shoots up to ask the teacher something", "left-hand"),
    PromptCase("hi there! he greets you, left palm waving", "left-hand"),
    PromptCase("the witness lifts her right hand to swear an oath", "right-hand"),
    PromptCase("saying bye-bye with a wave of the right arm", "right-hand"),
    PromptCase("hands up! both arms go into the air", "both-hands"),
    PromptCase("stranded, he waves two arms at a passing ship", "both-hands"),
    PromptCase("an actor takes his bow before the audience", "bow"),
    PromptCase("bowing low out of respect for the master", "bow"),
    PromptCase("the boy leaps off the ground", "jump"),
    PromptCase("jumping as high as possible", "jump"),
    PromptCase("a baby gets about on hands and knees", "crawl"),
    PromptCase("a soldier crawls beneath the barbed wire", "crawl"),
    PromptCase("a person walks forward and waves with the right hand", "forward+right-hand"),
    PromptCase(
        "dog-tired, she drags herself along on foot",
        "forward",
        slower_than="brimming with energy, she walks ahead",
    ),
    PromptCase(
        "a frail pensioner walks down the hallway",
        "forward",
        slower_than="a sporty lively person walks down the hallway",
    ),
    PromptCase(
        "a relaxed man walks along the road",
        slower_than="a man runs along the road",
    ),
)

Generate = Callable[[str, float | None, int], Motion]


@dataclass(frozen=True)
class CaseResult:
    """What became of one prompt with one seed."""

    prompt: str
    seed: int
    expect: str
    holds: bool
    verdicts: tuple[Verdict, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate semantic`."""
    parser.add_argument(
        "--prompts",
        type=Path,
        help="prompts to judge instead of the built-in ones: one JSON a line",
    )
    parser.add_argument("--checkpoint", type=Path, help="adapter folder (default: as shipped)")
    parser.add_argument("--seeds", type=int, default=3, help="motions a prompt (default 3)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--out", type=Path, help="also write the results to this JSON file")
    parser.add_argument("--filmstrips", type=Path, help="folder for a filmstrip of every motion")


def run(args: argparse.Namespace) -> None:
    """Generate, judge, print."""
    from backend.model.loading import load_hmvlm
    from backend.tasks.requests import TextToMotionParams
    from backend.tasks.text_to_motion import text_to_motion

    if args.seeds < 1:
        raise InvalidInput("--seeds must be 1 or more.")
    cases = read_prompts(args.prompts) if args.prompts else list(PROMPTS)
    model = load_hmvlm(args.checkpoint, device=args.device)

    def generate(prompt: str, seconds: float | None, seed: int) -> Motion:
        params = TextToMotionParams(prompt=prompt, seconds=seconds, seed=seed)
        result = text_to_motion(model, params, lambda *_: None, lambda *_: None, lambda: False)
        return result.motion

    show = None
    if args.filmstrips:
        args.filmstrips.mkdir(parents=True, exist_ok=True)
        show = _filmstrip_writer(args.filmstrips)
    results = evaluate(cases, generate, args.seeds, show)
    report = json.dumps(to_json(results), indent=1)
    if args.out:
        args.out.write_text(report + "\n", encoding="utf-8")
    print(report if args.json else to_table(results))


def read_prompts(path: Path) -> list[PromptCase]:
    """Prompts from a file of JSON lines: {"prompt": ..., "expect": ..., "slower_than": ...,
    "seconds": ...}; all but the prompt may be left out, `expect` or `slower_than` must be there.

    Raises InvalidInput and names the line that is wrong.
    """
    if not path.is_file():
        raise InvalidInput(f"{path} is not a file: --prompts takes a file of JSON lines.")
    cases = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            fields = json.loads(line)
            case = PromptCase(**fields)
        except (ValueError, TypeError) as error:
            raise InvalidInput(
                f'{where}: expected {{"prompt": "...", "expect": "..."}}, got an error: {error}'
            ) from error
        if not case.prompt.strip():
            raise InvalidInput(f"{where}: the prompt is empty.")
        if case.expect and case.expect not in JUDGES:
            raise InvalidInput(f"{where}: expect must be one of {', '.join(JUDGES)}.")
        if not case.expect and not case.slower_than:
            raise InvalidInput(f'{where}: give "expect" or "slower_than".')
        cases.append(case)
    if not cases:
        raise InvalidInput(f"{path} holds no prompts.")
    return cases


def evaluate(
    cases: list[PromptCase],
    generate: Generate,
    seeds: int,
    show: Callable[[PromptCase, int, Motion, bool], None] | None = None,
) -> list[CaseResult]:
    """Judge `seeds` motions of every prompt; `show` gets each motion and whether it held."""
    results = []
    for case in cases:
        for seed in range(seeds):
            motion = generate(case.prompt, case.seconds, seed)
            verdicts: tuple[Verdict, ...] = ()
            if case.expect:
                verdicts = judge_motion(motion, case.expect).verdicts
            if case.slower_than:
                fast = generate(case.slower_than, case.seconds, seed)
                pair = judge_pair(fast, motion)
                statement = f"slower than {case.slower_than!r}"
                verdicts += (Verdict(pair.holds, statement, pair.value),)
            holds = all(v.holds for v in verdicts)
            expect = " + ".join(filter(None, (case.expect, "slower" if case.slower_than else "")))
            results.append(CaseResult(case.prompt, seed, expect, holds, verdicts))
            if show is not None:
                show(case, seed, motion, holds)
    return results


def share(results: list[CaseResult]) -> float:
    """Share of motions on which everything holds."""
    return sum(r.holds for r in results) / len(results)


def to_json(results: list[CaseResult]) -> dict:
    """The results as plain values."""
    return {
        "share": share(results),
        "held": sum(r.holds for r in results),
        "motions": len(results),
        "results": [asdict(r) for r in results],
    }


def to_table(results: list[CaseResult]) -> str:
    """A line a prompt, what failed under it, and the total."""
    lines = []
    for prompt in dict.fromkeys(r.prompt for r in results):
        mine = [r for r in results if r.prompt == prompt]
        held = sum(r.holds for r in mine)
        lines.append(f"{held}/{len(mine)}  {mine[0].expect:<20} {prompt}")
        for result in mine:
            for verdict in result.verdicts:
                if not verdict.holds:
                    lines.append(
                        f"       seed {result.seed}: not so: {verdict.statement}"
                        f" ({verdict.value:.2f})"
                    )
    held = sum(r.holds for r in results)
    lines.append(f"{held} of {len(results)} motions hold: {100 * share(results):.0f} %")
    return "\n".join(lines)


def _filmstrip_writer(folder: Path) -> Callable[[PromptCase, int, Motion, bool], None]:
    from backend.motion.filmstrip import draw_filmstrip

    counts: dict[str, int] = {}

    def write(case: PromptCase, seed: int, motion: Motion, holds: bool) -> None:
        number = counts.setdefault(case.prompt, len(counts))
        title = f"{case.prompt} (seed {seed}): {'holds' if holds else 'does not hold'}"
        draw_filmstrip(motion, folder / f"{number:02d}-seed{seed}.png", title=title)

    return write
