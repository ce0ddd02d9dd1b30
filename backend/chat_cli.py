# SPDX-License-Identifier: Apache-2.0
"""`hmvlm chat`: a conversation at a terminal, from --message, or from lines on standard input."""

import argparse
import io
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from backend.client_cli import ProgressLine, client_session, write_motion
from backend.errors import Cancelled, HmvlmError, InvalidInput
from backend.session import Session
from backend.tasks.requests import check_seconds
from blender_addon.core.client import ClientEvent, ClientState
from blender_addon.core.jobs import Job
from blender_addon.shared import protocol

HELP = """\
Ask something, or describe a motion: "a person waves". After a motion: "again", "faster",
"with the left hand". Ctrl-C stops an answer.
/seconds N     length of the next motions; /seconds auto: the model chooses
/reset         begin a new conversation
/save FILE     write the conversation to a JSON file
/quit          leave (or Ctrl-D)"""


def chat(options: argparse.Namespace) -> int:
    """Run a conversation until it ends; an answer on stdout, everything else on stderr."""
    if not options.out.is_dir():
        raise InvalidInput(f"--out {options.out}: there is no such folder.")
    if options.message is None and sys.stdin.isatty():
        return _at_a_terminal(options)
    show = ProgressLine()
    # a plain `kill` cancels the job too, instead of leaving it to a server that lives on
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with client_session(options, show) as session:
        talk = Conversation(session, options, show)
        if options.message is not None:
            for text in options.message:
                talk.say(text)
            return 0
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="surrogateescape")  # refused by `say`, with a reason
        for line in sys.stdin:
            if line.strip() and not talk.obey(line):
                break
    return 0


class Conversation:
    """The turns so far, and what `hmvlm chat` does with a line."""

    def __init__(self, session: Session, options: argparse.Namespace, show: ProgressLine) -> None:
        self.session, self.options, self.show = session, options, show
        self.seconds: float | None = options.seconds
        self.messages: list[dict[str, Any]] = []
        self.reset()

    def reset(self) -> None:
        system = self.options.system
        self.messages = [] if system is None else [{"role": "system", "content": system}]

    def obey(self, line: str) -> bool:
        """Do what a typed line says: a command, or a turn. False when it ends the program."""
        line = line.strip()
        if not line.startswith("/"):
            self.say(line)
            return True
        command, _, rest = line.partition(" ")
        rest = rest.strip()
        match command:
            case "/quit":
                return False
            case "/reset":
                self.reset()
                self._tell("A new conversation.")
            case "/seconds":
                self._set_seconds(rest)
            case "/save":
                self._save(rest)
            case "/help":
                self._tell(HELP)
            case _:
                raise InvalidInput(f"There is no command {command}; /help lists them.")
        return True

    def say(self, text: str) -> None:
        """One turn. When it fails or is cancelled, the conversation is as it was before it."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput("The message is not UTF-8 text.") from error
        messages = [*self.messages, {"role": "user", "content": text}]
        given = {
            "seconds": self.seconds,
            "temperature": self.options.temperature,
            "max_new_tokens": self.options.max_new_tokens,
        }
        params: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
        params |= {"messages": messages, "seed": self.options.seed}
        try:
            job = self.session.run("chat", params, on_event=self._on_event)
        finally:
            self.show.end()
        if not self.options.json:
            print(flush=True)
        self.messages = [*messages, job.values["message"]]
        files = self._keep_motion(job)
        if self.options.json:
            print(json.dumps(_record(text, job, files), ensure_ascii=False), flush=True)
        self._say_what_was_left_out(job)

    def _on_event(self, event: ClientEvent, job: Job) -> None:
        message = event.message
        if isinstance(message, protocol.Chunk) and message.text and not self.options.json:
            self.show.end()
            print(message.text, end="", flush=True)
        elif not job.text:
            # once text runs, a line of progress would run into it
            self.show.event(event, job)

    def _keep_motion(self, job: Job) -> list[Path]:
        if "poses" not in job.arrays:
            return []
        kinds = ("npz", "bvh") if self.options.format == "both" else (self.options.format,)
        files = _next_files(self.options.out, kinds)
        for path in files:
            write_motion(job.motion(), path)
            if not self.options.json:
                print(f"{path}", flush=True)
        return files

    def _say_what_was_left_out(self, job: Job) -> None:
        dropped = job.values.get("dropped_turns", 0)
        if dropped:
            turns = "turn" if dropped == 1 else f"{dropped} turns"
            self._tell(f"The oldest {turns} did not fit the model's context and went unread.")
        if not job.values.get("complete", True):
            tokens = len(job.values["tokens"])
            self._tell(f"The answer was cut after {tokens} tokens (--max-new-tokens).")

    def _set_seconds(self, text: str) -> None:
        if text == "auto":
            self.seconds = None
            return
        try:
            seconds = float(text)
        except ValueError as error:
            raise InvalidInput("Write /seconds 4, or /seconds auto.") from error
        check_seconds(seconds)
        self.seconds = seconds

    def _save(self, name: str) -> None:
        if not name:
            raise InvalidInput("Say where to: /save FILE.json")
        path = Path(name).expanduser()
        text = json.dumps(self.messages, indent=2, ensure_ascii=False) + "\n"
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InvalidInput(f"{path} could not be written: {error.strerror}.") from error
        self._tell(f"Saved {len(self.messages)} messages to {path}.")

    def _tell(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _at_a_terminal(options: argparse.Namespace) -> int:
    with suppress(ImportError):  # Windows edits lines by itself
        import readline  # noqa: F401  line editing and history for input()
    show, terminated = ProgressLine(), False

    def terminate(*_: object) -> None:
        nonlocal terminated
        if not terminated:  # another one must not break into the leaving
            terminated = True
            raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminate)
    with client_session(options, show) as session:
        show.end()
        talk = Conversation(session, options, show)
        print("/help says what can be typed.", file=sys.stderr, flush=True)
        for line in _typed_lines(lambda: terminated):
            try:
                if not talk.obey(line):
                    return 0
            except Cancelled:
                print("\nStopped; that message is forgotten.", file=sys.stderr, flush=True)
            except HmvlmError as error:
                if session.client.state is not ClientState.READY:
                    raise
                print(error.message, file=sys.stderr, flush=True)
        if terminated:
            raise Cancelled("stopped.")
    return 0


def _typed_lines(is_over: Callable[[], bool]) -> Iterator[str]:
    """Lines until the end of the input; Ctrl-C empties a line that is being typed."""
    while not is_over():
        try:
            line = input("> ")
        except EOFError:
            print(flush=True)
            return
        except KeyboardInterrupt:
            if not is_over():
                print("\n/quit or Ctrl-D leaves.", file=sys.stderr, flush=True)
            continue
        if line.strip():
            yield line


def _next_files(folder: Path, kinds: tuple[str, ...]) -> list[Path]:
    """motion_001 and so on: the first number that is free in every kind."""
    for number in count(1):
        files = [folder / f"motion_{number:03d}.{kind}" for kind in kinds]
        if not any(path.exists() for path in files):
            return files
    raise AssertionError


def _record(text: str, job: Job, files: list[Path]) -> dict[str, Any]:
    values = job.values
    record = {
        "message": text,
        "text": values["text"],
        "alpha": values["alpha"],
        "tokens": values["tokens"],
        "complete": values["complete"],
        "dropped_turns": values["dropped_turns"],
        "motion": None,
    }
    if files:
        motion = job.motion()
        record["motion"] = {
            "files": [str(path) for path in files],
            "prompt": values["prompt"],
            "seed": values["seed"],
            "frames": motion.num_frames,
            "fps": motion.fps,
        }
    return record
