"""The curve of a run as scalars that TensorBoard shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from slotmachines.errors import UserError, how_to_install, one_line
from slotmachines.files import require_writable
from slotpipeline.runs.run_record import CurveRow

_SECONDS_BETWEEN_WRITES = 10


@contextmanager
def scalar_log(
    log_dir: Path | None, run_folder: str, curve: Sequence[CurveRow]
) -> Iterator[Callable[[CurveRow], None]]:
    """Yield a function that logs a row of the curve; it does nothing where `log_dir` is None.

    A resumed run goes on: the rows so far are written again, and TensorBoard is told to forget what the run logged
    before, such as an epoch after its last checkpoint. The step of a scalar is the number of the epoch.

    Args:
        log_dir: folder of the scalars of all runs.
        run_folder: readable and unique name of the run, see `Run.folder`.
        curve: the rows so far, of a resumed run.

    Raises:
        UserError: TensorBoard is not installed, or the folder cannot be written.
    """
    if log_dir is None:
        yield lambda row: None
        return
    try:
        # Imported only when asked for: it takes about a second.
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError(f"--log-dir needs TensorBoard ({one_line(error)}); {how_to_install('tensorboard')}") from None
    folder = log_dir / run_folder
    require_writable(folder)
    # A run that was killed before its first checkpoint begins anew: what it logged goes, too.
    first = curve[0].epoch if curve else 0
    writer = SummaryWriter(str(folder), purge_step=first, flush_secs=_SECONDS_BETWEEN_WRITES)

    def log(row: CurveRow) -> None:
        for name, value in vars(row).items():
            if name != "epoch" and value is not None:
                writer.add_scalar(tag(name), value, row.epoch)

    try:
        for row in curve:
            log(row)
        yield log
    finally:
        writer.close()


def tag(column: str) -> str:
    """What TensorBoard calls a column of the curve: those of one kind share a group, such as `accuracy/val`."""
    part, _, kind = column.rpartition("_")
    return f"{kind}/{part}" if kind in ("accuracy", "loss") else column
