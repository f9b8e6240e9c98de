"""Generated tables within written pages."""

from __future__ import annotations

from pathlib import Path

from slotmachines.errors import UserError
from slotmachines.files import replacing


def fill_marks(page: Path, name: str, text: str) -> None:
    """Replace what stands between <!-- begin NAME --> and <!-- end NAME --> in a page.

    Raises:
        UserError: the page cannot be read or written, or lacks the marks.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    try:
        before, found, rest = page.read_text().partition(begin)
    except OSError as error:
        raise UserError(f"cannot read {page}: {error.strerror}; give the file to change") from None
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise UserError(f"{page} lacks the marks {begin} and {end}; put them where the table is to stand")
    with replacing(page) as temporary:
        temporary.write_text(f"{before}{begin}\n{text}\n{end}{after}")
