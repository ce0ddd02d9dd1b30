# SPDX-License-Identifier: Apache-2.0
"""`hmvlm`: every verb a subcommand. Modules are imported by the verb that needs them, so that
`hmvlm --help` comes at once."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

INTERRUPTED = 130  # what shells expect of a program that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code, 0 when all went well."""
    from backend.errors import Cancelled, HmvlmError

    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = build_parser(arguments[0] if arguments else "").parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except Cancelled as error:
        print(f"hmvlm: {error.message}", file=sys.stderr)
        return INTERRUPTED
    except HmvlmError as error:
        print(f"hmvlm: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("hmvlm: stopped.", file=sys.stderr)
        return INTERRUPTED


def build_parser(verb: str) -> argparse.ArgumentParser:
    """The command line; only the verb that is used may import its own options."""
    parser = argparse.ArgumentParser(prog="hmvlm", description="Human motion from language.")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    _add_serve(verbs)
    _add_generate(verbs)
    _add_pose(verbs, verb == "pose")
    _add_describe(verbs, verb == "describe")
    _add_track(verbs, verb == "track")
    _add_chat(verbs)
    _add_gate(verbs)
    _add_fetch(verbs)
    _add_doctor(verbs)
    _add_demo(verbs, verb == "demo")
    return parser


def _add_serve(verbs: Verbs) -> None:
    parser = verbs.add_parser("serve", help="run the backend until it is stopped")
    _add_connection(parser)
    _add_model(parser)
    parser.add_argument("--parent-pid", type=int, help="stop when this process is gone")
    parser.add_argument("--launch-id", default="", help=argparse.SUPPRESS)
    parser.add_argument(
        "--cancel-grace",
        type=float,
        default=5.0,
        metavar="S",
        help="seconds a cancelled job gets before its process is killed (default %(default)s)",
    )
    parser.add_argument(
        "--host",
        default="",
        metavar="ADDRESS",
        help="also listen on this address of the machine (0.0.0.0: all), for who has its keys",
    )
    parser.add_argument("--port", type=int, default=7788, help="with --host (default %(default)s)")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="with --host: where its keys are")
    parser.add_argument(
        "--new-keys", action="store_true", help="with --host: the old keys open nothing any more"
    )
    parser.set_defaults(run=_serve)


def _add_generate(verbs: Verbs) -> None:
    parser = verbs.add_parser("generate", help="a sentence to a motion file")
    parser.add_argument("--prompt", required=True, help="what the person does")
    parser.add_argument("--seconds", type=float, help="length; the model chooses when left out")
    parser.add_argument("--seed", type=int, default=0)
    # these default to what the server finds best
    parser.add_argument("--temperature", type=float, help="0: always the likeliest; 1: as learnt")
    parser.add_argument("--top-p", type=float, help="draw from this share of the probability")
    parser.add_argument("--guidance", type=float, help="above 1: the words weigh more")
    parser.add_argument("--start", type=Path, metavar="NPZ", help="continue this motion")
    parser.add_argument("--end", type=Path, metavar="NPZ", help="end in this motion's last pose")
    parser.add_argument("--out", type=Path, required=True, help="motion.npz or motion.bvh")
    _add_client(parser)
    parser.set_defaults(run=_generate)


def _add_pose(verbs: Verbs, used: bool) -> None:
    parser = verbs.add_parser("pose", help="a picture of a person to a pose")
    if not used:
        return
    from backend.pose_cli import parse_box

    parser.add_argument("image", type=Path, metavar="IMAGE", help="a JPEG, PNG, ...")
    parser.add_argument(
        "--box", type=parse_box, metavar="L,T,R,B", help="around the person (default: the largest)"
    )
    parser.add_argument(
        "--no-refine", dest="refine", action="store_false", help="the model's pose as it is"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, help="poses to choose the best of")
    parser.add_argument("--temperature", type=float, help="of the poses drawn beside the likeliest")
    parser.add_argument(
        "--out", type=Path, metavar="NPZ", help="the pose, as a motion of one frame"
    )
    parser.add_argument("--overlay", type=Path, metavar="PNG", help="the skeleton over the picture")
    _add_client(parser)
    parser.set_defaults(run=_pose)


def _add_describe(verbs: Verbs, used: bool) -> None:
    parser = verbs.add_parser("describe", help="what a person does in a video or motion, in words")
    if not used:
        return
    from backend.pose_cli import parse_box

    parser.add_argument(
        "source",
        type=Path,
        metavar="VIDEO",
        help="mp4, mov, webm, gif, a folder of pictures or a pattern of their names; or a motion, "
        ".npz or .bvh",
    )
    parser.add_argument("--ask", default="", metavar="TEXT", help="a question, to be answered")
    parser.add_argument(
        "--box", type=parse_box, metavar="L,T,R,B", help="around the person in the first frame"
    )
    parser.add_argument("--start", type=float, metavar="S", help="begin at this second")
    parser.add_argument("--seconds", type=float, metavar="S", help="how much (default: to the end)")
    parser.add_argument("--max-new-tokens", type=int, metavar="N", help="longest answer")
    parser.add_argument("--json", action="store_true", help="one JSON object, not streamed")
    _add_client(parser)
    parser.set_defaults(run=_describe)


def _add_track(verbs: Verbs, used: bool) -> None:
    parser = verbs.add_parser("track", help="a video of a person to a motion file")
    if used:
        from backend import track_cli

        track_cli.add_arguments(parser)
        _add_client(parser)
        parser.set_defaults(run=_track)


def _add_chat(verbs: Verbs) -> None:
    parser = verbs.add_parser("chat", help="talk to the model; ask for a motion and it is saved")
    parser.add_argument(
        "--message",
        action="append",
        metavar="TEXT",
        help="a turn, in place of typing; may be given several times",
    )
    parser.add_argument("--json", action="store_true", help="a JSON object a turn, not streamed")
    parser.add_argument("--system", metavar="TEXT", help="replaces the base model's system prompt")
    parser.add_argument("--seconds", type=float, help="length of motions; the model chooses if not")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--temperature", type=float, help="of the text; 0, the default: the base model's answer"
    )
    parser.add_argument("--max-new-tokens", type=int, metavar="N", help="longest answer")
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="where motions go (default: here)"
    )
    parser.add_argument("--format", choices=("npz", "bvh", "both"), default="npz")
    _add_client(parser)
    parser.set_defaults(run=_chat)


def _add_gate(verbs: Verbs) -> None:
    parser = verbs.add_parser("gate", help="how the experts share each prompt of a file")
    parser.add_argument("--file", type=Path, required=True, help="a prompt a line")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    _add_client(parser)
    parser.set_defaults(run=_gate)


def _add_fetch(verbs: Verbs) -> None:
    parser = verbs.add_parser("fetch", help="download and check the base models")
    parser.add_argument("assets", nargs="*", metavar="NAME", help="default: all that `hmvlm` needs")
    parser.add_argument("--force", action="store_true", help="also what is there already")
    parser.set_defaults(run=_fetch)


def _add_doctor(verbs: Verbs) -> None:
    parser = verbs.add_parser("doctor", help="check the installation and say what to do")
    _add_connection(parser)
    parser.set_defaults(run=_doctor)


def _add_demo(verbs: Verbs, used: bool) -> None:
    parser = verbs.add_parser("demo", help="a sentence to an animated Blender scene and a video")
    if used:
        from backend import demo

        demo.add_arguments(parser)
        parser.set_defaults(run=demo.run)


def _add_connection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--connection-file",
        type=Path,
        metavar="FILE",
        help="where the server says how to reach it (default: the user's runtime folder)",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="trained weights to serve")
    # where another engine, or the tests' own, is plugged in
    parser.add_argument("--engine", default="", help=argparse.SUPPRESS)


def _add_client(parser: argparse.ArgumentParser) -> None:
    _add_connection(parser)
    _add_model(parser)
    parser.add_argument(
        "--keep", action="store_true", help="leave the server running if this had to start it"
    )


def _serve(options: argparse.Namespace) -> int:
    import logging

    from backend.engine import DEFAULT_ENGINE, EngineOptions
    from backend.scheduler import SchedulerLimits
    from backend.server import ServerSettings, serve
    from blender_addon.shared.connection import default_connection_file

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    network = None
    if options.host:
        from backend import network_keys

        network = network_keys.prepare(options.host, options.port, options.keys, options.new_keys)
    settings = ServerSettings(
        connection_file=(options.connection_file or default_connection_file()).absolute(),
        engine=options.engine or DEFAULT_ENGINE,
        options=EngineOptions(options.weights, options.device),
        parent_pid=options.parent_pid,
        launch_id=options.launch_id,
        limits=SchedulerLimits(cancel_grace_s=options.cancel_grace),
        network=network,
    )
    serve(settings)
    return 0


def _generate(options: argparse.Namespace) -> int:
    from backend.client_cli import generate

    _end_like_ctrl_c()
    return generate(options)


def _pose(options: argparse.Namespace) -> int:
    from backend.pose_cli import pose

    _end_like_ctrl_c()
    return pose(options)


def _describe(options: argparse.Namespace) -> int:
    from backend.describe_cli import describe

    _end_like_ctrl_c()
    return describe(options)


def _track(options: argparse.Namespace) -> int:
    from backend.track_cli import run

    _end_like_ctrl_c()
    return run(options)


def _chat(options: argparse.Namespace) -> int:
    from backend.chat_cli import chat

    return chat(options)


def _gate(options: argparse.Namespace) -> int:
    from backend.client_cli import gate

    _end_like_ctrl_c()
    return gate(options)


def _end_like_ctrl_c() -> None:
    """A plain `kill` cancels the job too, instead of leaving it to a server that lives on."""
    import signal

    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _fetch(options: argparse.Namespace) -> int:
    from backend.fetch import fetch

    return fetch(options.assets, force=options.force)


def _doctor(options: argparse.Namespace) -> int:
    from backend.doctor import doctor

    return doctor(options.connection_file)


if __name__ == "__main__":
    sys.exit(main())
