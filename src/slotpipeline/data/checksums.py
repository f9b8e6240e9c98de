"""Reading files of a local source without trusting them."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

from slotmachines.errors import UserError


def read_verified(path: Path, checksum: str, algorithm: str = "sha256") -> bytes:
    """The content of a file, unpacked if its name ends in .gz, if it has the checksum (hexadecimal).

    Raises:
        UserError: the file is missing or unreadable, or its content is not the expected one.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror}; complete the folder, "
            "or download it: without SLOTMACHINES_DATA and --from"
        ) from None
    try:
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        intact = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest() == checksum
    except (OSError, EOFError, zlib.error):
        intact = False
    if not intact:
        raise UserError(
            f"{path} is damaged, incomplete or not the expected file ({algorithm} of its content is not {checksum}); "
            "replace it, or download it: without SLOTMACHINES_DATA and --from"
        )
    return content
