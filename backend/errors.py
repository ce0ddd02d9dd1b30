# SPDX-License-Identifier: Apache-2.0
"""Errors that travel to the user: each says what went wrong and what to do next."""


class HmvlmError(Exception):
    """An error with a code the client can act on.

    code: one word from the protocol's list; retryable: the same request may work later.
    """

    code = "internal"
    retryable = False

    def __init__(self, message: str, *, retryable: bool | None = None) -> None:
        super().__init__(message)
        self.message = message
        if retryable is not None:
            self.retryable = retryable


class InvalidInput(HmvlmError):
    """The request itself cannot be served: an empty prompt, 500 seconds, a broken file."""

    code = "invalid_input"


class AssetError(HmvlmError):
    """Weights or data are missing, altered, or cannot be fetched or stored."""

    code = "asset"


class Cancelled(HmvlmError):
    """The job was cancelled by its client."""

    code = "cancelled"

    def __init__(self, message: str = "Cancelled.") -> None:
        super().__init__(message)
