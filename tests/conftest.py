"""What several tests need: the digits, fetched once, and one processor thread, as a run has by default."""

from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory) -> Path:
    from slotmachines.data import fetch

    folder = tmp_path_factory.mktemp("digits")
    fetch("digits", folder)
    return folder
