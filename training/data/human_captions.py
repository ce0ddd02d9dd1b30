# SPDX-License-Identifier: Apache-2.0
"""Sentences that people wrote about clips: the CMU index lines and the KIT sentences."""

import json
import re
from collections import defaultdict
from pathlib import Path

from backend.errors import InvalidInput

_INDEX_LINE = re.compile(r"^(\d{2,3}_\d{2,3})\s+(.+?)\s*$")
_CMU_SOURCE = re.compile(r"^CMU/\d+/(\d+_\d+)_poses$")
_NOT_A_CAPTION = re.compile(r"https?:|www\.|<|@", re.IGNORECASE)


class HumanCaptions:
    """What people wrote about a clip, by the clip's name; empty where nobody wrote anything.

    folder: the data folder; `captions/cmu-index.md` and `captions/kit-ml.json` are read where
    they exist, so a folder of one's own motion needs neither.
    """

    def __init__(self, folder: Path) -> None:
        self._sentences: dict[str, list[str]] = defaultdict(list)
        index = folder / "captions" / "cmu-index.md"
        if index.is_file():
            for line in index.read_text(encoding="utf-8").splitlines():
                match = _INDEX_LINE.match(line)
                if match and match[2].lower() not in ("unknown", "<class 'list'>"):
                    self._add(match[1], match[2])
        kit = folder / "captions" / "kit-ml.json"
        if kit.is_file():
            for clip in _read_json(kit):
                match = _CMU_SOURCE.match(clip["source"])
                key = match[1] if match else clip["source"]
                for sentence in clip["captions"]:
                    self._add(key, sentence)

    def of(self, name: str) -> list[str]:
        """Sentences about a clip, e.g. "05_03", "KIT/4/WalkingStraightForward01_poses"."""
        key = _CMU_SOURCE.match(name)
        return list(self._sentences.get(key[1] if key else name, ()))

    def _add(self, key: str, sentence: str) -> None:
        text = " ".join(sentence.split())
        # the crowd-sourced sentences hold a few advertisements
        if text and not _NOT_A_CAPTION.search(text) and text not in self._sentences[key]:
            self._sentences[key].append(text)


def _read_json(path: Path) -> list[dict]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(f"{path} is not valid JSON ({error}): fetch the file again.") from error
