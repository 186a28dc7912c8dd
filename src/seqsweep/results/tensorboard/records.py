"""Records of TensorBoard's event files (TFRecord), whose checksums take long byte by byte.

TensorBoard's own writer computes them in Python, as slowly as a picture is drawn.
"""

import struct
from functools import cache

import numpy as np
from numpy.typing import NDArray

_WORDS = NDArray[np.uint32]
_ROW = 64
"""Bytes whose checksums are computed at once, before those of the rows are joined."""


def record(event: bytes) -> bytes:
    """Returns the record of an event of at least four bytes."""
    length = struct.pack("<Q", len(event))
    return length + _masked_crc(length) + event + _masked_crc(event)


def _masked_crc(message: bytes) -> bytes:
    crc = _crc(message)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _crc(message: bytes) -> int:
    """Returns the CRC-32C of a message of at least four bytes.

    A CRC is linear: that of two parts is the exclusive or of the second part's and of the first
    part's, advanced by as many zero bytes as the second has. So all rows are computed at once, and
    joined in pairs. It begins with ones, as if the first four bytes were inverted; zeros before the
    message change nothing.
    """
    first = bytes(byte ^ 255 for byte in message[:4])
    filled = bytes(-len(message) % _ROW) + first + message[4:]
    rows = np.frombuffer(filled, np.uint8).reshape(-1, _ROW)
    by_place, advance = _tables()
    parts = np.bitwise_xor.reduce(by_place[np.arange(_ROW), rows], axis=1)
    while len(parts) > 1:
        if len(parts) % 2:
            parts = np.concatenate([np.zeros(1, np.uint32), parts])
        parts = _advanced(parts[::2], advance) ^ parts[1::2]
        advance = _advanced(advance, advance)
    return int(parts[0]) ^ 0xFFFFFFFF


def _advanced(crc: _WORDS, tables: _WORDS) -> _WORDS:
    """Returns checksums after some zero bytes, whose number is that of the tables."""
    return (
        tables[0][crc & 255]
        ^ tables[1][crc >> 8 & 255]
        ^ tables[2][crc >> 16 & 255]
        ^ tables[3][crc >> 24]
    )


@cache
def _tables() -> tuple[_WORDS, _WORDS]:
    """Returns what each byte of a row contributes, and what a row of zeros does to a checksum.

    The first is (_ROW, 256), by place and value of the byte; the second (4, 256), by place and
    value of a byte of the checksum.
    """
    one, eight, low = np.uint32(1), np.uint32(8), np.uint32(255)
    numbers = np.arange(256, dtype=np.uint32)
    last = numbers
    for _ in range(8):
        last = last >> one ^ np.uint32(0x82F63B78) * (last & one)
    by_place = [last]
    for _ in range(_ROW - 1):
        by_place.append(last[by_place[-1] & low] ^ by_place[-1] >> eight)
    advance = np.stack([numbers << np.uint32(shift) for shift in (0, 8, 16, 24)])
    for _ in range(_ROW):
        advance = last[advance & low] ^ advance >> eight
    return np.stack(by_place[::-1]), advance
