"""Verbs of the workflow, given something wrong: one line and status 2; and what the README's table becomes."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slotmachines.errors import UserError
from slotpipeline.command import one_line_errors
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.reporting.scoreboard import scoreboard, sentence
from slotpipeline.results.read import read_results
from slotpipeline.runs.config import read_config
from synthetic import REFERENCE, grid, make_config, write_grid

__all__ = ["grid"]
FIGURES = Path(__file__).parents[1] / "workflow" / "figures"


def call(verb: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "slotmachines", verb, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_bad_input_ends_a_program_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, one_line_errors("slotmachines"):
        raise UserError("K is missing; give --options")
    assert ended.value.code == 2
    assert capsys.readouterr().err == "slotmachines: K is missing; give --options\n"


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EINTR, errno.EROFS, errno.EACCES, errno.EPERM]
)
def test_trouble_with_a_disk_ends_a_program_with_one_line_that_names_the_file(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, one_line_errors("slotmachines"):
        raise OSError(number, os.strerror(number), "results/tiny/runs.csv")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"slotmachines: {os.strerror(number)}: results/tiny/runs.csv; ") and said.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is Linux's")
@pytest.mark.parametrize("verb", [["claims"], ["watch", "config/smoke.yaml", "--once"], ["--help"]])
def test_a_full_disk_behind_the_output_ends_a_verb_with_one_line(verb: list[str]) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "slotmachines", *verb]
        answer = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert answer.returncode == 2
    assert answer.stderr.startswith("slotmachines: No space left on device; ") and answer.stderr.count("\n") == 1


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(KeyError), one_line_errors("slotmachines"):
        raise KeyError("K")


def test_collecting_says_how_many_runs_there_are(tmp_path: Path) -> None:
    folder = write_grid(tmp_path / "grid", make_config(experiments=["k-sweep", "selected-weights"]))
    before = (folder / "runs.csv").read_text().count("\n")
    answer = call("collect", folder)
    assert answer.returncode == 0
    assert answer.stdout == f"{before - 1} of 30 runs are in {folder}/runs.csv\n"
    assert (folder / "runs.csv").read_text().count("\n") == before


def test_collecting_a_damaged_run(grid: Path, tmp_path: Path) -> None:
    shutil.copy(grid / "config.yaml", tmp_path)
    run = grid_runs(read_config(grid / "config.yaml"))[0]
    (tmp_path / "runs" / run.folder).mkdir(parents=True)
    (tmp_path / "runs" / run.folder / "metrics.json").write_text("{")
    answer = call("collect", tmp_path)
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"slotmachines: cannot read the run {tmp_path}/runs/{run.folder}: ")
    assert answer.stderr.count("\n") == 1
    assert not (tmp_path / "runs.csv").exists()


@pytest.mark.parametrize("verb", ["collect", "table", "summary", "report", "readme"])
def test_too_few_arguments(verb: str) -> None:
    answer = call(verb)
    assert answer.returncode == 2
    assert "Missing argument" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("name", ["curves", "k_sweep"])
def test_a_figure_without_arguments(name: str) -> None:
    command = [sys.executable, str(FIGURES / f"{name}.py")]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (answer.returncode, "Missing argument" in answer.stderr, "Traceback" in answer.stderr) == (2, True, False)


@pytest.mark.slow
def test_the_readme_gets_generated_parts_and_keeps_the_rest(grid: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    names = ("answer", "claims", "grids", "scoreboard")
    marks = "".join(f"<!-- begin {name} -->\nold\n<!-- end {name} -->\n" for name in names)
    readme.write_text(f"before\n{marks}after\n")
    arguments = ("readme", REFERENCE, grid, "--readme", readme)
    assert call(*arguments).returncode == 0
    text = readme.read_text()
    board = scoreboard([read_results(grid, REFERENCE)])
    assert text.startswith("before\n<!-- begin answer -->\n") and text.endswith("\n<!-- end scoreboard -->\nafter\n")
    assert f"<!-- begin scoreboard -->\n{sentence(board)}\n<!-- end" in text
    assert "\n| `paper.yaml` " in text
    assert "old" not in text
    for page in ("no marks", marks.replace("<!-- end scoreboard -->", "")):
        readme.write_text(page)
        answer = call(*arguments)
        assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
        assert "lacks the marks" in answer.stderr and readme.read_text() == page
    readme.unlink()
    answer = call(*arguments)
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    assert "No such file or directory; give the file to change" in answer.stderr
