# SPDX-License-Identifier: Apache-2.0
"""Pickles that hold arrays and nothing else, as SMPL's models and 3DPW are published.

A pickle from a stranger can run any code when it is loaded; this one refuses whatever is not a
plain Python value or a numpy array.
"""

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

_ARRAYS = {
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in (
        "_reconstruct", "scalar")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),  # how Python 2's byte strings are written by Python 3
}  # fmt: skip
PICKLE_ERRORS = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    ImportError,
    IndexError,
    KeyError,
    MemoryError,
    TypeError,
    ValueError,
)
"""What loading a damaged or refused pickle may raise, OSError apart."""


class ArrayUnpickler(pickle.Unpickler):
    """Reads numpy arrays, and the extra (module, name) pairs it is given.

    Raises pickle.UnpicklingError, which names what else the pickle wants.
    """

    def __init__(self, file: IO[bytes], extra: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(file, encoding="latin1")
        self._allowed = _ARRAYS | set(extra)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._allowed:
            raise pickle.UnpicklingError(f"it holds a {module}.{name}")
        return super().find_class(module, name)


def load_array_pickle(path: Path) -> Any:
    """The value in a pickle of arrays. Raises OSError or one of PICKLE_ERRORS."""
    with path.open("rb") as file:
        return ArrayUnpickler(file).load()
