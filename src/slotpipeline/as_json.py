"""What verbs print for programs."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")]


def json_text(value: Any) -> str:
    """A value as JSON, on several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False)
