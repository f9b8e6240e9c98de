"""Which values a network selected: histograms of its weights, relative to the bound of the random values."""

from __future__ import annotations

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file

from slotmachines.distributions import value_bound_of
from slotmachines.errors import UserError
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_files import TRAIN_AGAIN, RunFiles
from slotpipeline.runs.run_record import unreadable

BINS = 40
"""Equal bins of w / b from -1 to 1."""


def histogram(files: RunFiles, run: Run) -> pd.DataFrame:
    """Count the weights of each Linear and Conv layer of a finished run in bins of w / b.

    The weights are those of the best epoch on validation. b is the value bound of their layer; random values are
    U(-b, b), so weights that were not selected fill all bins equally.

    Args:
        files: of the run.
        run: a slot machine.

    Returns:
        Columns identity, layer, bin (0 to BINS - 1) and count.

    Raises:
        UserError: a file is missing or damaged, or holds weights beyond the bound.
    """
    path = files.best_weights
    try:
        weights = {name: weight for name, weight in load_file(path).items() if weight.ndim >= 2}
        bounds = {name: value_bound_of(weight.shape, run.settings.value_bound) for name, weight in weights.items()}
        if not weights:
            raise ValueError("it holds no weights")
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise unreadable(files.folder, error, path.name) from None
    parts = []
    for name, weight in weights.items():
        relative = weight / np.float64(bounds[name])
        if not np.abs(relative).max() <= 1 + 2 * np.finfo(weight.dtype).eps:  # so written, it refuses NaN too
            raise UserError(
                f"{path}: {name} goes beyond the value bound, so these are not the weights of this run; {TRAIN_AGAIN}"
            )
        counts, _ = np.histogram(relative.clip(-1, 1), bins=BINS, range=(-1, 1))
        layer = name.removesuffix(".weight")
        parts.append(pd.DataFrame({"identity": run.identity, "layer": layer, "bin": range(BINS), "count": counts}))
    return pd.concat(parts, ignore_index=True)
