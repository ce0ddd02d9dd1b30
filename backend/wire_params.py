# SPDX-License-Identifier: Apache-2.0
"""Parameters off the wire as typed requests."""

from typing import Any

import msgspec

from backend.engine import Params
from backend.errors import InvalidInput


def convert(params: Params, kind: Any) -> Any:
    """Parameters -> an instance of a struct or dataclass; InvalidInput names what is wrong."""
    try:
        return msgspec.convert(dict(params), kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"The request is not understood: {error}.") from error
