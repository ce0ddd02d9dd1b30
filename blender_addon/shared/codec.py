# SPDX-License-Identifier: Apache-2.0
"""Messages to frames and back: msgpack for what is small, raw little-endian buffers for arrays.

Nothing that arrives is trusted: sizes are capped, dtypes are from a short list, shapes must match
their buffers, and whatever does not fit raises ProtocolError. Never pickle.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from . import protocol
from .motion import Motion, MotionError

T = TypeVar("T")

DTYPES = ("float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64")
MAX_HEADER_BYTES = 4 * 1024
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_BUFFER_BYTES = 64 * 1024 * 1024
MAX_BUFFERS = 64
MAX_DIMENSIONS = 8


class ProtocolError(ValueError):
    """Frames that are not a message of this protocol; the text says what is wrong.

    seq: the number of the message that it was, if that much could be read.
    """

    seq = 0


class VersionMismatchError(ProtocolError):
    """The other side speaks another major version, or speaks ours and refused it."""

    def __init__(self, theirs: int, message: str = "") -> None:
        super().__init__(message or f"The other side speaks protocol {theirs}.")
        self.theirs = theirs


@dataclass(frozen=True)
class Envelope(Generic[T]):
    """A decoded message with the header and the raw buffers it came with."""

    header: protocol.Header
    message: T
    buffers: list[bytes]


class Codec(Generic[T]):
    """Decodes one family of messages (requests, or events); encodes any.

    union: the msgspec union type of the messages that may arrive.
    """

    def __init__(self, union: Any) -> None:
        self._header = msgspec.msgpack.Decoder(protocol.Header)
        self._body = msgspec.msgpack.Decoder(union)

    def decode(self, frames: Sequence[bytes]) -> Envelope[T]:
        """`[magic + major, header, body, buffers...]` to a message.

        Raises VersionMismatchError for another major, ProtocolError for anything else.
        """
        if not frames:
            raise ProtocolError("an empty message")
        major = read_major(frames[0])
        if major != protocol.MAJOR:
            raise VersionMismatchError(major, _read_refusal(frames))
        if len(frames) == 3 and frames[1] == protocol.REFUSED:
            raise VersionMismatchError(major, _read_refusal(frames))
        if len(frames) < 3:
            raise ProtocolError(f"a message has at least 3 frames, this one {len(frames)}")
        if len(frames[1]) > MAX_HEADER_BYTES or len(frames[2]) > MAX_BODY_BYTES:
            raise ProtocolError("the header or the body is too large")
        header = _unpack(self._header, frames[1], "header")
        try:
            message = _unpack(self._body, frames[2], "body")
            buffers = list(frames[3:])
            if len(buffers) != header.buffers or len(buffers) > MAX_BUFFERS:
                raise ProtocolError(
                    f"the header announces {header.buffers} buffers, {len(buffers)} came "
                    f"(at most {MAX_BUFFERS})"
                )
        except ProtocolError as error:
            error.seq = header.seq
            raise
        return Envelope(header, message, buffers)


def encode(
    message: msgspec.Struct, buffers: Sequence[bytes] = (), *, seq: int = 0, reply_to: int = 0
) -> list[bytes]:
    """A message and its buffers (from `pack_arrays`) to frames."""
    if len(buffers) > MAX_BUFFERS:
        raise ProtocolError(f"a message carries at most {MAX_BUFFERS} arrays")
    header = protocol.Header(seq, reply_to, len(buffers))
    try:
        body = msgspec.msgpack.encode(message)
    except (TypeError, OverflowError, RecursionError, UnicodeEncodeError) as error:
        raise ProtocolError(f"the message cannot be sent: {error}") from error
    if len(body) > MAX_BODY_BYTES:
        raise ProtocolError(f"the message is larger than {MAX_BODY_BYTES} bytes")
    return [magic_frame(protocol.MAJOR), msgspec.msgpack.encode(header), body, *buffers]


def magic_frame(major: int) -> bytes:
    """The first frame: the magic word and the major version, two bytes, big-endian."""
    return protocol.MAGIC + struct.pack(">H", major)


def read_major(frame: bytes) -> int:
    """The major version in a first frame; ProtocolError when it is not ours at all."""
    size = len(protocol.MAGIC)
    if len(frame) != size + 2 or frame[:size] != protocol.MAGIC:
        raise ProtocolError("not an HMVLM message")
    return struct.unpack(">H", frame[size:])[0]


def encode_refusal(client_major: int) -> list[bytes]:
    """What a server answers to another major; see protocol.Refusal for why it never changes."""
    older = "add-on" if client_major < protocol.MAJOR else "backend"
    message = (
        f"This backend speaks protocol {protocol.MAJOR}, the client speaks {client_major}: "
        f"update the {older} so that both are of the same release."
    )
    body = protocol.Refusal(message, protocol.MAJOR, client_major)
    return [magic_frame(protocol.MAJOR), protocol.REFUSED, msgspec.json.encode(body)]


def pack_arrays(
    arrays: Mapping[str, np.ndarray],
) -> tuple[dict[str, protocol.ArrayRef], list[bytes]]:
    """Named arrays to references and the buffers they refer to."""
    refs: dict[str, protocol.ArrayRef] = {}
    buffers: list[bytes] = []
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise ProtocolError(f"array {name}: {array.dtype} cannot be sent")
        if array.nbytes > MAX_BUFFER_BYTES:
            raise ProtocolError(f"array {name} is larger than {MAX_BUFFER_BYTES} bytes")
        if array.ndim > MAX_DIMENSIONS:
            raise ProtocolError(f"array {name} has more than {MAX_DIMENSIONS} dimensions")
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        refs[name] = protocol.ArrayRef(array.dtype.name, list(array.shape), len(buffers))
        buffers.append(little.tobytes(order="C"))
    return refs, buffers


def unpack_arrays(
    refs: Mapping[str, protocol.ArrayRef], buffers: Sequence[bytes]
) -> dict[str, np.ndarray]:
    """References and buffers to named arrays, read-only; ProtocolError if they do not fit."""
    return {name: _unpack_array(name, ref, buffers) for name, ref in refs.items()}


def motion_arrays(motion: Motion, prefix: str = "") -> dict[str, np.ndarray]:
    """A motion's arrays for the wire: poses (T, 22, 3) and trans (T, 3), float32.

    The frame rate goes beside them as a value.
    """
    return {
        f"{prefix}poses": motion.poses[:, :22].astype(np.float32),
        f"{prefix}trans": motion.trans.astype(np.float32),
    }


def motion_from_arrays(arrays: Mapping[str, np.ndarray], fps: float, prefix: str = "") -> Motion:
    """The inverse of `motion_arrays`; MotionError when they are not a motion."""
    missing = [n for n in (f"{prefix}poses", f"{prefix}trans") if n not in arrays]
    if missing:
        raise MotionError(f"the motion lacks {' and '.join(missing)}")
    return Motion(arrays[f"{prefix}poses"], arrays[f"{prefix}trans"], fps)


def _unpack_array(name: str, ref: protocol.ArrayRef, buffers: Sequence[bytes]) -> np.ndarray:
    if ref.dtype not in DTYPES:
        raise ProtocolError(f"array {name}: dtype {ref.dtype!r} is not allowed")
    if len(ref.shape) > MAX_DIMENSIONS or any(n < 0 or n > MAX_BUFFER_BYTES for n in ref.shape):
        raise ProtocolError(f"array {name}: the shape {ref.shape} is not allowed")
    if not 0 <= ref.frame < len(buffers):
        raise ProtocolError(f"array {name}: there is no buffer {ref.frame}")
    buffer, dtype = buffers[ref.frame], np.dtype(ref.dtype).newbyteorder("<")
    expected = math.prod(ref.shape) * dtype.itemsize
    if len(buffer) != expected or expected > MAX_BUFFER_BYTES:
        raise ProtocolError(f"array {name}: {len(buffer)} bytes came, {expected} were announced")
    return np.frombuffer(buffer, dtype).reshape(ref.shape)


def _unpack(decoder: Any, frame: bytes, what: str) -> Any:
    try:
        return decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, MemoryError) as error:
        raise ProtocolError(f"the {what} cannot be read: {error}") from error


def _read_refusal(frames: Sequence[bytes]) -> str:
    if len(frames) != 3 or frames[1] != protocol.REFUSED:
        return ""
    try:
        return msgspec.json.decode(frames[2], type=protocol.Refusal).message
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"the refusal cannot be read: {error}") from error
