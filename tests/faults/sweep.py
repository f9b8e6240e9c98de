"""Fail each call to the file system once, and see that the same command, given again, ends with the same bytes.

Of `train`, `collect`, `table`, `figure` and `report`, each call on a path of the project fails with one of several
errors, or the process is killed right before or after it. What is required of each:

* each file is the old one or the new one, whole, and a command that reports success has done its work;
* a command that fails says why in one line, not by a traceback;
* the same command, given again, succeeds, and all files are those of a command that nothing disturbed.

The process that holds this forks a child per command, so that torch is imported once:

    LD_PRELOAD=failing_calls.so python tests/faults/sweep.py failing_calls.so FOLDER [--sample N]
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import importlib
import os
import pkgutil
import random
import re
import runpy
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from trees import Tree, difference, finished, is_unfinished, tree

import slotpipeline
import slotpipeline.training.train
from slotmachines import build_network, slotify_
from slotpipeline.cli import main
from slotpipeline.data import fetch
from slotpipeline.experiments.config_schema import checked_config
from slotpipeline.experiments.grid import grid_runs, kept_epochs
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.planning.plan import plan_lines
from slotpipeline.reporting.sources import OVERVIEWS, overview_script

PROJECT = Path(__file__).parents[2]
GRID = """
grid: small
description: one training on digits
recipe: paper-glorot
seeds: [0]
networks: {lenet: digits}
settings: {lenet: {epochs: 2}}
tolerance: {digits: 1.0}
experiments:
  k-sweep: {networks: [lenet], options: [2]}
"""
EXPERIMENT = "k-sweep"
FAIL, KILL_BEFORE, KILL_AFTER = range(3)
READS = {"open", "open-folder", "read", "stat", "stat-file", "access"}
RESULTS, FIGURES, REFERENCE = "results/small", "figures/small", "config/reference.csv"


@dataclass(frozen=True)
class Injection:
    """What happens to call number `call` of a command."""

    command: str
    call: int
    kind: str
    path: str
    action: int
    error: int = 0

    def __str__(self) -> str:
        what = {FAIL: errno.errorcode.get(self.error, ""), KILL_BEFORE: "kill before", KILL_AFTER: "kill after"}
        return f"{self.command}, call {self.call}: {what[self.action]} {self.kind} {self.path}"


class Sweep:
    """A project with one run, and the commands on it.

    Args:
        shim: the compiled failing_calls.c, which this process was started with.
        folder: of the projects, made here.
    """

    def __init__(self, shim: Path, folder: Path) -> None:
        self.shim = ctypes.CDLL(str(shim))
        self.folder, self.work = folder.resolve(), folder.resolve() / "work"
        self.log = self.folder / "calls.txt"
        self.said = self.folder / "said.txt"
        config = checked_config(yaml.safe_load(GRID))
        runs = grid_runs(config)
        (self.plan,) = plan_lines(runs[:1], kept_epochs(runs), Path(RESULTS))
        self.commands: dict[str, Callable[[], None]] = {
            "train": self._verb(*self.plan.split()[1:], "--device", "cpu"),
            "collect": self._verb("collect", RESULTS),
            "table": self._verb("table", RESULTS, REFERENCE, EXPERIMENT, f"{RESULTS}/tables"),
            "figure": self._script(EXPERIMENTS[EXPERIMENT].figure_script, f"{FIGURES}/{EXPERIMENT}.png"),
            "report": self._verb("report", RESULTS, FIGURES, REFERENCE, f"{RESULTS}/report.html"),
        }
        start = self.folder / "before-train"
        (start / RESULTS).mkdir(parents=True)
        (start / "config").mkdir()
        shutil.copy(PROJECT / REFERENCE, start / "config")
        (start / RESULTS / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        fetch("digits", start / "data")
        self.expected: dict[str, Tree] = {}
        self.calls: dict[str, list[tuple[int, str, str]]] = {}
        names = list(self.commands)
        for name, following in zip(names, [*names[1:], "end"], strict=True):
            self._fresh(name)
            # The time of a run is no part of what is compared: the shim counts the calls meanwhile.
            code = self._child(name, None)
            assert code == 0, (name, code, self.said.read_text())
            self.calls[name] = [
                (int(number), kind, path)
                for number, kind, path in (line.split(" ", 2) for line in self.log.read_text().splitlines())
            ]
            self.expected[name] = tree(self.work)
            if name == "figure":
                for other in OVERVIEWS:
                    assert self._run(self._script(overview_script(other), f"{FIGURES}/{other}.png"), None) == 0
            shutil.copytree(self.work, self.folder / f"before-{following}")

    def warm_up(self) -> None:
        """Do here once what each child would do for itself: imports, templates, fonts. Training cannot be forked."""
        for name in ("collect", "table", "figure", "report"):
            self._fresh(name)
            os.chdir(self.work)
            with open(self.said, "w") as said, redirect_stdout(said), suppress(SystemExit):
                self.commands[name]()
            os.chdir(self.folder)

    def _verb(self, *words: str) -> Callable[[], None]:
        def call() -> None:
            sys.argv = ["slotmachines", *words]
            main()

        return call

    def _script(self, script: str, picture: str) -> Callable[[], None]:
        def call() -> None:
            sys.argv = [script, RESULTS, REFERENCE, picture]
            runpy.run_path(str(PROJECT / script), run_name="__main__")

        return call

    def _fresh(self, name: str) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.folder / f"before-{name}", self.work)

    def _child(self, name: str, injection: Injection | None) -> int:
        return self._run(self.commands[name], injection)

    def _run(self, command: Callable[[], None], injection: Injection | None) -> int:
        """Run a command in a child; its exit code, or the negative number of the signal that ended it."""
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) if injection is None else -1
        said = os.open(self.said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        child = os.fork()
        if child:
            status = os.waitpid(child, 0)[1]
            for opened in {log, said} - {-1}:
                os.close(opened)
            return os.waitstatus_to_exitcode(status)
        code = 1
        try:
            os.dup2(said, 1)
            os.dup2(said, 2)
            os.chdir(self.work)
            chosen = (injection.call, injection.action, injection.error) if injection else (0, 0, 0)
            self.shim.fault_arm(str(self.work).encode(), ctypes.c_long(chosen[0]), *chosen[1:], log)
            try:
                command()
                code = 0
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
                if isinstance(ended.code, str):
                    print(ended.code, file=sys.stderr)
            except BaseException:
                sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def injections(self) -> Iterator[Injection]:
        """Every call with every way in which it can go wrong."""
        for command, calls in self.calls.items():
            for call, kind, path in calls:
                errors = (errno.EIO, errno.EINTR) if kind in READS else (errno.ENOSPC, errno.EIO, errno.EINTR)
                for error in errors:
                    yield Injection(command, call, kind, path, FAIL, error)
                yield Injection(command, call, kind, path, KILL_BEFORE)
                if kind not in READS:
                    yield Injection(command, call, kind, path, KILL_AFTER)

    def faults(self, injection: Injection) -> list[str]:
        """What is wrong after an injection; empty if all is as it should be."""
        self._fresh(injection.command)
        before, expected = tree(self.work), self.expected[injection.command]
        code = self._child(injection.command, injection)
        said = self.said.read_text(errors="replace")
        after = tree(self.work)
        found = [
            f"{name} is neither the old file nor the new one"
            for name in after
            if after[name] not in (before.get(name), expected.get(name)) and not is_unfinished(name)
        ]
        if injection.action == FAIL:
            if code < 0:
                found.append(f"the process was ended by {signal.Signals(-code).name}")
            elif code == 0 and finished(after) != finished(expected):
                found.append(f"it reports success, but lacks its work: {difference(after, expected)}")
            elif code > 0 and "Traceback" in said:
                found.append(f"it ends in a traceback: {said.strip().splitlines()[-1]}")
            elif code > 0 and len(re.findall(r"^slotmachines: |^error: ", said, flags=re.MULTILINE)) > 1:
                found.append("it says more than one line")
            elif code > 0 and not said.strip():
                found.append("it fails without a word")
        elif code != -signal.SIGKILL:
            found.append(f"it was to be killed, and ended with {code}")
        again = self._child(injection.command, Injection(injection.command, 0, "", "", FAIL))
        if again != 0:
            last = self.said.read_text(errors="replace").strip()[-300:]
            found.append(f"the same command, given again, fails: {last}")
        elif finished(tree(self.work)) != finished(expected):
            found.append(f"the same command, given again, gives other bytes: {difference(tree(self.work), expected)}")
        return found


def warm_up() -> None:
    """Load here what each child would load for itself: the compiled kernels. Training itself cannot be forked."""
    for module in pkgutil.walk_packages(slotpipeline.__path__, "slotpipeline."):
        importlib.import_module(module.name)
    for name in ("matplotlib.backends.backend_pdf", "matplotlib.backends.backend_svg", "scipy.stats"):
        importlib.import_module(name)
    torch.set_num_threads(1)
    network = slotify_(build_network("lenet"), options=2)
    torch.optim.SGD(network.parameters(), lr=0.1)
    with torch.no_grad():
        network(torch.zeros(2, 1, 28, 28))


def run() -> int:
    """Sweep, print each fault found and a summary; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shim", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=int, help="so many injections, chosen at random but always the same")
    parser.add_argument("--only", help="of one command only")
    arguments = parser.parse_args()
    os.environ["SLOTMACHINES_COMMIT"] = "0123456"
    slotpipeline.training.train._SECONDS_BETWEEN_CHECKPOINTS = 0.0  # a checkpoint after each epoch
    warm_up()
    begin = time.monotonic()
    sweep = Sweep(arguments.shim, arguments.folder)
    sweep.warm_up()
    chosen = [one for one in sweep.injections() if arguments.only in (None, one.command)]
    everything = len(chosen)
    if arguments.sample and arguments.sample < everything:
        chosen = sorted(random.Random(0).sample(chosen, arguments.sample), key=chosen.index)
    calls = {name: len(found) for name, found in sweep.calls.items()}
    print(f"calls: {calls}; {len(chosen)} of {everything} injections", flush=True)
    wrong: Counter[str] = Counter()
    for number, injection in enumerate(chosen, 1):
        for fault in sweep.faults(injection):
            wrong[injection.command] += 1
            print(f"FAULT {injection}: {fault}", flush=True)
        if number % 200 == 0:
            print(f"{number} injections in {time.monotonic() - begin:.0f} s", flush=True)
    print(f"{len(chosen)} injections in {time.monotonic() - begin:.0f} s; faults: {dict(wrong) or 'none'}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(run())
