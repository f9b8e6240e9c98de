"""What training costs in floating-point operations.

A multiplication, an addition, a comparison and an exponential are one operation each; a multiply-add is two.
Counted are, per image, the matrix products and convolutions of the forward and the backward pass
(`config/flops_per_step.csv`); per step and trained number, the optimiser; per step and connection, the selection.
Not counted is what is small or not floating-point arithmetic: activations, pooling, dropout, batch
normalisation, the loss, evaluation, the score scale (one number per weight tensor), the drawing of random numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from slotmachines.errors import NotMeasured, UserError, one_line
from slotmachines.methods import SLOT_METHODS
from slotpipeline.runs.recipe import Settings
from slotpipeline.runs.run import Run

Scores = Literal["one", "all"]

_COLUMNS = {
    "network": "str",
    "network_settings": "str",
    "connections": "int64",
    "forward": "int64",
    "backward": "int64",
}


def read_flops(path: str | Path) -> pd.DataFrame:
    """The number of connections of each network, and the operations of its forward and its backward pass per image.

    Raises:
        UserError: the file is missing, damaged or lacks a column.
    """
    try:
        return pd.read_csv(path, usecols=list(_COLUMNS), dtype=_COLUMNS, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {one_line(error)}; make it with: make measure") from None


def settings_text(network_settings: Mapping[str, Any]) -> str:
    """The settings of a network as the column `network_settings` has them, such as "padding=same"."""
    return " ".join(f"{name}={value}" for name, value in sorted(network_settings.items()))


def training_flops(run: Run, epochs: int, training_images: int, table: pd.DataFrame, *, scores: Scores = "one") -> int:
    """Floating-point operations of the first epochs of a run, an exact whole number.

    An epoch costs

        training_images x (forward + backward) + steps x connections x p

    with steps = ceil(training_images / batch size), and p the operations per connection: `optimiser_flops` in ordinary
    training, `slot_machine_flops` in a slot machine. A finetuned run costs what its slot machine does up to
    `start_epoch`, and ordinary training from there on.

    Args:
        epochs: how many; for a finetuned run including those of its slot machine.
        training_images: images per epoch, those held out for validation not included.
        table: from `read_flops`.
        scores: what a slot machine trains per connection, see `slot_machine_flops`.

    Raises:
        UserError: the run has fewer epochs.
        NotMeasured: the table lacks its network.
    """
    if not 0 <= epochs <= run.settings.epochs:
        raise UserError(f"{run.folder} has no {epochs} epochs; ask for the cost of 0 to {run.settings.epochs}")
    is_slot_machine = run.parent is None and run.method in SLOT_METHODS
    trained = slot_machine_flops(run, scores) if is_slot_machine else optimiser_flops(run.settings)
    epoch = _epoch(run, training_images, table, trained)
    if run.parent is None:
        return epochs * epoch
    before = min(epochs, run.start_epoch)
    return training_flops(run.parent, before, training_images, table, scores=scores) + (epochs - before) * epoch


def optimiser_flops(settings: Settings) -> int:
    """Operations of a step of SGD per trained number.

    Two for p - lr v; two for v = momentum v + g, where there is momentum (the first step only copies g; it is
    counted like the others); two for g + decay p, where there is weight decay.
    """
    return 2 + 2 * (settings.momentum != 0) + 2 * (settings.weight_decay != 0)


def slot_machine_flops(run: Run, scores: Scores = "one") -> int:
    """Operations of a step of a slot machine per connection: optimiser and selection.

    scores="one" is the slot machine of this library: one number theta per connection is trained. Per connection,

    - greedy selection takes 2 products, of c and the ends of the interval in which the choice stays, and 2 comparisons
      with theta, for any K. Choosing among the K again, for the few connections outside their interval, is not counted.
    - probabilistic sampling forms K logits c s_k + theta W_k (3 K), and draws from their softmax. Where K is large
      against the spread of the scores the library draws by rejection, which on average costs less than is counted here.

    scores="all" is the slot machine as the paper writes it: K scores per connection are trained. Per connection,

    - the gradients G W_k are K products (paper, section 3), and the optimiser updates K numbers;
    - greedy selection takes the K - 1 comparisons of an argmax; probabilistic sampling draws from the softmax.

    A draw takes K - 1 comparisons for the highest score, K subtractions of it, K exponentials, K - 1 additions for
    their sum, the product of that with a uniform number, and K - 1 subtractions and as many comparisons to find its
    option among the K (kernels/loops.py, `scan`): 6 K - 3 operations. The division of the softmax is not needed.

    """
    options = run.options or 1
    draw = 6 * options - 3
    if scores == "one":
        return optimiser_flops(run.settings) + (4 if run.method == "greedy" else 3 * options + draw)
    return options * (1 + optimiser_flops(run.settings)) + (options - 1 if run.method == "greedy" else draw)


def _epoch(run: Run, training_images: int, table: pd.DataFrame, per_connection: int) -> int:
    settings = settings_text(run.settings.network_settings)
    rows = table[(table["network"] == run.network) & (table["network_settings"] == settings)]
    if len(rows) != 1:
        raise NotMeasured(
            f"the operations of {' '.join([run.network, settings]).strip()} were counted {len(rows)} times, not once; "
            "take network settings of a recipe of the package, and count them with: make measure"
        )
    connections, forward, backward = (int(rows[name].item()) for name in ("connections", "forward", "backward"))
    steps = math.ceil(training_images / run.settings.batch_size)
    return training_images * (forward + backward) + steps * connections * per_connection
