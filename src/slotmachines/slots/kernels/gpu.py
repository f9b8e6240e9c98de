"""The rules of `slotmachines.slots.kernels.plain`, compiled by Triton for a GPU.

For theta in float32 and pools of float32. The host waits for nothing, and beyond the result nothing is allocated, so
that the calls can be captured in a CUDA graph once they were compiled by a first one.

A program looks after a block of connections. Where some of them have to be computed, it draws the options of a few
neighbouring connections at a time, as a tile of rows (connections) and columns (options). Where all K options fit into
one tile, the compiler draws them once, though the loops below read as if each of them drew its own.

The kernels of one tensor stand in one file with all that they call, because the parts are of use only to each other;
`gpu_together` selects from several tensors with them.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"
from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from slotmachines.slots.kernels.cache import Cache
from slotmachines.slots.kernels.plain import MARGIN, OPTIONS_PER_SPREAD, SMALLEST_SCALE, TRIALS_PER_SPREAD
from slotmachines.slots.random_options import OptionPool

_BLOCK = 256  # connections of a program
_TILE = 1024  # options drawn at a time
_INTEGERS = ["connections", "key", "shared_key"]  # to Triton, each number that is a multiple of 16 is another kernel
# Products and sums are rounded one by one, as the rule says and as they are elsewhere.
_COMPILER = {"num_warps": 4, "enable_fp_fusion": False}

_INTERVAL_MARGIN = tl.constexpr(MARGIN * torch.finfo(torch.float32).eps)
_SMALLEST_SCALE = tl.constexpr(SMALLEST_SCALE)
_OPTIONS_PER_SPREAD = tl.constexpr(float(OPTIONS_PER_SPREAD))
_TRIALS_PER_SPREAD = tl.constexpr(float(TRIALS_PER_SPREAD))


@triton.jit
def _uniform53(high, low):
    return ((high.to(tl.uint64) << 21) | (low.to(tl.uint64) >> 11)).to(tl.float64) * (2.0**-53)


@triton.jit
def _draw(connection, option, key, shared_key, value_bound, score_bound, SHARED: tl.constexpr):
    """Values and initial scores, float32, of connections (int64) and options (int32) that broadcast."""
    value_word, _, score_word, _ = tl.philox(
        key, connection.to(tl.uint32), (connection >> 32).to(tl.uint32), option.to(tl.uint32), 0
    )
    if SHARED:
        value_word, _, _, _ = tl.philox(shared_key, 0, 0, option.to(tl.uint32), 1)
    value = (2.0 * ((value_word >> 8).to(tl.float32) * (2.0**-24)) - 1.0) * value_bound
    score = ((score_word >> 8).to(tl.float32) * (2.0**-24)) * score_bound
    return tl.broadcast(value, score)


@triton.jit
def _is_better(value, score, option, other_value, other_score, other_option, theta, scale):
    """Whether the other option is chosen instead of this one; `plain.best_of` states the rule."""
    gain = (other_score.to(tl.float64) - score.to(tl.float64)) * scale.to(tl.float64)
    loss = (value.to(tl.float64) - other_value.to(tl.float64)) * theta.to(tl.float64)
    return (gain > loss) | ((other_option < option) & ((gain < loss) == 0))


@triton.jit
def _better(value, score, option, theta, scale, other_value, other_score, other_option, other_theta, other_scale):
    """The better one of two options. A reduction has no arguments but its elements, hence theta and the scale."""
    other = _is_better(value, score, option, other_value, other_score, other_option, theta, scale)
    return (
        tl.where(other, other_value, value),
        tl.where(other, other_score, score),
        tl.where(other, other_option, option),
        theta,
        scale,
    )


@triton.jit
def _best(
    connection,
    theta,
    scale,
    key,
    shared_key,
    value_bound,
    score_bound,
    OPTIONS: tl.constexpr,
    SHARED: tl.constexpr,
    COLUMNS: tl.constexpr,
    PIECES: tl.constexpr,
):
    """Value, initial score and number of the best option of each connection: (rows,) each."""
    column = tl.arange(0, COLUMNS)[None, :]
    # A column beyond the last option holds that option again, which changes nothing.
    option = tl.minimum(column * PIECES, OPTIONS - 1)
    value, score = _draw(connection[:, None], option, key, shared_key, value_bound, score_bound, SHARED)
    number = tl.broadcast_to(option, value.shape)
    rows_theta = tl.broadcast_to(theta[:, None], value.shape)
    rows_scale = tl.broadcast_to(scale, value.shape)
    for piece in range(1, PIECES):
        option = tl.minimum(column * PIECES + piece, OPTIONS - 1)
        other_value, other_score = _draw(connection[:, None], option, key, shared_key, value_bound, score_bound, SHARED)
        other = _is_better(value, score, number, other_value, other_score, option, rows_theta, rows_scale)
        value = tl.where(other, other_value, value)
        score = tl.where(other, other_score, score)
        number = tl.where(other, option, number)
    value, score, number, _, _ = tl.reduce((value, score, number, rows_theta, rows_scale), 1, _better)
    return value, score, number


@triton.jit
def _interval(
    connection,
    best_value,
    best_score,
    key,
    shared_key,
    value_bound,
    score_bound,
    OPTIONS: tl.constexpr,
    SHARED: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    PIECES: tl.constexpr,
):
    """`plain.interval_of`: lower and upper ends, (rows,) each."""
    column = tl.arange(0, COLUMNS)[None, :]
    lows = tl.full((ROWS, COLUMNS), float("-inf"), tl.float32)
    highs = tl.full((ROWS, COLUMNS), float("inf"), tl.float32)
    for piece in range(PIECES):
        option = tl.minimum(column * PIECES + piece, OPTIONS - 1)
        value, score = _draw(connection[:, None], option, key, shared_key, value_bound, score_bound, SHARED)
        difference = value - best_value[:, None]
        breaks = tl.div_rn(best_score[:, None] - score, difference)
        lows = tl.maximum(lows, tl.where(difference < 0.0, breaks, float("-inf")))
        highs = tl.minimum(highs, tl.where(difference > 0.0, breaks, float("inf")))
    low, high = tl.max(lows, axis=1), tl.min(highs, axis=1)
    # Infinities stay: inf - inf would be no number.
    low = tl.where(low > float("-inf"), low + tl.abs(low) * _INTERVAL_MARGIN, low)
    return low, tl.where(high < float("inf"), high - tl.abs(high) * _INTERVAL_MARGIN, high)


@triton.jit
def _select_block(
    start,
    scale,
    theta_pointer,
    weight_pointer,
    low_pointer,
    high_pointer,
    out_pointer,
    connections,
    key,
    shared_key,
    value_bound,
    score_bound,
    OPTIONS: tl.constexpr,
    SHARED: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    PIECES: tl.constexpr,
):
    """Select the best options of the block of connections of one tensor that begins at `start`."""
    end = tl.minimum(start + BLOCK, connections)
    lane = tl.arange(0, BLOCK)
    connection = start + lane
    exists = connection < end
    certain = tl.where(scale > _SMALLEST_SCALE, scale, float("nan"))
    theta = tl.load(theta_pointer + connection, mask=exists, other=0.0)
    low = tl.load(low_pointer + connection, mask=exists, other=0.0)
    high = tl.load(high_pointer + connection, mask=exists, other=0.0)
    weight = tl.load(weight_pointer + connection, mask=exists, other=0.0)
    inside = (theta > low * certain) & (theta < high * certain)
    tl.store(out_pointer + connection, weight, mask=exists & inside)

    waiting = tl.where(exists & (inside == 0), lane, BLOCK)
    lane_of_first = tl.min(waiting, axis=0)
    while lane_of_first < BLOCK:
        # Rows that are inside their interval come out as they are.
        row = start + lane_of_first + tl.arange(0, ROWS)
        exists_row = row < end
        row_theta = tl.load(theta_pointer + row, mask=exists_row, other=0.0)
        value, score, _ = _best(
            row, row_theta, scale, key, shared_key, value_bound, score_bound, OPTIONS, SHARED, COLUMNS, PIECES
        )
        row_low, row_high = _interval(
            row, value, score, key, shared_key, value_bound, score_bound, OPTIONS, SHARED, ROWS, COLUMNS, PIECES
        )
        tl.store(weight_pointer + row, value, mask=exists_row)
        tl.store(low_pointer + row, row_low, mask=exists_row)
        tl.store(high_pointer + row, row_high, mask=exists_row)
        tl.store(out_pointer + row, value, mask=exists_row)
        waiting = tl.where(waiting < lane_of_first + ROWS, BLOCK, waiting)
        lane_of_first = tl.min(waiting, axis=0)


@triton.jit(do_not_specialize=_INTEGERS)
def _select_best_kernel(
    theta_pointer,
    scale_pointer,
    weight_pointer,
    low_pointer,
    high_pointer,
    out_pointer,
    connections,
    key,
    shared_key,
    value_bound,
    score_bound,
    OPTIONS: tl.constexpr,
    SHARED: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    PIECES: tl.constexpr,
):
    start = tl.program_id(0).to(tl.int64) * BLOCK
    _select_block(
        start, tl.load(scale_pointer), theta_pointer, weight_pointer, low_pointer, high_pointer, out_pointer,
        connections, key, shared_key, value_bound, score_bound, OPTIONS, SHARED, BLOCK, ROWS, COLUMNS, PIECES,
    )  # fmt: skip


@triton.jit(do_not_specialize=_INTEGERS)
def _best_option_kernel(
    theta_pointer,
    scale_pointer,
    out_pointer,
    connections,
    key,
    shared_key,
    value_bound,
    score_bound,
    OPTIONS: tl.constexpr,
    SHARED: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    PIECES: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    exists = row < connections
    theta = tl.load(theta_pointer + row, mask=exists, other=0.0)
    scale = tl.load(scale_pointer)
    _, _, number = _best(row, theta, scale, key, shared_key, value_bound, score_bound, OPTIONS, SHARED, COLUMNS, PIECES)
    tl.store(out_pointer + row, number.to(tl.int64), mask=exists)


@triton.jit(do_not_specialize=_INTEGERS)
def _try_proposals_kernel(
    theta_pointer,
    scale_pointer,
    draw_key_pointer,
    out_pointer,
    connections,
    key,
    shared_key,
    value_bound,
    score_bound,
    OPTIONS: tl.constexpr,
    SHARED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Draw by rejection where that pays; what has no draw then is left as it is."""
    connection = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    exists = connection < connections
    theta = tl.load(theta_pointer + connection, mask=exists, other=0.0).to(tl.float64)
    scale = tl.load(scale_pointer).to(tl.float64)
    draw_key = tl.load(draw_key_pointer)
    spread = (1.0 + tl.abs(scale) * score_bound) * (1.0 + 2.0 * tl.abs(theta) * value_bound)
    bound = tl.where(scale > 0.0, scale, 0.0) * score_bound + tl.abs(theta) * value_bound
    pays = exists & (spread * _OPTIONS_PER_SPREAD <= OPTIONS)
    trials = tl.where(pays, _TRIALS_PER_SPREAD * spread, 0.0).to(tl.int32)  # of those without a draw; else 0
    trial = 1
    while trial <= tl.max(trials, axis=0):
        a, b, c, d = tl.philox(draw_key, connection.to(tl.uint32), (connection >> 32).to(tl.uint32), trial, 0)
        # Of 64 bits, without rounding.
        option = (a.to(tl.uint64) * OPTIONS + ((b.to(tl.uint64) * OPTIONS) >> 32)) >> 32
        value, score = _draw(connection, option.to(tl.int32), key, shared_key, value_bound, score_bound, SHARED)
        chance = tl.exp(scale * score.to(tl.float64) + theta * value.to(tl.float64) - bound)
        accepted = (trials >= trial) & (_uniform53(c, d) < chance)
        tl.store(out_pointer + connection, value, mask=accepted)
        trials = tl.where(accepted, 0, trials)
        trial += 1


@triton.jit
def _power(logit, highest):
    """exp(logit - highest), as in `plain.select_sample`, and 0 for a logit of minus infinity."""
    power = tl.exp(tl.maximum(logit - highest, -87.0)).to(tl.float64)
    return tl.where(logit > float("-inf"), power, 0.0)


@triton.jit(do_not_specialize=_INTEGERS)
def _locate_kernel(
    theta_pointer,
    scale_pointer,
    draw_key_pointer,
    out_pointer,
    connections,
    key,
    shared_key,
    value_bound,
    score_bound,
    OPTIONS: tl.constexpr,
    SHARED: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    PIECES: tl.constexpr,
):
    """Where the result is NaN, locate one uniform number in the cumulative distribution of the options."""
    start = tl.program_id(0).to(tl.int64) * BLOCK
    end = tl.minimum(start + BLOCK, connections)
    lane = tl.arange(0, BLOCK)
    column = tl.arange(0, COLUMNS)[None, :]
    drawn = tl.load(out_pointer + start + lane, mask=start + lane < end, other=0.0)
    scale = tl.load(scale_pointer)
    draw_key = tl.load(draw_key_pointer)

    waiting = tl.where(drawn != drawn, lane, BLOCK)
    lane_of_first = tl.min(waiting, axis=0)
    while lane_of_first < BLOCK:
        row = start + lane_of_first + tl.arange(0, ROWS)
        drawn_row = tl.load(out_pointer + row, mask=row < end, other=0.0)
        theta = tl.load(theta_pointer + row, mask=row < end, other=0.0)
        # Of each column the highest score so far, and the sum of exp(score - highest).
        highest = tl.full((ROWS, COLUMNS), float("-inf"), tl.float32)
        total = tl.zeros((ROWS, COLUMNS), tl.float64)
        for piece in range(PIECES):
            option = column * PIECES + piece
            value, score = _draw(row[:, None], option, key, shared_key, value_bound, score_bound, SHARED)
            logit = tl.where(option < OPTIONS, score * scale + value * theta[:, None], float("-inf"))
            higher = tl.maximum(highest, logit)
            total = total * _power(highest, higher) + _power(logit, higher)
            highest = higher
        highest_of_row = tl.max(highest, axis=1)
        cumulative = tl.cumsum(total * _power(highest, highest_of_row[:, None]), axis=1)
        high_word, low_word, _, _ = tl.philox(draw_key, row.to(tl.uint32), (row >> 32).to(tl.uint32), 0, 0)
        position = _uniform53(high_word, low_word) * tl.max(cumulative, axis=1)
        passed = cumulative <= position[:, None]
        first = tl.sum(passed.to(tl.int32), axis=1) * PIECES
        left = position - tl.max(tl.where(passed, cumulative, 0.0), axis=1)
        # The column is found; within it, as many options are passed.
        chosen = first
        for piece in range(PIECES - 1):
            next_value, next_score = _draw(row, first + piece, key, shared_key, value_bound, score_bound, SHARED)
            left -= _power(next_score * scale + next_value * theta, highest_of_row)
            chosen = tl.where(left >= 0.0, first + piece + 1, chosen)
        chosen = tl.minimum(chosen, OPTIONS - 1)
        chosen_value, _ = _draw(row, chosen, key, shared_key, value_bound, score_bound, SHARED)
        tl.store(out_pointer + row, chosen_value, mask=drawn_row != drawn_row)
        waiting = tl.where(waiting < lane_of_first + ROWS, BLOCK, waiting)
        lane_of_first = tl.min(waiting, axis=0)


def select_best_(theta: Tensor, score_scale: Tensor, cache: Cache, pool: OptionPool) -> Tensor:
    """As `plain.select_best_`, for contiguous float32 and a float32 pool."""
    out = torch.empty_like(theta)
    with torch.cuda.device(theta.get_device()):
        _select_best_kernel[(triton.cdiv(len(theta), _BLOCK),)](
            theta,
            score_scale,
            cache.weight,
            cache.low,
            cache.high,
            out,
            **_arguments(theta, pool),
            BLOCK=_BLOCK,
            **_tile(pool),
        )
    return out


def select_sample(theta: Tensor, score_scale: Tensor, key: Tensor, pool: OptionPool) -> Tensor:
    """As `plain.select_sample`, for contiguous float32 and a float32 pool; `key` lies on the device."""
    out = torch.full_like(theta, torch.nan)
    tensors, arguments = (theta, score_scale, key, out), _arguments(theta, pool)
    grid = (triton.cdiv(len(theta), _BLOCK),)
    with torch.cuda.device(theta.get_device()):
        if pool.options >= OPTIONS_PER_SPREAD:
            _try_proposals_kernel[grid](*tensors, **arguments, BLOCK=_BLOCK)
        _locate_kernel[grid](*tensors, **arguments, BLOCK=_BLOCK, **_tile(pool))
    return out


def best_option(theta: Tensor, score_scale: Tensor, pool: OptionPool) -> Tensor:
    """As `plain.best_option`, for contiguous float32 and a float32 pool."""
    out = torch.empty(len(theta), dtype=torch.int64, device=theta.device)
    tile = _tile(pool)
    with torch.cuda.device(theta.get_device()):
        _best_option_kernel[(triton.cdiv(len(theta), tile["ROWS"]),)](
            theta, score_scale, out, **_arguments(theta, pool), **tile
        )
    return out


def _arguments(theta: Tensor, pool: OptionPool) -> dict[str, Any]:
    """What all kernels take beside tensors."""
    shared = pool.shared_key is not None
    return {
        "connections": len(theta),
        "key": _signed(pool.key),
        "shared_key": _signed(pool.shared_key or 0),
        "value_bound": pool.value_bound,
        "score_bound": pool.score_bound,
        "OPTIONS": pool.options,
        "SHARED": shared,
        **_COMPILER,
    }


def _signed(key: int) -> int:
    """The number of the same 64 bits that int64 holds, so that every key has the same type."""
    return key - 2**64 if key >= 2**63 else key


def _tile(pool: OptionPool) -> dict[str, int]:
    """Rows and columns of a tile, powers of two, and how many options a column holds, one after the other."""
    columns = min(max(triton.next_power_of_2(pool.options), 2), _TILE)
    return {"ROWS": min(_TILE // columns, _BLOCK), "COLUMNS": columns, "PIECES": triton.cdiv(pool.options, columns)}
