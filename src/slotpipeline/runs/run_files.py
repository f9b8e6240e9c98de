"""Where the files of a run are, and whether it is finished."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slotpipeline.runs.run import Run

METRICS, CURVE, WEIGHTS = "metrics.json", "curve.csv", "weights"
"""What the folder of a run holds: two files and a folder."""

TRAIN_AGAIN = "delete the folder and, if it has one, its row in runs.csv to train it again"
"""What to do about a damaged run: a run that runs.csv records is not trained again."""


@dataclass(frozen=True)
class RunFiles:
    """The files of one run."""

    folder: Path

    @property
    def metrics(self) -> Path:
        """The result; written last, so that a folder which has it is complete."""
        return self.folder / METRICS

    @property
    def curve(self) -> Path:
        """One row per epoch."""
        return self.folder / CURVE

    @property
    def weights(self) -> Path:
        """The folder of weights; it may be missing where a finished run was copied without it."""
        return self.folder / WEIGHTS

    @property
    def best_weights(self) -> Path:
        """The weights of the best epoch on validation."""
        return self.weights / f"{BEST}.safetensors"

    def epoch_weights(self, epoch: int) -> Path:
        """The weights after an epoch, which the run keeps for other runs to start from."""
        return self.weights / f"{epoch_name(epoch)}.safetensors"

    @property
    def is_finished(self) -> bool:
        """Whether the run is finished."""
        return self.metrics.is_file()


BEST = "best"
"""What files and checkpoints call the weights of the best epoch."""


def epoch_name(epoch: int) -> str:
    """What files and checkpoints call the weights after an epoch."""
    return f"epoch-{epoch}"


def run_files(run: Run, results: Path) -> RunFiles:
    """The files of a run of a grid; `results` is the grid's folder of results."""
    return RunFiles(results / "runs" / run.folder)


def checkpoint_of(run: Run, results: Path) -> Path:
    """The checkpoint of an unfinished run of a grid, outside the folder of what the run results in."""
    return results / "checkpoints" / f"{run.folder}.pt"


def failure_note(checkpoint: Path) -> Path:
    """Where a run that failed says why, beside its checkpoint."""
    return checkpoint.with_suffix(".failed")


def is_finished(run: Run, results: Path) -> bool:
    """Whether the folder of a run of a grid holds its result."""
    return run_files(run, results).is_finished
