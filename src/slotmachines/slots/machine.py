"""The parametrization of one weight tensor by its trained numbers."""

from __future__ import annotations

import struct
from typing import Any, Literal

import torch
from torch import Tensor, nn

from slotmachines.foreign_state import not_of_a_slot_machine, other_settings
from slotmachines.precision import require_double, require_trainable
from slotmachines.sharded import whole
from slotmachines.slots.kernels import kernels_for
from slotmachines.slots.kernels.cache import Cache
from slotmachines.slots.operators import sample_key, select_best, select_sample, settings_of
from slotmachines.slots.philox import key_of
from slotmachines.slots.random_options import SHARINGS, OptionPool
from slotmachines.slots.straight_through import straight_through, traced_straight_through

Selection = Literal["greedy", "probabilistic"]


class SlotMachine(nn.Module):
    """Maps theta, the trained numbers of one weight tensor, to the selected weights.

    `score_scale` is the scalar c of `slots.straight_through`. It receives a gradient of zero, so that weight decay
    acts on the initial scores as it would on K trained scores.

    Attributes:
        pool: the options.
        selection: the rule in training mode; in evaluation mode both use the best option.
        compiled: whether compiled kernels may be used.
        handed_out: the weight that was selected together with those of other slot machines, while it is to be used
            (`slots.together`).
    """

    handed_out: Tensor | None = None

    def __init__(self, weight: Tensor, pool: OptionPool, *, selection: Selection, compiled: bool) -> None:
        super().__init__()
        self.pool = pool
        self.selection = selection
        self.compiled = compiled
        # Of one dimension, because FSDP2 refuses a scalar.
        self.score_scale = nn.Parameter(torch.ones(1, dtype=weight.dtype, device=weight.device))
        # No buffer: it is no state, it must not be cast with the module, and nobody has to send it to other processes.
        # Greedy selection has it from the start, as a compiled step would be compiled again for another one.
        remembered = weight.numel() if selection == "greedy" else 0
        self._cache = Cache.empty(weight.detach().reshape(-1)[:remembered])
        self._registered = False

    def forward(self, theta: Tensor) -> Tensor:
        if self.handed_out is not None:
            return self.handed_out
        theta, score_scale = whole(theta), whole(self.score_scale)
        require_trainable(theta)
        select = self._sample if self.training and self.selection == "probabilistic" else self._best
        if torch.compiler.is_compiling():
            return traced_straight_through(theta, score_scale, select(theta, score_scale))
        return straight_through(theta, score_scale, select)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Zeros, where theta starts; afterwards a weight cannot be assigned.

        Raises:
            RuntimeError: something assigns to the weight of a slot machine.
        """
        if self._registered:
            raise RuntimeError("the weights of a slot machine are selected, not assigned; call bake_ first")
        self._registered = True
        return torch.zeros_like(weight)

    def best_option(self, theta: Tensor) -> Tensor:
        """The option with the highest score of each connection, int64, of the shape of `theta`."""
        numbers = _flat(theta)
        if numbers.is_meta:
            return torch.empty_like(theta, dtype=torch.int64)
        kernels = kernels_for(numbers, self.pool.dtype, compiled=self.compiled)
        best: Tensor = kernels.best_option(numbers, _scale(self.score_scale, numbers), self.pool)
        return best.view(theta.shape)

    def best_weight(self, theta: Tensor) -> Tensor:
        """The weight that evaluation uses, of the shape of `theta`, detached."""
        return self._best(theta, self.score_scale)

    def choice(self, theta: Tensor) -> Tensor:
        """The best weight: two options of a connection have the same value with probability 2^-24 only."""
        return self.best_weight(theta)

    def drawn_weight(self, theta: Tensor, key: int) -> Tensor:
        """The weights of options drawn from the softmax of their scores, of the shape of `theta`, detached.

        The same `key`, 64 bits, draws the same again; PyTorch's generator is not used.
        """
        numbers = _flat(theta)
        kernels = kernels_for(numbers, self.pool.dtype, compiled=self.compiled)
        bits = torch.tensor(key - 2**63, dtype=torch.int64, device=numbers.device)
        weight: Tensor = kernels.select_sample(numbers, _scale(self.score_scale, numbers), bits, self.pool)
        return weight.view(theta.shape).to(theta.dtype)

    def _best(self, theta: Tensor, score_scale: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            return self._traced_best(theta, score_scale)
        cache = self.__dict__.pop("_cache", None)  # taken in one operation: another thread will make its own
        if cache is not None and cache.lent is not None and cache.lent.takes(theta, score_scale):
            weight: Tensor = cache.lent.select(theta, score_scale).view(theta.shape)
            self.__dict__["_cache"] = cache  # no module, parameter or buffer: PyTorch need not ask
            return weight
        numbers = _flat(theta)
        if numbers.is_meta:
            return torch.empty_like(theta)
        if cache is None or not cache.fits(numbers):
            cache = Cache.empty(numbers)
        kernels = kernels_for(numbers, self.pool.dtype, compiled=self.compiled)
        weight = kernels.select_best_(numbers, _scale(score_scale, numbers), cache, self.pool)
        self.__dict__["_cache"] = cache
        return weight.view(theta.shape).to(theta.dtype)

    def _traced_best(self, theta: Tensor, score_scale: Tensor) -> Tensor:
        numbers = _flat(theta)
        if numbers.is_meta:
            return torch.empty_like(theta)
        scale = _scale(score_scale, numbers)
        cache = getattr(self, "_cache", None)
        exporting = torch.compiler.is_exporting()  # an exported graph keeps no state
        if cache is None or exporting or not cache.fits(numbers):
            cache = Cache.empty(numbers)
        settings = (self.compiled, *settings_of(self.pool))
        weight: Tensor = select_best(numbers, scale, cache.weight, cache.low, cache.high, *settings)
        if not exporting:
            cache.lent = None  # which the operator does not bring up to date
            self._cache = cache
        return weight.view(theta.shape).to(theta.dtype)

    def _sample(self, theta: Tensor, score_scale: Tensor) -> Tensor:
        numbers = _flat(theta)
        if numbers.is_meta:
            return torch.empty_like(theta)
        scale = _scale(score_scale, numbers)
        if torch.compiler.is_compiling():
            weight: Tensor = select_sample(numbers, scale, self.compiled, *settings_of(self.pool))
        else:
            kernels = kernels_for(numbers, self.pool.dtype, compiled=self.compiled)
            weight = kernels.select_sample(numbers, scale, sample_key(numbers.device), self.pool)
        return weight.view(theta.shape).to(theta.dtype)

    def settings(self) -> dict[str, int]:
        """What the state has to agree in to belong to this slot machine, as integers of 64 bits."""
        pool = self.pool
        return {
            "seed": pool.seed,
            "options": pool.options,
            "name": key_of(pool.name) >> 1,  # int64 holds 63 bits and a sign
            "value_bound": struct.unpack("<q", struct.pack("<d", pool.value_bound))[0],
            "score_range": struct.unpack("<q", struct.pack("<d", pool.score_bound))[0],
            "precision": torch.finfo(pool.dtype).bits,
            "sharing": SHARINGS.index(pool.sharing),
        }

    def get_extra_state(self) -> Tensor:
        return torch.tensor(list(self.settings().values()), dtype=torch.int64, device="cpu")

    def set_extra_state(self, state: Any) -> None:
        settings = self.settings()
        if not isinstance(state, Tensor) or state.dtype != torch.int64 or state.shape != (len(settings),):
            raise not_of_a_slot_machine(state)
        theirs = dict(zip(settings, state.tolist(), strict=True))
        if wrong := other_settings(_readable(theirs), _readable(settings)):
            raise RuntimeError(
                f"this state belongs to a slot machine with other settings, {wrong}: "
                "call slotify_ with the settings that it was trained with (precision: that of the weights, then)"
            )
        if settings["name"] != theirs["name"]:
            raise RuntimeError(
                "this state belongs to a weight with another name: call slotify_ on the same module as when it was "
                "trained, not on a part of it"
            )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *more: Any) -> None:
        scale = state_dict.get(prefix + "score_scale")
        if isinstance(scale, Tensor) and scale.ndim == 0:  # as it was before FSDP2
            state_dict[prefix + "score_scale"] = scale.reshape(1)
        super()._load_from_state_dict(state_dict, prefix, *more)

    def extra_repr(self) -> str:
        pool = self.pool
        return (
            f"options={pool.options}, selection={self.selection!r}, seed={pool.seed}, "
            f"value_bound={pool.value_bound:.4g}, score_range={pool.score_bound / pool.value_bound:.4g}, "
            f"sharing={pool.sharing!r}"
        )


def _readable(settings: dict[str, int]) -> dict[str, Any]:
    """Settings as users know them, but for the name, of which a key is all that there is."""
    bounds = (settings["value_bound"], settings["score_range"])
    value_bound, score_bound = struct.unpack("<2d", struct.pack("<2q", *bounds))
    sharing = settings["sharing"]
    return {
        "seed": settings["seed"],
        "options": settings["options"],
        "value_bound": value_bound,
        "score_bound": score_bound,
        "precision": settings["precision"],
        "sharing": SHARINGS[sharing] if 0 <= sharing < len(SHARINGS) else sharing,
    }


def _scale(score_scale: Tensor, numbers: Tensor) -> Tensor:
    """c as a scalar, in the precision of the trained numbers."""
    scale = whole(score_scale.detach())
    return (scale if scale.dtype == numbers.dtype else scale.to(numbers.dtype)).reshape(())


def _flat(theta: Tensor) -> Tensor:
    """The trained numbers in row-major order, (n,), in a precision that the kernels know."""
    require_double(theta.device)
    numbers = whole(theta.detach()).reshape(-1).contiguous()  # reshape may leave a view with gaps
    return numbers if numbers.dtype in (torch.float32, torch.float64) else numbers.float()
