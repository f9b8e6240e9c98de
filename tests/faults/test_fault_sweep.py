"""Some of the calls to the file system of each command fail, or are its last; all of them: `make test-faults`.

On 28 November 2026, `sweep.py --sample 300` found no fault in 300 of 2,359 injections (1,011 s on a busy machine).
The sweep of all was too long for that machine, and has not been seen to end on this version.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COMPILE = ("gcc", "-O2", "-shared", "-fPIC", "-o")
# A sample in the slow half of the tests; `make test-faults` sets it to all.
SAMPLE = os.environ.get("FAULTS", "60")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler: on Debian, apt install gcc libc6-dev")
@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD as on Linux")
def test_after_any_fault_the_same_command_ends_with_the_same_bytes(tmp_path: Path) -> None:
    shim = tmp_path / "failing_calls.so"
    subprocess.run([*COMPILE, str(shim), str(HERE / "failing_calls.c"), "-ldl"], check=True)
    command = [sys.executable, str(HERE / "sweep.py"), str(shim), str(tmp_path / "projects")]
    sample = [] if SAMPLE == "all" else ["--sample", SAMPLE]
    environment = os.environ | {"LD_PRELOAD": str(shim), "OMP_NUM_THREADS": "1"}
    output = None if SAMPLE == "all" else subprocess.PIPE  # what takes an hour says how far it is
    answer = subprocess.run([*command, *sample], env=environment, text=True, stdout=output, stderr=output)
    assert answer.returncode == 0, f"{answer.stdout}{answer.stderr}"
