"""Gather the pages of the documentation site into one folder, in which every link leads to a file.

    python docs/site/assemble.py build/site

README.md becomes the first page, docs/*.md stand beside it, and "does the paper hold" is made from the recorded runs.
What pages link to outside docs/ (reports, tables, figures, settings) is copied to where the project has it. Links
to what `make report` has not made yet become plain text.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

PROJECT = Path(__file__).parents[2]
ANSWER = "docs/answer.md"
"""The page that is made from the recorded runs, named as if it stood among the others."""
NOT_MADE_YET = re.compile(r"(results|figures)/confirmation/.+")
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_ANCHOR = re.compile(r'<a\b[^>]*?\bhref="(?P<target>[^"]*)"[^>]*>(?P<text>.*?)</a>', re.DOTALL)
_BLOCK = re.compile(r"(^ *```.*?^ *```$)", re.DOTALL | re.MULTILINE)
_MARKS = re.compile(r"^<!--.*?-->\n?", re.MULTILINE)


class BrokenLink(ValueError):
    """A page links to a file that the project does not have."""


def place_of(name: str) -> str:
    """Where a file of the project stands in the site: pages of docs/ at the top, everything else where it is."""
    if name == "README.md":
        return "index.md"
    if example := re.fullmatch(r"docs/gallery/(\w+)\.py", name):
        return f"gallery/{example[1]}.md"
    return name.removeprefix("docs/") if re.fullmatch(r"docs/[\w-]+\.md", name) else name


def rewritten(text: str, name: str, project: Path = PROJECT) -> tuple[str, list[str]]:
    """A page with its links as they are in the site, and the files of the project that it links to.

    Args:
        name: of the page, relative to the project.

    Raises:
        BrokenLink: a link leads to no file.
    """
    found: list[str] = []

    def link(match: re.Match[str]) -> str:
        target = match["target"]
        if re.match(r"https?://|#|mailto:", target):
            return match[0]
        path, hash_, anchor = target.partition("#")
        file = (project / PurePosixPath(name).parent / path).resolve()
        there = file.relative_to(project.resolve()).as_posix()
        if there == "results/claims.md":
            there, file = ANSWER, Path(__file__)  # a page of the site has more
        if file.is_dir():
            return match["text"]  # a page of a file system, which a site does not have
        if not file.is_file():
            if not NOT_MADE_YET.fullmatch(there):
                raise BrokenLink(f"{name} links to {target}, which does not exist")
            return f"*(figure to come: {match['text']})*" if match["image"] else f"{match['text']} (not made yet)"
        if not there.startswith("docs/gallery/"):  # these are run, not copied
            found.append(there)
        return f"{match['image']}[{match['text']}]({_relative(place_of(there), place_of(name))}{hash_}{anchor})"

    parts = _BLOCK.split(text)
    parts[::2] = [_LINK.sub(link, part) for part in parts[::2]]
    return _MARKS.sub("", "".join(parts)), found


def report_rewritten(text: str, name: str, project: Path = PROJECT) -> tuple[str, list[str]]:
    """A report without the links to files that are not there, and the files of the project that it links to.

    SVG and PDF figures are missing in a fresh clone.
    """
    found: list[str] = []

    def link(match: re.Match[str]) -> str:
        path = match["target"].partition("#")[0]
        if not path or re.match(r"\w+:", path):
            return match[0]
        file = (project / PurePosixPath(name).parent / path).resolve()
        if not (file.is_file() and file.is_relative_to(project.resolve())):
            return match["text"]
        found.append(file.relative_to(project.resolve()).as_posix())
        return match[0]

    return _ANCHOR.sub(link, text), found


def _relative(target: str, page: str) -> str:
    """A link from one place in the site to another."""
    up = len(PurePosixPath(page).parent.parts)
    return "../" * up + target


def answer_page(project: Path = PROJECT) -> str:
    """Whether the paper holds: verdicts, published numbers, and where the reports are; from the recorded runs."""
    from slotpipeline.reporting.claim_table import claims_markdown, claims_so_far
    from slotpipeline.reporting.scoreboard import readable_board, scoreboard, sentence
    from slotpipeline.results.read import read_results

    reference = project / "config/reference.csv"
    judged = claims_so_far(project / "results", reference, project)
    names = [name for name in ("confirmation", "paper", "mnist") if (project / "results" / name / "runs.csv").is_file()]
    board = scoreboard([read_results(project / "results" / name, reference, project) for name in names])
    numbers = readable_board(board).to_markdown(index=False, disable_numparse=True)
    reports = "\n".join(f"* [{name}](../results/{name}/report.html)" for name in names)
    claims = re.sub(r"\]\((\w[\w-]*/tables/)", r"](../results/\1", claims_markdown(judged) if judged else "")
    return (
        f"# Does the paper hold?\n\n{claims}\n\n## Published numbers\n\n{sentence(board)}\n\n{numbers}\n\n"
        f"## Reports\n\nEach report has every table, figure and run of one grid:\n\n{reports}\n"
    )


def with_all_pages(settings: str, places: Iterable[str]) -> str:
    """mkdocs.yml, whose last entry is the navigation, with the pages at the top that it does not list yet."""
    missing = sorted(place for place in places if re.fullmatch(r"[\w-]+\.md", place) and f": {place}\n" not in settings)
    more = "".join(f"      - {place}\n" for place in missing)
    return f"{settings}  - More:\n{more}" if more else settings


def assemble(folder: Path, *, gallery: bool = True, project: Path = PROJECT) -> list[str]:
    """Fill FOLDER/pages and FOLDER/mkdocs.yml; the places of all files, relative to FOLDER/pages.

    Args:
        gallery: run the examples of docs/gallery and make their pages, which takes minutes.

    Raises:
        BrokenLink: a link of a page leads to no file.
    """
    pages = folder / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    waiting = ["README.md", *(f"docs/{page.name}" for page in sorted((project / "docs").glob("*.md")))]
    texts = {ANSWER: answer_page(project)}
    waiting += list(texts)
    done: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if name in done:
            continue
        done[name] = place_of(name)
        goal = pages / done[name]
        goal.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith((".md", ".html")):
            source = texts.get(name) or (project / name).read_text(encoding="utf-8")
            rewrite = rewritten if name.endswith(".md") else report_rewritten
            text, linked = rewrite(source, name, project)
            goal.write_text(text, encoding="utf-8")
            waiting += linked
        else:
            shutil.copy(project / name, goal)
    shutil.copytree(project / "docs/site/assets", pages / "assets")
    settings = (project / "docs/site/mkdocs.yml").read_text(encoding="utf-8")
    (folder / "mkdocs.yml").write_text(with_all_pages(settings, done.values()), encoding="utf-8")
    if gallery:
        sys.path.insert(0, str(project))
        from docs.site.render_gallery import render_all

        render_all(pages / "gallery")
    return sorted(done.values())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    places = assemble(Path(sys.argv[1]))
    print(f"{len(places)} files and the examples are in {sys.argv[1]}/pages")
