"""Whether figures and pages were made by the code that is here now.

Their digests are those of data. They hold no digest of code, as then each remark in the code would change them all. So
times tell it of files that were made here. The times of files that came with git say nothing: each of these counts as
made by the code of its commit. One that was changed since, and not by Snakemake, counts as edited by hand.
"""

from __future__ import annotations

import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Commit:
    """What a commit changed.

    Attributes:
        seconds: since 1970, when it was made.
        files: that it changed, relative to the project.
    """

    seconds: float
    files: Collection[str]


class MadeBy:
    """Tells of made files whether they are of the code that is here; the project is the current folder.

    Args:
        made: the files, relative to the project where they are in it.
        page: the one of them that is made last, from all others.
    """

    def __init__(self, made: Sequence[Path], page: Path) -> None:
        self._page = str(page)
        files = [str(path) for path in made if path.is_file()]
        tracked = _git("ls-files", "--", *files) if files else None
        # None: without git, or outside of a repository.
        self._unchanged: set[str] = set()
        self._changed: set[str] = set()
        self._edited: set[str] = set()
        self._commits: list[Commit] = []
        changed = _git("diff", "--name-only", "--relative", "HEAD") if tracked else None
        if tracked and changed is not None:
            self._unchanged, self._changed = {*tracked} - {*changed}, {*tracked} & {*changed}
            self._edited = {*changed} | {*(_git("ls-files", "--others", "--exclude-standard", "--", *_CODE) or [])}
            oldest = min(Path(name).stat().st_mtime for name in tracked)
            self._commits = _commits_since(oldest, [*_CODE, *tracked])

    def is_by(self, path: Path, code: Collection[str]) -> bool:
        """Whether a made file is of the code that is here; `code`: the files of the code that makes it."""
        written = path.stat().st_mtime
        is_newer = all(Path(file).stat().st_mtime <= written for file in code if Path(file).is_file())
        if str(path) in self._changed:  # since the last commit: by Snakemake, or by hand
            return is_newer and _made_here(path)
        if str(path) not in self._unchanged:
            return is_newer
        if is_newer and _made_here(path):
            return True
        return not self._changed_since(str(path), written) & {*code}

    def _changed_since(self, name: str, written: float) -> set[str]:
        """The files that were changed after git wrote a file, up to the last commit of it or of the page."""
        changed = {*self._edited}
        for commit in self._commits:
            if {name, self._page} & {*commit.files}:
                break
            if commit.seconds > written:
                changed |= {*commit.files}
        return changed


_CODE = ("src", "workflow")


def in_git() -> bool:
    """Whether git holds the code of the project, the current folder; if not, times alone tell what is older than it."""
    return bool(_git("ls-files", "--", *_CODE))


def _made_here(path: Path) -> bool:
    """Whether Snakemake noted that it made the file as it is: the note is written last."""
    note = Path(".snakemake/metadata") / urlsafe_b64encode(str(path).encode()).decode()
    return note.is_file() and path.stat().st_mtime <= note.stat().st_mtime


def _commits_since(seconds: float, files: Sequence[str]) -> list[Commit]:
    """The commits that were made later and changed some of the files, the newest first."""
    words = ("log", "--relative", "--name-only", "-c", "--format=//%ct", f"--since={int(seconds)}", "--", *files)
    commits: list[tuple[float, list[str]]] = []
    for line in _git(*words) or []:
        if line.startswith("//"):
            commits.append((float(line[2:]), []))
        else:
            commits[-1][1].append(line)
    return [Commit(*one) for one in commits]


def locked_version(package: str, commit: str) -> str | None:
    """The version of a package in the lock of a commit; None where that is not known."""
    lines = _git("show", f"{commit}:./requirements.lock") or []
    found = [line.split()[0].partition("==")[2] for line in lines if line.startswith(f"{package}==")]
    return found[0] if found else None


def _git(*words: str) -> list[str] | None:
    """The lines that git prints, without empty ones; None where it fails."""
    try:
        answer = subprocess.run(
            ["git", "--no-optional-locks", "-c", "core.quotePath=off", *words],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return [line for line in answer.stdout.splitlines() if line]
