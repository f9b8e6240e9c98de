"""The one file per dataset that training reads: `<data folder>/<name>.safetensors`.

It holds the four arrays of `Contents`, its texts, and a digest of all of them. The same contents give the same
bytes on each machine, so that versions of data can be told apart by the file alone.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from slotmachines.errors import UserError
from slotmachines.files import replacing
from slotpipeline.data.dataset import Contents, Dataset


def canonical_path(dataset: Dataset, folder: str | Path) -> Path:
    """Where the canonical file of a dataset is in the data folder."""
    return Path(folder) / f"{dataset.name}.safetensors"


def write_canonical(path: Path, dataset: Dataset, contents: Contents) -> None:
    """Write the canonical file, whole or not at all."""
    header = {"name": dataset.name, "source": contents.source, "note": contents.note}
    header["sha256"] = _digest(dataset, contents)
    arrays = {name: np.ascontiguousarray(array) for name, array in contents.arrays.items()}
    with replacing(path) as temporary:
        # One entry only: safetensors writes several metadata entries in an order that changes from run to run.
        temporary.write_bytes(save(arrays, metadata={"dataset": json.dumps(header, sort_keys=True)}))


def read_canonical(path: Path, dataset: Dataset) -> tuple[Contents, str]:
    """The contents of a canonical file and their digest, which has been verified.

    Raises:
        UserError: the file is missing, damaged, or not that of the dataset.
    """
    if not path.exists():
        raise UserError(f"{path} is missing; run: slotmachines fetch {dataset.name}")
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})["dataset"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dictionary)
        contents = Contents(**arrays, source=header["source"], note=header["note"])
        digest = _digest(dataset, contents)
        intact = header["name"] == dataset.name and header["sha256"] == digest and _well_formed(dataset, contents)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        intact = False
    if not intact:
        raise UserError(
            f"{path} is damaged or not the {dataset.name} file; delete it and run: slotmachines fetch {dataset.name}"
        )
    return contents, digest


def _digest(dataset: Dataset, contents: Contents) -> str:
    """SHA-256 of the texts and of the four arrays with their shapes."""
    digest = hashlib.sha256(json.dumps([dataset.name, contents.source, contents.note]).encode())
    for name, array in contents.arrays.items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _well_formed(dataset: Dataset, contents: Contents) -> bool:
    pairs = [(contents.train_images, contents.train_labels), (contents.test_images, contents.test_labels)]
    return all(
        images.dtype == labels.dtype == np.uint8
        and images.shape[1:] == dataset.shape
        and labels.shape == images.shape[:1]
        and len(labels) > 0
        for images, labels in pairs
    )


def stored_digest(path: Path) -> str | None:
    """The digest that a canonical file says it has, which is not verified here; None where it cannot be read."""
    try:
        with safe_open(path, framework="numpy") as file:
            return str(json.loads((file.metadata() or {})["dataset"])["sha256"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return None
