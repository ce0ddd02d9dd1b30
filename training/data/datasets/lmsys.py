# SPDX-License-Identifier: Apache-2.0
"""LMSYS-Chat-1M: a million conversations of people with 25 language models.

Zheng et al., 2023; the paper's prompts that are not about motion (section 4.1), for the gate.
Source of the layout: the `dataset_info` of the data set's card.

FOLDER/data/train-00000-of-00006-*.parquet  columns conversation_id, model, conversation (a list of
    {content, role}), turn, language, openai_moderation (a list of {categories, category_scores,
    flagged}), redacted
"""

from collections.abc import Iterator
from typing import Any

from backend.errors import InvalidInput

from .base import Bad, DatasetInfo, Reader
from .records import Conversation, Turn

LMSYS = DatasetInfo(
    name="lmsys",
    title="LMSYS-Chat-1M",
    url="https://huggingface.co/datasets/lmsys/lmsys-chat-1m",
    licence="the LMSYS-Chat-1M Dataset License Agreement, which each user accepts on its page",
    get="accept the agreement, then download its parquet files.",
    expected=("data/train-00000-of-00006-*.parquet ...",),
)
_COLUMNS = (
    "conversation_id",
    "model",
    "conversation",
    "language",
    "openai_moderation",
    "redacted",
)
_ROLES = ("user", "assistant")
_BATCH_ROWS = 1024


class LmsysChat(Reader[Conversation]):
    """A record a conversation, flagged and redacted ones too: the record says so."""

    info = LMSYS

    def _read(self) -> Iterator[Conversation | Bad]:
        # imported here: it takes a while to load, and only this reader needs it
        import pyarrow as pa
        import pyarrow.parquet as pq

        files = sorted((self.folder / "data").glob("train-*.parquet"))
        if not files:
            raise self.info.missing(f"{self.folder / 'data'}/train-*.parquet")
        for path in files:
            try:
                with pq.ParquetFile(path) as file:
                    missing = [c for c in _COLUMNS if c not in file.schema_arrow.names]
                    if missing:
                        raise InvalidInput(
                            f"{path} has no column {', '.join(missing)}: fetch it from "
                            f"{self.info.url}."
                        )
                    for batch in file.iter_batches(_BATCH_ROWS, columns=list(_COLUMNS)):
                        yield from map(_conversation, batch.to_pylist())
            except (pa.ArrowInvalid, OSError) as error:
                raise InvalidInput(
                    f"{path} is no readable parquet file ({error}): fetch it again from "
                    f"{self.info.url}."
                ) from error


def _conversation(row: dict[str, Any]) -> Conversation | Bad:
    turns = []
    for message in row["conversation"] or ():
        role, content = message.get("role"), message.get("content")
        if role not in _ROLES:
            return Bad("a message by neither user nor assistant")
        if not isinstance(content, str) or not content.strip():
            return Bad("empty text")
        turns.append(Turn(role, content))
    if not turns:
        return Bad("a conversation without messages")
    moderation = row["openai_moderation"] or ()
    return Conversation(
        id=str(row["conversation_id"]),
        model=str(row["model"]),
        language=str(row["language"]),
        turns=tuple(turns),
        flagged=any(m.get("flagged") for m in moderation),
        redacted=bool(row["redacted"]),
    )
