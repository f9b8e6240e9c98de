"""The verdicts of claims as readers, summaries and the status of a grid show them."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure
from scipy import stats

from slotmachines import UserError
from slotpipeline import results_verbs
from slotpipeline.analysis.claim_verdicts import ClaimVerdict, JudgedClaim
from slotpipeline.experiments.config_schema import checked_config
from slotpipeline.experiments.grid import grid_runs
from slotpipeline.experiments.outcomes import grid_results
from slotpipeline.reporting.claim_table import JudgedClaims, answer, claims_so_far, readable_claims, tidy
from slotpipeline.reporting.claim_words import counts
from slotpipeline.reporting.exploratory import first_runs
from slotpipeline.reporting.opening import opening
from slotpipeline.reporting.registration import registration_note
from slotpipeline.reporting.report import write_report
from slotpipeline.reporting.sources import OVERVIEWS
from slotpipeline.reporting.status import status_of
from slotpipeline.reporting.summary import summary_text
from slotpipeline.reporting.tables import CHOSEN
from slotpipeline.reporting.tested_claims import claim_rows
from slotpipeline.results.read import read_results
from slotpipeline.runs.config import read_config
from synthetic import REFERENCE

CONFIG = checked_config(read_config(REFERENCE.parent / "confirmation.yaml"))
CONFIG["experiments"] = {name: CONFIG["experiments"][name] for name in ("random-vs-selected", "k-sweep", "finetune")}
LEVELS = {2: 97.1, 4: 98.0, 8: 98.2, 16: 98.2, 32: 98.2, 64: 97.6, 128: 98.1}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all results, with a made-up confirmation study."""
    folder = tmp_path_factory.mktemp("results")
    rng, rows = np.random.default_rng(1), []
    for run in grid_runs(CONFIG):
        level = {"random": 10.0, "learned": 98.1}.get(run.method) or LEVELS[run.options or 2]
        level += 0.3 * (run.parent is not None)
        rows.append(
            {
                "dataset": run.dataset, "network": run.network, "method": run.method, "options": run.options,
                "variant": run.variant, "recipe": run.recipe, "seed": run.seed, "epochs": run.settings.epochs,
                "start_epoch": run.start_epoch or None, "test_accuracy": round(level + 0.04 * rng.normal(), 2),
                "val_accuracy": round(level, 2), "best_epoch": 190, "wall_seconds": 400.0, "device": "cpu",
                "processor": "made up", "threads": 1, "python": "3.11.0", "commit": "84e8664b0efa",
                "started": f"2026-11-27T{16 + run.seed % 5}:00:00+00:00", "torch": "2.0.0", "data_note": "",
                "identity": run.identity, "parent": run.parent.identity if run.parent else None,
            }
        )  # fmt: skip
    (folder / "confirmation").mkdir()
    (folder / "confirmation" / "config.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    pd.DataFrame(rows).to_csv(folder / "confirmation" / "runs.csv", index=False)
    columns = "identity,epoch,learning_rate,train_loss,train_accuracy,val_loss,val_accuracy,test_accuracy"
    pd.DataFrame(columns=[*columns.split(","), "changed_share", "mean_magnitude"]).to_csv(
        folder / "confirmation" / "curves.csv.gz", index=False
    )
    return folder


@pytest.fixture(scope="module")
def judged(results: Path) -> JudgedClaims:
    found = claims_so_far(results, REFERENCE)
    assert found is not None
    return found


def test_every_part_of_every_claim_is_a_row(judged: JudgedClaims, results: Path) -> None:
    table = tidy(judged)
    assert set(table["claim"]) == {claim.name for claim in judged.registration.claims}
    rows = table[(table["claim"] == "few-options-match-learned") & (table["network"] == "lenet")]
    assert rows["part"].tolist() == ["K = 8", "K = 16", "K = 32", "K = 64"]
    assert rows["part_verdict"].tolist() == [*["supported"] * 3, "contradicted"]
    assert set(rows["verdict"]) == {"contradicted"} and set(rows["tables"]) == {"confirmation/tables/k-sweep.md"}
    # The same from the CSV alone.
    runs = pd.read_csv(results / "confirmation" / "runs.csv").set_index("seed")
    plain = runs[runs["variant"].isna()]
    ours = plain[(plain["method"] == "greedy") & (plain["options"] == 64)]["test_accuracy"]
    theirs = plain[plain["method"] == "learned"]["test_accuracy"]
    low, high = stats.ttest_1samp(ours - theirs, 0).confidence_interval(0.90)
    assert rows["low"].iloc[-1] == pytest.approx(low) and rows["high"].iloc[-1] == pytest.approx(high)


def test_a_contradicted_claim_names_its_settings(judged: JudgedClaims) -> None:
    table = readable_claims(judged).set_index("claim")
    row = table.loc["With eight or more options, selected random weights are as accurate as learned weights."]
    assert row["verdict"] == "contradicted (K = 64; recipe paper-glorot, seeds 5 to 14)"
    assert row["table"] == "[k-sweep](confirmation/tables/k-sweep.md)"
    assert "as accurate as learned weights (K = 64; recipe paper-glorot, seeds 5 to 14)." in answer(judged)
    chance = table.loc[next(sentence for sentence in table.index if "chance" in sentence)]
    assert "extension" in chance["tested on"]
    assert "CIFAR-10: not tested yet" in answer(judged)
    assert "84e8664" in answer(judged)


def test_a_verdict_that_more_runs_can_change_says_so(results: Path, tmp_path: Path) -> None:
    """A seed short, the claims that need it stand "so far"; the others are final."""
    shutil.copytree(results, tmp_path / "results")
    runs = pd.read_csv(tmp_path / "results" / "confirmation" / "runs.csv")
    is_left_out = (runs["seed"] == 14) & (runs["start_epoch"] > 0)
    runs[~is_left_out].to_csv(tmp_path / "results" / "confirmation" / "runs.csv", index=False)
    found = claims_so_far(tmp_path / "results", REFERENCE)
    assert found is not None
    table = tidy(found)
    tested = table[table["verdict"] != "not run"].groupby("claim")["is_final"].all()
    assert not tested["finetuning-beats-scratch"] and tested["accuracy-rises-to-eight"]
    words = readable_claims(found).set_index("claim")
    (finetuned,) = (sentence for sentence in words.index if "scratch" in sentence)
    assert words.loc[finetuned, ["verdict", "seeds"]].tolist() == ["supported so far", "9 of 10"]
    assert "so far" not in words.loc["Accuracy rises from K = 2 to K = 8.", "verdict"]
    there = read_results(tmp_path / "results" / "confirmation", REFERENCE)
    claims = json.loads(summary_text(there, grid_results(there)))["claims"]
    assert claims["finetuning-beats-scratch-lenet"]["verdict"] == "supported so far"
    opened = opening(found, [there])
    assert "Holds so far" in opened and "9 of 10 seeds" in opened
    shown = claim_rows(found).set_index("claim, on LeNet")
    assert shown.loc["finetuning beats scratch", "verdict"] == "supported so far"


def test_a_complete_part_that_contradicts_is_enough(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results, tmp_path / "results")
    path = tmp_path / "results" / "confirmation" / "runs.csv"
    for options, is_final in ((16, True), (64, False)):
        runs = pd.read_csv(results / "confirmation" / "runs.csv")
        runs[~((runs["seed"] == 14) & (runs["options"] == options))].to_csv(path, index=False)
        found = claims_so_far(tmp_path / "results", REFERENCE)
        assert found is not None
        (one,) = (one for one in found.judged if one.claim.name == "few-options-match-learned" and one.parts)
        # K = 64 contradicts.
        assert (one.verdict, one.is_final) == ("contradicted", is_final)


def test_each_part_says_what_supports_it(judged: JudgedClaims) -> None:
    table = tidy(judged)
    run = table[(table["n"] > 0) & table["decides"]]
    for row in run.itertuples():
        side, _, limit = row.needs.partition(" ")
        value = float(limit.split(",")[0].strip("±").replace("\N{MINUS SIGN}", "-").replace("least ", ""))
        inside = {"above": row.low > value, "at": row.low >= value, "below": row.high < value,
                  "within": max(abs(row.low), abs(row.high)) <= value}[side]  # fmt: skip
        assert inside == (row.part_verdict == "supported"), row


def test_claims_stand_in_the_summary_and_the_status(results: Path) -> None:
    there = read_results(results / "confirmation", REFERENCE)
    summary = json.loads(summary_text(there, grid_results(there)))["claims"]
    assert summary["accuracy-rises-to-eight-lenet"]["verdict"] == "supported"
    mean, low, high, n = summary["accuracy-rises-to-eight-lenet"]["mean"]
    assert low < mean < high and n == 10 and mean == pytest.approx(1.1, abs=0.1)
    assert summary["sharing-per-layer-works-lenet"] == {"verdict": "not run"}
    seconds = REFERENCE.parent / "seconds_per_epoch.csv"
    text = str(status_of(CONFIG, results / "confirmation", results, REFERENCE, seconds, Path("none.csv")))
    assert "Of 19 registered claims:" in text


def test_the_verb_writes_data_and_a_page(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    results_verbs.claims(results, REFERENCE, write=True)
    assert (results / "claims.md").read_text() == capsys.readouterr().out.removesuffix("\n")
    assert len(pd.read_csv(results / "claims.csv")) > 63
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="registered claims"):
        results_verbs.claims(results, REFERENCE, write=True)


def test_a_claim_that_chose_the_recipe_has_a_dagger(judged: JudgedClaims, results: Path) -> None:
    table = readable_claims(judged).set_index("claim")["verdict"]
    marked = {sentence for sentence, verdict in table.items() if CHOSEN in verdict}
    assert marked == {"LeNet with K = 8 reaches 98.2% on MNIST.", "LeNet with K = 2 reaches 97.0% on MNIST."}
    assert CHOSEN in answer(judged)
    there = read_results(results / "confirmation", REFERENCE)
    claims = json.loads(summary_text(there, grid_results(there)))["claims"]
    assert CHOSEN in claims["lenet-reaches-98.2-lenet"]["verdict"]
    assert CHOSEN not in claims["first-version-98.1-lenet"]["verdict"]


def test_a_page_holds_claims_and_the_start_of_each_run(results: Path, tmp_path: Path) -> None:
    there = read_results(results / "confirmation", REFERENCE)
    for name in [*there.config["experiments"], *OVERVIEWS]:
        Figure(figsize=(1, 1)).savefig(tmp_path / f"{name}.svg")
    write_report(there, tmp_path, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Of 19 registered claims: " in page and 'href="#k-sweep"' in page and "84e8664" in page
    assert all(str(started)[:16].replace("T", " ") in page for started in there.runs["started"])
    (note,) = registration_note(there).values()
    count = len(there.runs)
    assert note == f"2026-11-27 15:02; all {count} runs started later, the first one 58 minutes later" and note in page
    early = there.runs["started"].mask(there.runs["seed"] == 5, "2026-11-27T10:00:00+00:00")
    (note,) = registration_note(replace(there, runs=there.runs.assign(started=early))).values()
    assert note == f"2026-11-27 15:02; {early.str.contains('T10').sum()} of {count} runs started before it"


def test_the_readme_counts_no_number_that_chose_the_recipe_as_holding(judged: JudgedClaims, results: Path) -> None:
    """A sentence with a dagger stands neither under what holds nor under what is undecided, but apart."""
    there = read_results(results / "confirmation", REFERENCE)
    lines = opening(judged, [there]).splitlines()
    marked = ("LeNet with K = 8 reaches", "LeNet with K = 2 reaches")
    apart = [line for line in lines if any(sentence in line for sentence in marked)]
    assert len(apart) == 1 and CHOSEN in apart[0]
    tally = next(line for line in lines if "Of 19 registered claims" in line)
    supported = [one for one in judged.judged if one.verdict == "supported"]
    evidence = [one for one in supported if not judged.mark(one)]
    assert f"{len(evidence)} supported," in tally and f"{len(supported) - len(evidence)} supported {CHOSEN}" in tally


def test_the_readme_says_what_does_not_hold_or_that_nothing_does(judged: JudgedClaims, results: Path) -> None:
    there = read_results(results / "confirmation", REFERENCE)
    against = [one for one in judged.judged if one.verdict == "contradicted"]
    assert against and "none" not in opening(judged, [there])
    kept = replace(judged, judged=[one for one in judged.judged if one not in against])
    assert "Does not hold so far:* none" in opening(kept, [there])


def test_the_readme_gives_both_accuracies_of_the_main_comparison(judged: JudgedClaims, results: Path) -> None:
    there = read_results(results / "confirmation", REFERENCE)
    means = there.runs[there.runs["start_epoch"].isna()].groupby(["method", "options"], dropna=False)["test_accuracy"]
    selected = [f"{means.mean()['greedy', options]:.2f}" for options in (8, 16, 32, 64)]
    learned = f"{means.mean()['learned'].iloc[0]:.2f}"
    opened = opening(judged, [there])
    assert f"{min(selected)} to {max(selected)}% on the test images, learned weights {learned}%" in opened


def test_the_first_answer_of_the_readme_names_tuned_learned_weights_too(judged: JudgedClaims, results: Path) -> None:
    """Once they are trained: a reader of "yes" alone would take it for the whole answer."""
    there = read_results(results / "confirmation", REFERENCE)
    main, tuned = (
        next(one for one in judged.judged if (one.claim.name, one.scope.name) == (name, "lenet"))
        for name in ("few-options-match-learned", "few-options-match-tuned")
    )
    yes, no = (replace(main, verdict=verdict) for verdict in (ClaimVerdict.SUPPORTED, ClaimVerdict.CONTRADICTED))
    others = [one for one in judged.judged if one not in (main, tuned)]

    def first_lines(against_tuned: JudgedClaim) -> tuple[str, str]:
        """The answer, and what stands below it on tuned learned weights."""
        lines = opening(replace(judged, judged=[yes, against_tuned, *others]), [there]).splitlines()
        beside = next(line for line in lines if "*Against tuned learned weights:*" in line)
        return next(line for line in lines if line.startswith("**MNIST")), beside

    first, beside = first_lines(tuned)
    assert "yes.**" in first and beside.endswith("Not tested yet.")
    first, beside = first_lines(replace(no, claim=tuned.claim))
    assert "yes; against tuned learned weights: no.**" in first
    assert "K = 8, 16, 32, 64" in beside and "were not tuned" in beside


def test_the_readme_says_what_finetuning_adds_to_the_slot_machine(judged: JudgedClaims, results: Path) -> None:
    there = read_results(results / "confirmation", REFERENCE)
    runs = there.runs[(there.runs["method"] == "greedy") & (there.runs["options"] == 8)]
    is_finetuned = runs["parent"].notna()
    gain = runs["test_accuracy"][is_finetuned].mean() - runs["test_accuracy"][~is_finetuned].mean()
    said = re.search(r"the slot machine itself: ([+\d.]+) points \(10 seeds, 90% interval", opening(judged, [there]))
    assert said is not None and float(said[1]) == pytest.approx(gain, abs=0.0051)


def test_finetuned_and_slot_machines_of_other_seeds_are_compared_unpaired(results: Path, tmp_path: Path) -> None:
    """A part-finished grid may hold no seed of both."""
    shutil.copytree(results, tmp_path / "results")
    there, csv = tmp_path / "results" / "confirmation", tmp_path / "results" / "confirmation" / "runs.csv"
    kept = pd.read_csv(csv).query("parent.isna() == (seed < 10) or method != 'greedy' or options != 8")
    kept.to_csv(csv, index=False)
    found = claims_so_far(tmp_path / "results", REFERENCE)
    opened = opening(found, [read_results(there, REFERENCE)]) if found else ""
    assert "the slot machine itself" in opened and "not paired" in opened


def test_exploratory_runs_stand_beside_a_dataset_without_verdict(judged: JudgedClaims, results: Path) -> None:
    """Selected weights are shown with the learned ones of the same grid, or not at all."""
    recorded = read_results(REFERENCE.parents[1] / "results" / "paper", REFERENCE)
    said = first_runs(recorded, "cifar10")
    opened = opening(judged, [read_results(results / "confirmation", REFERENCE), recorded])
    assert "Conv-2" in said[0] and all(sentence in opened for sentence in said)
    selected_alone = recorded.runs[recorded.runs["method"] != "learned"]
    assert first_runs(replace(recorded, runs=selected_alone), "cifar10") == []


def test_no_headline_counts_a_number_that_chose_the_recipe(judged: JudgedClaims, results: Path, tmp_path: Path) -> None:
    """Neither on the page of a grid, nor on the page of all claims, nor where a script reads."""
    there = read_results(results / "confirmation", REFERENCE)
    evidence = [one for one in judged.judged if one.verdict == "supported" and not judged.mark(one)]
    found = counts(judged.judged, judged.mark)
    assert found["supported"] == len(evidence) and found["chosen to match"] == 2
    for name in [*there.config["experiments"], *OVERVIEWS]:
        Figure(figsize=(1, 1)).savefig(tmp_path / f"{name}.svg")
    write_report(there, tmp_path, tmp_path / "report.html")
    for text in (answer(judged), (tmp_path / "report.html").read_text()):
        assert f"{len(evidence)} supported," in text and f" supported {CHOSEN}" in text
