"""The options of many connections in as few bits as they need."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 16  # connections packed at a time: a multiple of 8, so that each chunk ends with a whole byte


def pack_options(options: NDArray[np.int64], count: int) -> NDArray[np.uint8]:
    """Options 0 .. K-1 with K = `count`, shape (n,), in ceil(n b / 8) bytes with b = ceil(log2 K).

    Bit i of option number c is bit c b + i of the result, where bit 0 is the lowest bit of the first byte.
    """
    places = np.arange(bits_of(count))
    chunks = (options[first : first + _CHUNK, None] >> places & 1 for first in range(0, len(options), _CHUNK))
    packed = [np.packbits(bits.astype(np.uint8), bitorder="little") for bits in chunks]
    return np.concatenate([np.zeros(0, np.uint8), *packed])


def unpack_options(packed: NDArray[np.uint8], connections: int, count: int) -> NDArray[np.int64]:
    """The inverse of `pack_options`: (ceil(n b / 8),) -> (n,) with n = `connections`; numbers may exceed K - 1."""
    bits = bits_of(count)
    options = np.empty(connections, np.int64)
    for first in range(0, connections, _CHUNK):
        last = min(first + _CHUNK, connections)
        chunk = packed[first * bits // 8 : math.ceil(last * bits / 8)]
        table = np.unpackbits(chunk, count=(last - first) * bits, bitorder="little").reshape(last - first, bits)
        options[first:last] = table @ (1 << np.arange(bits))
    return options


def bits_of(count: int) -> int:
    """ceil(log2 K) with K = `count`, computed exactly: the bits that a choice among K options takes."""
    return (count - 1).bit_length()
