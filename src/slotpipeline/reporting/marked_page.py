"""Generated tables within written pages."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from slotmachines.errors import UserError
from slotmachines.files import replacing


def require_marks(page: Path, names: Iterable[str]) -> None:
    """Refuse a page that `fill_marks` could not fill, before anything is computed or changed.

    Raises:
        UserError: the page cannot be read, or lacks marks.
    """
    for name in names:
        _around(page, name)


def fill_marks(page: Path, name: str, text: str) -> None:
    """Replace what stands between <!-- begin NAME --> and <!-- end NAME --> in a page.

    Raises:
        UserError: the page cannot be read or written, or lacks the marks.
    """
    before, after = _around(page, name)
    with replacing(page) as temporary:
        temporary.write_text(f"{before}\n{text}\n{after}")


def _around(page: Path, name: str) -> tuple[str, str]:
    """A page up to the first of two marks, and from the second on."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    try:
        before, found, rest = page.read_text().partition(begin)
    except OSError as error:
        raise UserError(f"cannot read {page}: {error.strerror}; give the file to change") from None
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise UserError(f"{page} lacks the marks {begin} and {end}; put them where the table is to stand")
    return f"{before}{begin}", f"{end}{after}"
