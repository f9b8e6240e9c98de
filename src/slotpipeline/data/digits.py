"""The handwritten digits that scikit-learn brings along: 1797 real images of 8 x 8, no network needed.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from slotpipeline.data.dataset import Contents, Dataset

_TEST_IMAGES = 297
_BRIGHTEST = 16


def _contents(_: Path) -> Contents:
    from sklearn.datasets import load_digits

    from slotmachines.slots.philox import permutation

    images, labels = load_digits(return_X_y=True)
    images = np.rint(images * (255 / _BRIGHTEST)).astype(np.uint8).reshape(-1, 1, 8, 8)
    labels = labels.astype(np.uint8)
    # The images are ordered by writer, and no official division comes with them.
    order = permutation(len(images), "test", "digits").numpy()
    test, train = order[:_TEST_IMAGES], order[_TEST_IMAGES:]
    return Contents(images[train], labels[train], images[test], labels[test], source="scikit-learn's load_digits")


DIGITS = Dataset(
    "digits", "digits", (1, 8, 8), 1500, mean=(0.0,), std=(1.0,), read=None, download=_contents, resizable=True
)
