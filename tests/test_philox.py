"""The generator: its published test vectors, and what the rest relies on."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from slotmachines.slots.philox import key_of, permutation, philox, uniform

# Known answers for philox4x32-10 that come with Random123: counter, key, output.
VECTORS = [
    ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), VECTORS)
def test_published_vectors(counter, key, expected):
    words = philox(key[0] | key[1] << 32, tuple(counter))
    assert [int(word) for word in words] == expected


def test_words_of_a_counter_do_not_depend_on_its_company():
    index = torch.arange(1000)
    together = philox(7, (index, 0, index.view(-1, 1)[:3], 5))
    assert all(word.shape == (3, 1000) and word.dtype == torch.int64 for word in together)
    assert all(word.min() >= 0 and word.max() < 2**32 for word in together)
    for row, column in [(0, 0), (1, 999), (2, 500)]:
        alone = philox(7, (column, 0, row, 5))
        assert [int(word) for word in alone] == [int(word[row, column]) for word in together]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**64 - 1), st.lists(st.integers(0, 2**32 - 1), min_size=4, max_size=4), st.integers(0, 127))
def test_every_bit_of_the_counter_matters(key, counter, bit):
    other = list(counter)
    other[bit // 32] ^= 1 << bit % 32
    words, changed = philox(key, tuple(counter)), philox(key, tuple(other))
    assert [int(word) for word in words] != [int(word) for word in changed]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniform_numbers_are_uniform(dtype):
    words = philox(key_of("uniformity"), (torch.arange(50_000), 0, 0, 0))
    for high, low in (words[:2], words[2:]):
        assert stats.kstest(uniform(high, low, dtype).numpy(), "uniform").pvalue > 1e-3
    assert abs(torch.corrcoef(torch.stack([word.double() for word in words])) - torch.eye(4)).max() < 0.02


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_uniform_lies_on_an_exact_grid_below_one(high, low):
    words = torch.tensor([high]), torch.tensor([low])
    single, double = (uniform(*words, dtype).item() for dtype in (torch.float32, torch.float64))
    assert single == (high >> 8) / 2**24 and double == (high << 32 | low) // 2**11 / 2**53
    assert 0 <= single <= double < 1


def test_uniform_at_the_ends_of_the_grid():
    words = torch.tensor([0, 2**32 - 1])
    assert uniform(words, words, torch.float32).tolist() == [0, 1 - 2**-24]
    assert uniform(words, words, torch.float64).tolist() == [0, 1 - 2**-53]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64])
def test_uniform_refuses_other_precisions(dtype):
    with pytest.raises(TypeError, match="must be float32 or float64"):
        uniform(torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64), dtype)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 500), st.integers(0, 2**63 - 1))
def test_permutation(length, seed):
    order = permutation(length, "test", seed)
    assert sorted(order.tolist()) == list(range(length))
    torch.manual_seed(seed)
    assert torch.equal(order, permutation(length, "test", seed))


def test_permutations_stay_the_same_for_ever():
    assert permutation(10, "order", 0, 1).tolist() == [1, 5, 3, 4, 7, 2, 0, 6, 8, 9]
    assert permutation(10, "order", 1, 1).tolist() != [1, 5, 3, 4, 7, 2, 0, 6, 8, 9]


def test_keys_stay_the_same_for_ever():
    assert key_of(0, "dense1.weight") == 0x7D0163667086D333


def test_keys_differ():
    keys = [
        key_of(*parts) for parts in [(), (0,), ("0",), (0, ""), ("", 0), (1, 2), (12,), ("1", "2"), ("12",), (2, 1)]
    ]
    assert len(set(keys)) == len(keys) and all(0 <= key < 2**64 for key in keys)
