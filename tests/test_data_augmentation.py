"""Augmentation: each image is changed by itself, in the ways it should be and in no other."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import pad

from slotmachines.errors import UserError
from slotpipeline.data.augmentation import AUGMENTATIONS, augment


def batch(count: int, channels: int = 3, height: int = 6, width: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(256, (count, channels, height, width), generator=generator).to(torch.uint8)


def shifts(image: torch.Tensor) -> list[torch.Tensor]:
    _, height, width = image.shape
    padded = pad(image, (4, 4, 4, 4))
    return [padded[:, top : top + height, left : left + width] for top in range(9) for left in range(9)]


@pytest.mark.parametrize("name", AUGMENTATIONS)
@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 5), channels=st.integers(1, 3), height=st.integers(1, 9), width=st.integers(1, 9))
def test_shape_type_and_input_stay(name, count, channels, height, width):
    images = batch(count, channels, height, width)
    before = images.clone()
    got = augment(images, name)
    assert got.shape == images.shape and got.dtype == torch.uint8
    assert torch.equal(images, before)


def test_none_changes_nothing():
    assert torch.equal(augment(batch(4), "none"), batch(4))


def test_flip_mirrors_half_of_the_images():
    torch.manual_seed(0)
    images = batch(1000)
    got = augment(images, "flip")
    mirrored = (got == images.flip(-1)).flatten(1).all(1)
    untouched = (got == images).flatten(1).all(1)
    assert (mirrored ^ untouched).all()
    # Four standard deviations of a fair coin.
    assert abs(mirrored.sum().item() - 500) < 64


def test_crop_flip_gives_each_shift_of_each_image_and_nothing_else():
    torch.manual_seed(0)
    image = batch(1)[0]
    candidates = shifts(image)
    candidates = torch.stack(candidates + [shifted.flip(-1) for shifted in candidates]).flatten(1)
    got = augment(image.expand(4000, -1, -1, -1), "crop-flip").flatten(1)
    matches = (got[:, None] == candidates).all(2)
    assert matches.any(1).all()
    assert matches.any(0).all()


def test_the_images_of_a_batch_do_not_mix():
    torch.manual_seed(0)
    images = torch.arange(1, 51, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
    got = augment(images, "crop-flip").flatten(1).amax(1)
    assert torch.equal(got, images[:, 0, 0, 0])


@pytest.mark.parametrize("name", ["flip", "crop-flip"])
def test_randomness_is_that_of_the_global_generator(name):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first, second = augment(batch(50), name), augment(batch(50), name)
    assert not torch.equal(first, second)
    torch.set_rng_state(state)
    assert torch.equal(augment(batch(50), name), first)
    assert torch.equal(augment(batch(50), name), second)


def test_unknown_name():
    with pytest.raises(UserError, match="unknown augmentation 'mixup'; choose one of none, flip, crop-flip"):
        augment(batch(1), "mixup")
