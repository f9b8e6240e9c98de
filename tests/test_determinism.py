"""The same run gives the same bits, whatever runs beside it and whatever the shell says of threads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from test_resume import assert_equal_results


def started(folder: Path, data: Path, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "slotmachines", "train", "--network", "lenet", "--dataset", "digits"]
    command += ["--method", "probabilistic", "--options", "4", "--data", str(data)]
    command += ["--set", "epochs=3", "--set", "schedule=constant", "--set", "schedule_epochs=[]"]
    command += ["--folder", str(folder), "--checkpoint", str(folder.with_suffix(".pt"))]
    return subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def results(tmp_path_factory, digits_folder) -> Path:
    """One run alone; then twice more, beside each other."""
    folder = tmp_path_factory.mktemp("runs")
    assert started(folder / "alone", digits_folder).wait() == 0
    beside = [
        started(folder / "beside", digits_folder),
        started(folder / "many threads", digits_folder, OMP_NUM_THREADS="4", MKL_NUM_THREADS="4"),
    ]
    assert [process.wait() for process in beside] == [0, 0]
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["beside", "many threads"])
def test_the_same_seed_gives_the_same_bits_beside_other_runs(results, name):
    assert_equal_results(results / "alone", results / name)
