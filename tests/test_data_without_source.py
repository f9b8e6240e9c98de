"""Datasets that need no source, and folders that cannot be written."""

import os
import subprocess
import sys

import pytest

from slotmachines.errors import UserError
from slotpipeline.data import fetch


def test_digits_need_no_source(tmp_path):
    # SLOTMACHINES_DATA may name a folder of other datasets, or one that is not there.
    fetch("digits", tmp_path / "a", tmp_path / "nowhere")
    fetch("digits", tmp_path / "b")
    assert (tmp_path / "a/digits.safetensors").read_bytes() == (tmp_path / "b/digits.safetensors").read_bytes()


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_a_folder_that_cannot_be_written_is_refused(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write to"):
        fetch(name, tmp_path / "file" / "data")


def test_naming_the_datasets_does_not_import_torch():
    code = "import sys; from slotpipeline.data import datasets, fetch; sys.exit('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
