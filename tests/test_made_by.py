"""Whether a figure is of the code that is here: by git where it came with git, by times where it was made here."""

from __future__ import annotations

import os
import subprocess
import time
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from slotpipeline.reporting.made_by import MadeBy, in_git

FIGURE, PAGE, CODE = Path("figures/one.png"), Path("results/report.html"), Path("src/draw.py")
YEAR = 365 * 24 * 3600


def git(*words: str, seconds: float = 0.0) -> None:
    about = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    about |= {f"GIT_{who}_DATE": f"@{int(time.time() + seconds)} +0000" for who in ("AUTHOR", "COMMITTER")}
    subprocess.run(["git", *words], check=True, capture_output=True, env=os.environ | about)


def commit(seconds: float = 0.0) -> None:
    git("add", ".")
    git("commit", "--quiet", "--message", "some", seconds=seconds)


def write(path: Path, text: str, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() + seconds,) * 2)


def is_current(made: Path = FIGURE) -> bool:
    return MadeBy([FIGURE, PAGE], PAGE).is_by(made, [str(CODE), "src/deleted.py"])


@pytest.fixture(autouse=True, params=["", "below/it"])
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh clone, whose figure seems older than the code; also where the project is a folder of a repository."""
    (tmp_path / request.param).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    monkeypatch.chdir(tmp_path / request.param)
    for path, seconds in ((FIGURE, -100), (PAGE, -100), (CODE, -50)):
        write(path, path.name, seconds)
    commit(-YEAR)


def note(seconds: float) -> None:
    write(Path(".snakemake/metadata") / urlsafe_b64encode(str(FIGURE).encode()).decode(), "{}", seconds)


def test_what_came_with_git_is_of_the_code_of_its_commit() -> None:
    assert is_current() and is_current(PAGE)


def test_edited_code_makes_it_stale_whatever_the_times_and_undoing_the_edit_makes_it_current() -> None:
    write(CODE, "edited", -200)
    assert not is_current()
    git("checkout", "--", ".")
    assert is_current()


def test_new_code_that_git_does_not_know_makes_it_stale() -> None:
    write(Path("src/deleted.py"), "new", -200)
    assert not is_current()


def test_a_later_commit_of_the_code_makes_it_stale_until_the_figure_or_the_page_is_committed() -> None:
    write(CODE, "edited", -200)
    commit(-20)
    assert not is_current()
    write(PAGE, "another page", -10)
    commit(-10)
    assert is_current()


def test_a_commit_from_before_the_checkout_counts_as_the_figures_own() -> None:
    write(CODE, "edited", -200)
    commit(-150)
    assert is_current()


def test_a_figure_that_snakemake_drew_here_with_the_same_bytes_is_current() -> None:
    write(CODE, "edited", -30)
    os.utime(FIGURE, (time.time() - 20,) * 2)
    assert not is_current()
    note(-19)
    assert is_current()
    write(CODE, "edited again", -10)
    assert not is_current()


def test_a_figure_that_git_brought_after_snakemake_drew_one_is_of_the_code_of_its_commit() -> None:
    note(-60)
    os.utime(FIGURE, (time.time() - 20,) * 2)
    write(CODE, "edited", -30)
    assert not is_current()


def test_a_committed_figure_that_was_changed_is_current_if_snakemake_did_it() -> None:
    write(FIGURE, "edited by hand", -20)
    assert not is_current()
    note(-30)
    assert not is_current()
    note(-19)
    assert is_current()
    write(CODE, "edited", -10)
    assert not is_current()


@pytest.mark.parametrize("without", ["git", "repository", "commit"])
def test_times_tell_it_of_a_figure_that_git_does_not_hold(without: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_git()
    if without == "commit":
        git("rm", "--cached", "--quiet", str(FIGURE))
    elif without == "git":
        monkeypatch.setenv("PATH", "/nowhere")
    else:
        monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert in_git() is (without == "commit")
    write(FIGURE, "another", -20)
    assert is_current()
    write(CODE, "edited", -10)
    assert not is_current()
