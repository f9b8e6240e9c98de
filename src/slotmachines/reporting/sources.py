"""What a figure or page was made from, so that one that is out of date can be told from one that is not."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image, UnidentifiedImageError

from slotmachines.reporting.table import csv_text

KEY = "Source"


def source_digest(config: Mapping[str, Any], experiment: str, table: pd.DataFrame) -> str:
    """Digest of all that the figure of an experiment is made from: its table and config, not the code that draws."""
    about = {name: config[name] for name in ("grid", "recipe", "seeds")}
    about["experiment"] = config["experiments"][experiment]
    return _digest(json.dumps(about, sort_keys=True) + csv_text(table))


def report_digest(sources: Iterable[str]) -> str:
    """Digest of all that the report of a grid is made from: the digests of its experiments."""
    return _digest("".join(sources))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def picture_source(picture: Path) -> str | None:
    """The digest that a figure was saved with; None where it has none or cannot be read."""
    try:
        with Image.open(picture) as image:
            return str(image.info.get(KEY)) if KEY in image.info else None
    except (OSError, UnidentifiedImageError):
        return None


def page_source(page: Path) -> str | None:
    """The digest that a report was written with; None where it has none."""
    found = re.search(rf'<meta name="{KEY}" content="(\w+)">', page.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else None
