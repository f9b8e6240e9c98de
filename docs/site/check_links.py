"""Check that each link within a built site leads to a file, and to a heading where it names one.

    python docs/site/check_links.py build/site/html

Reports and tables that the site only carries along are checked too, as far as they link to files.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass
class Page(HTMLParser):
    """Links and anchors of a page."""

    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value is not None:
                self.links.append(value)
            if name in ("id", "name") and value:
                self.anchors.add(value)


def read_page(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def broken_links(folder: Path) -> list[str]:
    """The links of all pages in a folder that lead nowhere, each with its page."""
    pages = {path.resolve(): read_page(path) for path in sorted(folder.rglob("*.html"))}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or path.name == "404.html":
                continue
            goal = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            wrong = not goal.exists() or (
                bool(parts.fragment)
                and goal in pages
                and not parts.fragment.startswith("__")
                and unquote(parts.fragment) not in pages[goal].anchors
            )
            if wrong:
                broken.append(f"{path.relative_to(folder.resolve())}: {link}")
    return broken


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if found := broken_links(Path(sys.argv[1])):
        sys.exit("\n".join([*found, f"{len(found)} broken links"]))
