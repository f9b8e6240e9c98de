"""Philox4x32-10, a counter-based random number generator, in plain PyTorch.

A number depends on its key and its counter alone, never on what was drawn before: any option of any connection
can be computed on its own, on any device and with any number of threads, and always has the same bits.
Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


def key_of(*parts: int | str) -> int:
    """The 64-bit key of a stream that is named by integers and strings, the same on every machine."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def philox(key: int, counter: tuple[Tensor | int, Tensor | int, Tensor | int, Tensor | int]) -> tuple[Tensor, ...]:
    """Four random 32-bit words for each counter.

    Args:
        key: 64 bits.
        counter: four 32-bit words, each an int64 tensor or a number; they broadcast against each other.

    Returns:
        Four int64 tensors with values in [0, 2^32), of the broadcast shape.
    """
    device = next((word.device for word in counter if isinstance(word, Tensor)), torch.device("cpu"))
    c0, c1, c2, c3 = torch.broadcast_tensors(*(torch.as_tensor(w, dtype=torch.int64, device=device) for w in counter))
    k0, k1 = key & _MASK, (key >> 32) & _MASK
    for _ in range(_ROUNDS):
        # int64 products wrap modulo 2^64, so their bits are those of the unsigned product; the mask
        # undoes the sign extension of the shift.
        product0, product1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            ((product1 >> 32) & _MASK) ^ c1 ^ k0,
            product1 & _MASK,
            ((product0 >> 32) & _MASK) ^ c3 ^ k1,
            product0 & _MASK,
        )
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


def uniform(high: Tensor, low: Tensor, dtype: torch.dtype) -> Tensor:
    """Uniform numbers in [0, 1) from two 32-bit words: 24 bits of them in float32, 53 in float64.

    Every result is a multiple of 2^-24 (2^-53), so that 2u - 1 is exact as well.

    Raises:
        TypeError: `dtype` is neither float32 nor float64.
    """
    if dtype == torch.float32:
        return (high >> 8).to(dtype) * 2.0**-24
    if dtype == torch.float64:
        return ((high << 21) | (low >> 11)).to(dtype) * 2.0**-53
    raise TypeError(
        f"weights must be float32 or float64, not {dtype}; convert the module before slotify_, "
        "and train it under torch.autocast"
    )


def permutation(length: int, *stream: int | str, device: torch.device | str = "cpu") -> Tensor:
    """A permutation of 0 .. length-1 (int64), computed on a device, that depends on the named stream alone."""
    high, low, _, _ = philox(key_of("permutation", *stream), (torch.arange(length, device=device), 0, 0, 0))
    return torch.argsort((high << 31) | (low >> 1), stable=True)
