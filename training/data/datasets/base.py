# SPDX-License-Identifier: Apache-2.0
"""What every reader of a public data set shares.

A reader yields typed records from a folder in the layout its owners publish. A bad record is
skipped and counted in `skipped`; a missing file names what to download, where to put it and under
which licence; no record at all is an error.
"""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from backend.errors import AssetError, InvalidInput

Record = TypeVar("Record")


@dataclass(frozen=True)
class DatasetInfo:
    """Where a data set comes from.

    name: as on the command line; title: as its owners call it; url: the owners' page;
    licence: its terms in words; get: what to download there and how to unpack it;
    expected: the files and folders that must then be in the folder.
    """

    name: str
    title: str
    url: str
    licence: str
    get: str
    expected: tuple[str, ...]

    def require(self, path: Path) -> Path:
        """The path itself. Raises AssetError that says how to get it when it does not exist."""
        if not path.exists():
            raise self.missing(str(path))
        return path

    def missing(self, what: str) -> AssetError:
        """The error for something of this data set that is not there."""
        layout = "\n".join(f"  {line}" for line in self.expected)
        return AssetError(
            f"{what} is missing. It is part of {self.title}: {self.get}\n"
            f"Page: {self.url}\n"
            f"Licence: {self.licence}\n"
            f"The folder must then hold:\n{layout}"
        )


@dataclass(frozen=True)
class Bad:
    """One record that cannot be used, and why in a few words."""

    reason: str


class Reader(ABC, Generic[Record]):
    """Iterating gives the records; `skipped` then counts the bad ones by reason."""

    info: DatasetInfo

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.skipped: Counter[str] = Counter()
        self.info.require(self.folder)

    @abstractmethod
    def _read(self) -> Iterator[Record | Bad]:
        """All records in a fixed order, Bad in place of one that cannot be used."""

    def __iter__(self) -> Iterator[Record]:
        """Raises AssetError for a missing file, InvalidInput when no record can be used."""
        self.skipped.clear()
        empty = True
        for item in self._read():
            if isinstance(item, Bad):
                self.skipped[item.reason] += 1
            else:
                empty = False
                yield item
        if empty:
            raise self.nothing()

    def nothing(self) -> InvalidInput:
        """The error for a folder without a single usable record."""
        counts = ", ".join(f"{reason}: {n}" for reason, n in self.skipped.most_common())
        return InvalidInput(
            f"{self.folder} holds no usable record of {self.info.title}"
            + (f" (skipped: {counts})" if counts else "")
            + f". Compare the folder with {self.info.url}, or fetch it again."
        )


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises InvalidInput for a damaged one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(f"{path} is not valid JSON ({error}): fetch the file again.") from error
