"""Scripts of the workflow, given something wrong: one line and status 2; and what the README's table becomes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from slotmachines.command import one_line_errors
from slotmachines.errors import UserError
from synthetic import NOTE, REFERENCE, grid

__all__ = ["grid"]
SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"


def call(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_bad_input_ends_a_program_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, one_line_errors("slotmachines"):
        raise UserError("K is missing; give --options")
    assert ended.value.code == 2
    assert capsys.readouterr().err == "slotmachines: K is missing; give --options\n"


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(KeyError), one_line_errors("slotmachines"):
        raise KeyError("K")


def test_collecting_runs_that_are_not_there(grid: Path, tmp_path: Path) -> None:
    answer = call("collect", grid / "config.yaml", tmp_path / "runs.csv", tmp_path / "curves.csv.gz")
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: cannot read the run ")
    assert answer.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("script", ["collect", "tables", "report", "readme", "curves", "k_sweep"])
def test_too_few_arguments(script: str) -> None:
    answer = call(script)
    assert answer.returncode == 2
    assert "Missing argument" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_readme_gets_the_table_and_keeps_the_rest(grid: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- begin synthetic -->\nold\n<!-- end synthetic -->\nafter\n")
    arguments = ("readme", grid / "config.yaml", grid / "runs.csv", REFERENCE, readme)
    assert call(*arguments).returncode == 0
    text = readme.read_text()
    assert text.startswith("before\n<!-- begin synthetic -->\nOf 20 published numbers in reach of this grid: ")
    assert text.endswith(f"\n\nData: CIFAR-10, {NOTE}.\n<!-- end synthetic -->\nafter\n")
    assert "| MNIST" in text
    assert "old" not in text
    readme.write_text("no marks")
    answer = call(*arguments)
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    assert "lacks the marks" in answer.stderr
    readme.unlink()
    answer = call(*arguments)
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    assert "No such file or directory; give the file to change" in answer.stderr
