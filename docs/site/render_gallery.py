"""Run the examples of docs/gallery and write each as a Markdown page with its output and figures.

    python docs/site/render_gallery.py FOLDER

An example is a script in the percent format: `# %%` begins a cell of code, `# %% [markdown]` a cell of text. It runs as
an ordinary script too, and opens in editors and Jupyter (jupytext) as a notebook.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GALLERY = Path(__file__).parents[1] / "gallery"
_CELL = re.compile(r"^# %%(?P<kind> \[markdown\])?[^\n]*\n", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """A part of an example: `text` is Markdown or Python; `line` is where it begins in the script."""

    is_markdown: bool
    text: str
    line: int


def cells_of(script: str) -> list[Cell]:
    """The cells of a script in the percent format.

    Raises:
        ValueError: something stands before the first cell, or a line of a text is no comment.
    """
    marks = list(_CELL.finditer(script))
    if not marks or script[: marks[0].start()].strip():
        raise ValueError("an example begins with a cell: # %% or # %% [markdown]")
    cells = []
    for mark, end in zip(marks, [*(mark.start() for mark in marks[1:]), len(script)], strict=True):
        text, line = script[mark.end() : end], script.count("\n", 0, mark.end()) + 1
        if mark["kind"]:
            lines = text.strip().splitlines()
            if wrong := [one for one in lines if one and not one.startswith("#")]:
                raise ValueError(f"a line of a text cell is no comment: {wrong[0]}")
            text = "\n".join(one.removeprefix("#").removeprefix(" ") for one in lines)
        cells.append(Cell(bool(mark["kind"]), text.strip("\n"), line))
    return cells


def render(script: Path, folder: Path) -> Path:
    """Run an example and write its page, `<name>.md`, and its figures, `<name>-<number>.png`, into a folder.

    What the code raises is raised, and then nothing is written but figures.
    """
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    names: dict[str, Any] = {"__name__": "__main__"}
    parts: list[str] = []
    pictures = 0
    for cell in cells_of(script.read_text(encoding="utf-8")):
        if cell.is_markdown:
            parts.append(cell.text)
            continue
        printed = io.StringIO()
        code = "\n" * (cell.line - 1) + cell.text  # so that a traceback has the lines of the script
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(script), "exec"), names)
        parts.append(f"```python\n{cell.text.strip()}\n```")
        if output := printed.getvalue().rstrip():
            parts.append(f"```text\n{output}\n```")
        for number in plt.get_fignums():
            pictures += 1
            picture = f"{script.stem}-{pictures}.png"
            figure = plt.figure(number)
            figure.savefig(folder / picture, dpi=120, metadata={"Software": None})
            title = next((axes.get_title() for axes in figure.axes if axes.get_title()), script.stem)
            parts.append(f"![{title}]({picture})")
        plt.close("all")
    parts.append(f"*This page is the script `docs/gallery/{script.name}`, run when the pages were built.*")
    page = folder / f"{script.stem}.md"
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return page


def render_all(folder: Path) -> list[Path]:
    """The pages of all examples, by their names."""
    return [render(script, folder) for script in sorted(GALLERY.glob("*.py"))]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for page in render_all(Path(sys.argv[1])):
        print(page)
