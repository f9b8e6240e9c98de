"""Run the commands of a plan, some at a time and up to a deadline, without Snakemake."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from slotmachines.errors import UserError
from slotpipeline.runs.run import METRICS

_SECONDS_BETWEEN_LOOKS = 0.2
_PATIENCE = 60.0  # seconds until a run is asked again to stop


@dataclass(frozen=True)
class Done:
    """What became of a plan: how many of its runs were finished before, are finished now, failed, and are left."""

    before: int
    now: int
    failed: int
    left: int


def read_plan(path: Path) -> list[list[str]]:
    """The commands of a plan, as `slotmachines plan` prints it.

    Raises:
        UserError: the file is missing, or a line is no command that trains.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        commands = [shlex.split(line) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the plan {path}: {error}; make it with: slotmachines plan") from None
    for words in commands:
        if words[:1] != ["slotmachines"] or words[1:2] not in (["train"], ["finetune"]) or "--folder" not in words[:-1]:
            raise UserError(f"{path}: {shlex.join(words)[:80]!r} is no line of a plan; make it with: slotmachines plan")
    return commands


def work(commands: Sequence[list[str]], *, jobs: int, seconds: float, log: Path) -> Done:
    """Run the commands in their order, `jobs` at a time; after `seconds`, stop those that run, with their checkpoints.

    What is finished is left alone, and what was stopped goes on when the same plan is worked at again. Of a command
    that fails the others know nothing; what it printed stands in `log`.
    """
    waiting = [words for words in commands if not _is_finished(words)]
    before, failed = len(commands) - len(waiting), 0
    running: dict[subprocess.Popen[bytes], list[str]] = {}
    deadline, total = time.monotonic() + seconds, len(waiting)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output, tqdm(total=total, unit="run") as bar:
        try:
            while (waiting or running) and time.monotonic() < deadline:
                while waiting and len(running) < jobs:
                    words = waiting.pop(0)
                    command = [sys.executable, "-m", *words]
                    running[subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)] = words
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                for process in [process for process in running if process.poll() is not None]:
                    failed += not _is_finished(running.pop(process))
                    bar.update()
        finally:
            _stop(running)
    now = sum(map(_is_finished, commands)) - before
    return Done(before, now, failed, total - now - failed)


def _stop(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Ask processes to stop until all have: one that is asked while it starts may not hear it.

    A run ends its epoch first, and at the second time of asking does not.
    """
    left = list(processes)
    while left:
        for process in left:
            process.terminate()
        patience = time.monotonic() + _PATIENCE
        while left and time.monotonic() < patience:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            left = [process for process in left if process.poll() is None]


def _is_finished(words: Sequence[str]) -> bool:
    return Path(words[words.index("--folder") + 1], METRICS).is_file()
