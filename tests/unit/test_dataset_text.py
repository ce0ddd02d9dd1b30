# SPDX-License-Identifier: Apache-2.0
"""MoVid and LMSYS-Chat-1M folders, tiny but in the published layouts."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.errors import AssetError, InvalidInput
from training.data.datasets.lmsys import LmsysChat
from training.data.datasets.movid import MoVid

VIDEO = "idea400/jump_01.mp4"


def write_movid(folder: Path, records: Any) -> Path:
    (folder / "videos" / "idea400").mkdir(parents=True)
    (folder / "videos" / VIDEO).touch()
    (folder / "video-QA.json").write_text(json.dumps(records))
    return folder


def test_movid_records(tmp_path):
    records = [
        {"video": VIDEO, "QA": [{"Q": "What does he do?", "A": "He jumps."}, {"Q": "", "A": "x"}]},
        {"input": f"videos/{VIDEO}", "instruction": "Describe it.", "output": "A man jumps. "},
        {"video": "dance/missing.mp4", "QA": [{"Q": "a", "A": "b"}]},
        {"video": "../../etc/passwd", "QA": [{"Q": "a", "A": "b"}]},
        {"video": VIDEO, "QA": []},
        {"video": VIDEO, "QA": [{"Q": "why?", "A": None}]},
        "nothing",
    ]
    folder = write_movid(tmp_path / "MoVid", records)
    reader = MoVid(folder)
    answers = list(reader)
    assert [(a.question, a.answer) for a in answers] == [
        ("What does he do?", "He jumps."),
        ("Describe it.", "A man jumps."),
    ]
    assert {(a.video, a.part) for a in answers} == {(folder / "videos" / VIDEO, "idea400")}
    assert sum(reader.skipped.values()) == 6
    assert reader.skipped["empty text"] == 1
    assert reader.skipped["a video path that leaves the folder"] == 1


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ({"a": 1}, "a list of records"),
        ([{"clip": "x", "text": "y"}], "clip, text"),
        ([{"video": "dance/missing.mp4"}], "not unpacked: 1"),
    ],
)
def test_movid_in_another_form_is_refused(tmp_path, records, says):
    with pytest.raises(InvalidInput, match=says):
        list(MoVid(write_movid(tmp_path / "MoVid", records)))


@pytest.mark.parametrize("name", ["video-QA.json", "videos"])
def test_movid_missing_files_say_what_to_get(tmp_path, name):
    folder = write_movid(tmp_path / "MoVid", [])
    (folder / name).rename(tmp_path / "elsewhere")
    with pytest.raises(AssetError) as raised:
        list(MoVid(folder))
    for said in (str(folder / name), "EvanTHU/MoVid", "password", "IDEA licence"):
        assert said in raised.value.message


def test_damaged_json_is_named(tmp_path):
    folder = write_movid(tmp_path / "MoVid", [])
    (folder / "video-QA.json").write_text("[{")
    with pytest.raises(InvalidInput, match=r"video-QA.json is not valid JSON"):
        list(MoVid(folder))


def _row(number: int, *messages: tuple[str, str | None], flagged: bool = False) -> dict[str, Any]:
    return {
        "conversation_id": f"id-{number}",
        "model": "vicuna-13b",
        "conversation": [{"content": text, "role": role} for role, text in messages],
        "turn": len(messages) // 2,
        "language": "English",
        "openai_moderation": [
            {"categories": {"hate": flagged}, "category_scores": {"hate": 0.1}, "flagged": flagged}
        ],
        "redacted": number == 1,
    }


def write_lmsys(folder: Path, rows: list[dict[str, Any]], shard: int = 0) -> Path:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    path = folder / "data" / f"train-{shard:05d}-of-00006-4feeb3f83346a0e9.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return folder


def test_lmsys_records(tmp_path):
    folder = write_lmsys(
        tmp_path / "lmsys",
        [
            _row(0, ("user", "Hi"), ("assistant", "Hello!"), ("user", "Bye")),
            _row(1, ("user", "NAME_1?"), ("assistant", "Yes."), flagged=True),
            _row(2, ("user", "  "), ("assistant", "?")),
            _row(3, ("system", "You are a pirate.")),
            _row(4, ("user", None)),
        ],
    )
    write_lmsys(folder, [_row(5, ("user", "More"))], shard=1)
    reader = LmsysChat(folder)
    found = list(reader)
    assert [c.id for c in found] == ["id-0", "id-1", "id-5"]
    assert [(t.role, t.content) for t in found[0].turns] == [
        ("user", "Hi"),
        ("assistant", "Hello!"),
        ("user", "Bye"),
    ]
    assert [(c.flagged, c.redacted) for c in found] == [(False, False), (True, True), (False,) * 2]
    assert (found[0].model, found[0].language) == ("vicuna-13b", "English")
    assert reader.skipped == {"empty text": 2, "a message by neither user nor assistant": 1}


def test_lmsys_without_a_usable_conversation(tmp_path):
    folder = write_lmsys(tmp_path / "lmsys", [_row(0, ("user", ""))])
    with pytest.raises(InvalidInput, match="empty text: 1"):
        list(LmsysChat(folder))


def test_lmsys_missing_and_damaged_files(tmp_path):
    (tmp_path / "lmsys").mkdir()
    with pytest.raises(AssetError) as raised:
        list(LmsysChat(tmp_path / "lmsys"))
    for said in ("train-*.parquet", "lmsys/lmsys-chat-1m", "License Agreement"):
        assert said in raised.value.message
    folder = write_lmsys(tmp_path / "lmsys", [{"conversation_id": "a", "model": "b"}])
    with pytest.raises(InvalidInput, match="no column conversation, language"):
        list(LmsysChat(folder))
    next((folder / "data").iterdir()).write_bytes(b"PAR1 damaged")
    with pytest.raises(InvalidInput, match="no readable parquet"):
        list(LmsysChat(folder))
