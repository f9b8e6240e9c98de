"""The replication paper: its text holds no result of its own, and its macros follow the recorded results."""

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from slotmachines.errors import UserError
from slotpipeline.reporting.claim_table import claims_so_far
from slotpipeline.reporting.paper_claims import claim_macros
from slotpipeline.reporting.paper_numbers import write_paper_numbers

PROJECT = Path(__file__).parents[1]
REFERENCE = PROJECT / "config/reference.csv"
TEXT = (PROJECT / "paper/replication.tex").read_text(encoding="utf-8")
_BEFORE, _AFTER = TEXT.split("\\begin{document}")[1].split("\\begin{thebibliography}")
BODY = _BEFORE + _AFTER.split("\\end{thebibliography}")[1]


def macros(results: Path, folder: Path) -> dict[str, str]:
    (path,) = write_paper_numbers(results, REFERENCE, folder, PROJECT)
    parts = re.split(r"^\\newcommand\{\\(\w+)\}", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return macros(PROJECT / "results", tmp_path_factory.mktemp("paper"))


def test_the_text_uses_each_number_that_is_written_and_no_other(written):
    own = set(re.findall(r"\\([A-Z][A-Za-z]+)\b", BODY))
    assert own == set(written)


def test_no_result_is_typed_into_the_text():
    without = re.sub(r"\\(?:includegraphics|resizebox|setlength)\S*", "", BODY)
    assert re.findall(r"\d+\.\d+", without) == []


def test_numbers_are_those_of_the_recorded_runs(written, tmp_path):
    runs = pd.read_csv(PROJECT / "results/mnist/runs.csv")
    assert written["RunsExploratory"].strip() == f"{{{len(runs):,}}}"
    copy = tmp_path / "results"
    shutil.copytree(PROJECT / "results/mnist", copy / "mnist")
    runs["test_accuracy"] -= 3
    runs.to_csv(copy / "mnist/runs.csv", index=False)
    changed = macros(copy, tmp_path / "paper")
    for name in ("TextAtTwo", "MixtureAtEight", "RivalSlot"):
        before, after = (float(found[name].strip(" {}\n")) for found in (written, changed))
        assert after == pytest.approx(before - 3, abs=0.011)
    assert "Neither" not in changed["RecipeFinding"]
    assert changed["ClaimsThatHold"] != "" and changed["RunsConfirmation"].strip() == "{0}"


def test_each_tested_claim_is_in_one_list():
    claims = claims_so_far(PROJECT / "results", REFERENCE, PROJECT)
    assert claims is not None
    found = claim_macros(claims)
    lists = [found[name].count("\\item") for name in ("ClaimsThatHold", "ClaimsThatDoNot", "ClaimsThatAreOpen")]
    assert sum(lists) + int(found["ClaimsNotRun"]) == int(found["ClaimsRegistered"])


def test_without_any_results_one_line_says_so(tmp_path):
    with pytest.raises(UserError, match="the paper is written from it"):
        write_paper_numbers(tmp_path, REFERENCE, tmp_path / "paper", PROJECT)
    assert not (tmp_path / "paper").exists()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs LaTeX")
def test_the_paper_is_typeset(written, tmp_path):
    write_paper_numbers(PROJECT / "results", REFERENCE, tmp_path, PROJECT)
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", f"-output-directory={tmp_path}"]
    for _ in range(2):
        answer = subprocess.run(
            [*command, "paper/replication.tex"], cwd=PROJECT, capture_output=True, text=True, timeout=300,
            env={"TEXINPUTS": f"{tmp_path}:", "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(Path.home())},
        )  # fmt: skip
        assert answer.returncode == 0, answer.stdout[-2000:]
    (pages,) = re.findall(r"Output written on .*?\((\d+) pages", answer.stdout.replace("\n", ""))
    assert 3 <= int(pages) <= 9 and "undefined" not in answer.stdout
