# SPDX-License-Identifier: Apache-2.0
"""What an engine is: tasks with a name, a check and a function, and a model behind them.

The server makes one too, for its `tasks` and their checks alone, so an engine imports torch no
earlier than in `load`. It is named by its factory, "module:function", which is also how another
engine is plugged in.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from backend.errors import HmvlmError

DEFAULT_ENGINE = "backend.hmvlm_engine:create"

Params = Mapping[str, Any]
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Output:
    """What a task returns: the fields of the job's `result`."""

    values: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


class JobContext(Protocol):
    """What a running task may do besides computing."""

    def progress(self, fraction: float, message: str) -> None: ...

    def chunk(
        self,
        *,
        start_frame: int = 0,
        text: str = "",
        values: dict[str, Any] | None = None,
        arrays: Arrays | None = None,
    ) -> None: ...

    def is_cancelled(self) -> bool: ...


class Task(Protocol):
    """check raises InvalidInput, in the server; run does the work, in the worker."""

    def check(self, params: Params, arrays: Arrays) -> None: ...

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output: ...


class Engine(Protocol):
    """device is known after `load`; `load` may be called again after it failed.

    An engine may also have a `model_name`, which the add-on shows once the model is loaded.
    """

    tasks: Mapping[str, Task]
    device: str
    loaded: bool

    def load(self, progress: Callable[[float, str], None]) -> None: ...


@dataclass(frozen=True)
class EngineOptions:
    """weights: a folder of trained weights, None for those of the package.

    device: auto, or what torch calls it.
    """

    weights: Path | None = None
    device: str = "auto"


def create_engine(spec: str, options: EngineOptions) -> Engine:
    """The engine that "module:function" makes."""
    module, _, function = spec.partition(":")
    try:
        factory = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise HmvlmError(f"The engine {spec!r} cannot be used: {error}") from error
    return factory(options)
