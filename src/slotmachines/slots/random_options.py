"""The K fixed random values and K initial scores of every connection."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import torch
from torch import Tensor

from slotmachines.distributions import VALUE_BOUNDS as VALUE_BOUNDS
from slotmachines.distributions import value_bound_of as value_bound_of
from slotmachines.slots.philox import key_of, philox, uniform

Sharing = Literal["none", "layer", "network"]
SHARINGS: tuple[Sharing, ...] = get_args(Sharing)

MOST_OPTIONS = 1 << 32
"""The largest K: the number of an option is one word of the generator's counter."""

_CHUNK = 1 << 18  # numbers generated at a time; bounds the memory of the generator, not its result


@dataclass(frozen=True)
class OptionPool:
    """All values W ~ U(-b, b) and initial scores s ~ U(0, r b) (paper, section 3) of one weight tensor.

    None of them is stored here. Each is computed when it is needed (sampling on a CPU keeps those of small tensors:
    `slots.kernels.cpu`), and depends on the seed, the name, the number of the
    connection and that of the option alone; with more options the first ones stay the same.

    Attributes:
        seed: seed of the slot machine.
        name: name of the weight, relative to the module given to `slotify_`.
        options: K.
        value_bound: b.
        score_bound: r b, in the units of the values.
        dtype: the precision that they are drawn in, float32 or float64.
        sharing: "none" gives each connection its own K values; "layer" gives all connections of the tensor the same
            ones, and "network" all tensors of the same seed the same ones up to their value bound (paper, the
            experiment on shared weights). Scores stay per connection.

    Raises:
        ValueError: unknown sharing.
        TypeError: another dtype.
    """

    seed: int
    name: str
    options: int
    value_bound: float
    score_bound: float
    dtype: torch.dtype = torch.float32
    sharing: Sharing = "none"

    def __post_init__(self) -> None:
        if self.sharing not in SHARINGS:
            raise ValueError(f"unknown sharing {self.sharing!r}: use one of {', '.join(SHARINGS)}")
        uniform(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), self.dtype)

    @cached_property
    def key(self) -> int:
        """Key of the generator; the counter is (connection, low word; its high word; option; 0)."""
        return key_of(self.seed, self.name)

    @cached_property
    def shared_key(self) -> int | None:
        """Key of the generator of shared values, whose counter is (0; 0; option; 1); None where none are shared."""
        return {"none": None, "layer": self.key, "network": key_of(self.seed)}[self.sharing]

    def shared_values(self, device: torch.device | str = "cpu") -> Tensor:
        """The K values that all connections share, (K,).

        Raises:
            ValueError: none are shared.
        """
        if self.shared_key is None:
            raise ValueError("each connection of this pool has its own values")
        return self.draw(torch.zeros(1, dtype=torch.int64, device=device), torch.arange(self.options, device=device))[0]

    def draw(self, connections: Tensor, options: Tensor) -> tuple[Tensor, Tensor]:
        """Values and initial scores, of the broadcast shape.

        Args:
            connections: int64, numbers of connections in row-major order of the weight.
            options: int64, numbers of options from 0 to K - 1.
        """
        value_high, value_low, score_high, score_low = philox(
            self.key, (connections & 0xFFFFFFFF, connections >> 32, options, 0)
        )
        scores = uniform(score_high, score_low, self.dtype) * self.score_bound
        if self.shared_key is not None:
            value_high, value_low, _, _ = philox(self.shared_key, (0, 0, options, 1))
        # 2u - 1 is exact, so the product is rounded once: the same bits with and without fused multiply-add.
        values = (2 * uniform(value_high, value_low, self.dtype) - 1) * self.value_bound
        return values.expand_as(scores), scores

    def table(self, connections: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Values and initial scores of the first n `connections`, each of shape (K, n)."""
        values, scores = (torch.empty(self.options, connections, dtype=self.dtype, device=device) for _ in range(2))
        for first in range(0, connections, _CHUNK):
            index = torch.arange(first, min(first + _CHUNK, connections), device=device)
            for option in range(self.options):
                chunk = (option, slice(first, first + len(index)))
                values[chunk], scores[chunk] = self.draw(index, torch.tensor(option, device=device))
        return values, scores

    def values_of(self, options: Tensor) -> Tensor:
        """The value of one option of each connection: (n,) int64 -> (n,), on the same device."""
        values = torch.empty(len(options), dtype=self.dtype, device=options.device)
        for first in range(0, len(options), _CHUNK):
            index = torch.arange(first, min(first + _CHUNK, len(options)), device=options.device)
            chunk = slice(first, first + len(index))
            values[chunk], _ = self.draw(index, options[chunk])
        return values
