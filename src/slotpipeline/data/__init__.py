"""Images: where they come from, how they are stored, split, normalised and augmented.

`fetch` turns any source into one canonical file per dataset; training only ever reads that file, with `load`.
Adding a dataset takes one file like `mnist.py` and one line in `datasets.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slotpipeline.data.augmentation import augment
    from slotpipeline.data.fetching import fetch
    from slotpipeline.data.splits import ImageSet, Splits, load

__all__ = ["ImageSet", "Splits", "augment", "fetch", "load"]

_HOMES = {
    "augment": "augmentation",
    "fetch": "fetching",
    "ImageSet": "splits",
    "Splits": "splits",
    "load": "splits",
}


def __getattr__(name: str) -> object:
    """Import on first use: fetching does without torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
