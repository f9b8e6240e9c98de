"""Train the runs of a plan, some at a time and up to a deadline, without Snakemake."""

from __future__ import annotations

import os
import platform
import shlex
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import RLock

from tqdm import tqdm

from slotmachines.errors import UserError
from slotpipeline.runs.run_files import RunFiles

_SECONDS_BETWEEN_LOOKS = 0.2
_PATIENCE = 60.0  # seconds until a run is asked again to stop


@dataclass(frozen=True)
class Done:
    """What became of a plan: how many of its runs were finished before, are finished now, failed, and are left."""

    before: int
    now: int
    failed: int
    left: int


def read_plan(lines: Iterable[str], where: str) -> list[list[str]]:
    """The commands of a plan, as `slotmachines plan` prints it; `where` names their file.

    Raises:
        UserError: a line is not a command that trains.
    """
    commands = []
    for line in filter(str.strip, lines):
        try:
            words = shlex.split(line)
        except ValueError:
            words = []
        if words[:1] != ["slotmachines"] or words[1:2] not in (["train"], ["finetune"]) or "--folder" not in words[:-1]:
            raise UserError(f"{where}: {line[:80]!r} is not a line of a plan; make it with: slotmachines plan")
        commands.append(words)
    return commands


def log_of(commands: Sequence[list[str]]) -> Path:
    """Where what the runs of a plan print goes: a file of this process, beside the logs of the grid's other jobs.

    A run's folder is below results/<grid>/runs; those of runs that are elsewhere have a log of their own.
    """
    name = f"work-{platform.node() or 'here'}-{os.getpid()}.log"
    parts = _files_of(commands[0]).folder.parts if commands else ()
    grids = [
        grid
        for first, grid, last in zip(parts, parts[1:], parts[2:], strict=False)
        if (first, last) == ("results", "runs")
    ]
    return Path("logs", grids[-1], "train", name) if grids else Path("logs", name)


def work(
    commands: Sequence[list[str]], train: Callable[[list[str]], None], *, jobs: int, seconds: float, log: Path
) -> Done:
    """Train the runs of commands in their order, in `jobs` processes, each of which trains one run after the other.

    Finished runs stay as they are. After `seconds`, those under way stop with their checkpoints, and go on from there
    when the same plan is worked at again. A run that fails, or whose process is killed, does not keep the others from
    being trained; what it printed is in `log`.

    Args:
        train: trains the run of one command; a function of a module, as other processes call it.
    """
    waiting = [words for words in commands if not _is_done(words)]
    before, failed = len(commands) - len(waiting), 0
    deadline, total = time.monotonic() + seconds, len(waiting)
    log.parent.mkdir(parents=True, exist_ok=True)
    workers: list[_Worker] = []
    with tqdm(total=total, unit="run") as bar:
        try:
            while (waiting or any(worker.words for worker in workers)) and time.monotonic() < deadline:
                while waiting and len(workers) < jobs:
                    workers.append(_Worker(train, log))
                for worker in workers:
                    at_work = [worker.words for worker in workers if worker.words]
                    ready = next((words for words in waiting if not _waits_for(words, at_work)), None)
                    if ready and not worker.words:
                        waiting.remove(ready)
                        worker.begin(ready)
                for connection in wait([worker.connection for worker in workers], _SECONDS_BETWEEN_LOOKS):
                    worker = next(worker for worker in workers if worker.connection is connection)
                    words, is_alive = worker.words, worker.answered()
                    if words:
                        failed += not _is_done(words)
                        bar.update()
                    if not is_alive:
                        workers.remove(worker)
        finally:
            _stop([worker.process for worker in workers])
    now = sum(_is_done(words) for words in commands) - before
    return Done(before, now, failed, total - now - failed)


class _Worker:
    """A process that trains runs one after the other, and the words of the command under way; empty while it waits."""

    def __init__(self, train: Callable[[list[str]], None], log: Path) -> None:
        context = get_context("spawn")  # CUDA does not survive a fork
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_train_what_comes, args=(theirs, train, log))
        self.process.start()
        theirs.close()
        self.words: list[str] = []

    def begin(self, words: list[str]) -> None:
        """Have the process train the run of a command."""
        self.words = words
        self.connection.send(words)

    def answered(self) -> bool:
        """Take the answer of the process, which then waits for a command; False if it has ended instead."""
        self.words = []
        try:
            self.connection.recv()
        except (EOFError, OSError):
            return False
        return True


def _train_what_comes(connection: Connection, train: Callable[[list[str]], None], log: Path) -> None:
    """Train the run of each command that arrives, and answer when it has ended, until the connection is closed."""
    # Ctrl-C reaches all processes of a terminal. The first process then asks this one to stop, once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Bars would share a semaphore with other processes. SIGTERM ends this one at once, and Python would warn of a leak.
    tqdm.set_lock(RLock())
    with log.open("ab") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    while True:
        try:
            words = connection.recv()
        except EOFError:
            return
        train(words)
        connection.send(None)


def _stop(processes: Sequence[BaseProcess]) -> None:
    """Ask processes to stop until all have; a process that is still starting may miss the first signal.

    A run ends its epoch first; asked a second time, it stops at once.
    """
    left = list(processes)
    while left:
        for process in left:
            process.terminate()
        patience = time.monotonic() + _PATIENCE
        while left and time.monotonic() < patience:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            left = [process for process in left if process.is_alive()]


def _waits_for(words: Sequence[str], at_work: Iterable[Sequence[str]]) -> bool:
    """Whether a run starts from weights of a run that is under way; in a plan, that one comes first."""
    if "--weights" not in words[:-1]:
        return False
    weights = Path(words[words.index("--weights") + 1])
    return any(weights.parent == _files_of(other).weights for other in at_work)


def _is_done(words: Sequence[str]) -> bool:
    """Whether the run of a command is finished, and the weights are there that it keeps for others to start from."""
    files = _files_of(words)
    kept = [int(epoch) for option, epoch in pairwise(words) if option == "--keep-epoch"]
    return files.is_finished and all(files.epoch_weights(epoch).is_file() for epoch in kept)


def _files_of(words: Sequence[str]) -> RunFiles:
    return RunFiles(Path(words[words.index("--folder") + 1]))
