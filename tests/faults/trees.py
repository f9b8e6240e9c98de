"""All files below a folder, and how two such trees differ."""

from __future__ import annotations

import json
from pathlib import Path

NEVER_THE_SAME = {"started", "wall_seconds", "processor"}
"""Fields of a run's metrics.json that say when and where it was trained."""

Tree = dict[str, bytes]


def is_unfinished(name: str) -> bool:
    """Whether a file is what a process was writing, or the state of a run that is not finished."""
    return any(part.startswith(".") for part in Path(name).parts) or "/checkpoints/" in name


def finished(files: Tree) -> Tree:
    """The files without what a killed process was writing: that is removed a day later."""
    return {name: content for name, content in files.items() if not any(part[0] == "." for part in Path(name).parts)}


def difference(files: Tree, expected: Tree) -> str:
    one, other = finished(files), finished(expected)
    return ", ".join(sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)))


def tree(folder: Path) -> Tree:
    """Every file below a folder, with its content; of a run's metrics without what differs from time to time."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.name == "metrics.json":
                try:
                    fields = json.loads(content)
                    same = {name: fields[name] for name in fields.keys() - NEVER_THE_SAME}
                    content = json.dumps(same, sort_keys=True).encode()
                except ValueError:
                    pass
            found[str(path.relative_to(folder))] = content
    return found
