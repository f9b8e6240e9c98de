"""Predictions of runs: what was written down stays, is scored once the runs exist, and is not shown before."""

import hashlib
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml

from slotmachines import UserError
from slotpipeline import results_verbs
from slotpipeline.analysis.predictions import Scored, score, scores_text
from slotpipeline.experiments.outcomes import grid_results
from slotpipeline.reporting.prediction_table import predictions_of_page, predictions_text
from slotpipeline.reporting.sources import report_digest
from slotpipeline.results.predictions_file import PREDICTIONS_YAML, Prediction, Predictions, read_predictions
from synthetic import make_config, make_results, make_runs

PROJECT = Path(__file__).parents[1]
ONE = Prediction("af8211aa", "conv2", "greedy", "flips", 77.5, 75.5, 79.5, 8)


def test_what_was_predicted_for_the_first_runs_stays_as_it_is():
    found = read_predictions(PROJECT)
    lines = [[one.identity, one.value, one.low, one.high] for one in found.runs[:15]]
    text = json.dumps([found.grid, str(found.written), found.coverage, lines])
    assert hashlib.blake2b(text.encode(), digest_size=8).hexdigest() == "a7e239972c97be96"


@pytest.mark.parametrize(
    ("accuracy", "inside", "error", "cost"),
    [(75.5, True, -2.0, 4.0), (79.5, True, 2.0, 4.0), (80.0, False, 2.5, 9.0), (74.5, False, -3.0, 14.0)],
)
def test_a_run_outside_its_interval_costs_ten_times_its_distance(accuracy, inside, error, cost):
    scored = Scored(ONE, accuracy, 0.8)
    assert (scored.is_inside, scored.error, scored.interval_score) == (inside, error, pytest.approx(cost))


def test_runs_that_are_missing_do_not_count():
    others = [replace(ONE, identity="b"), replace(ONE, identity="c")]
    scored = score(Predictions("paper", date(2026, 11, 27), 0.8, [ONE, *others]), {"af8211aa": 77.0, "c": 80.5})
    assert scored[1].is_inside is scored[1].error is scored[1].interval_score is None
    assert scores_text(scored) == (
        "2 of 3 predicted runs were run. 1 of 2 lie inside their 80% intervals; the mean absolute error is 1.75 "
        "points, the mean interval score 9.00."
    )


def test_a_report_shows_predictions_once_a_run_exists_and_is_out_of_date_then():
    config = make_config({"lenet": "mnist"}, experiments=["k-sweep"])
    runs = make_runs(config)
    first, second = runs["identity"][:2]
    predictions = Predictions(
        config["grid"], date(2000, 1, 1), 0.8, [replace(ONE, identity=first), replace(ONE, identity=second)]
    )
    results = replace(make_results(config, runs), predictions=predictions)
    both, one, none = (
        replace(results, runs=runs[~runs["identity"].isin(away)]) for away in ([], [first], [first, second])
    )
    assert predictions_of_page(none) is None
    assert predictions_of_page(replace(both, predictions=replace(predictions, grid="other"))) is None
    assert [len(predictions_of_page(some)[1]) for some in (one, both)] == [1, 2]
    assert "before any of these runs" in predictions_of_page(both)[0]
    late = replace(predictions, written=date(2100, 1, 1))
    assert "2 of these runs had started before" in predictions_of_page(replace(both, predictions=late))[0]
    changed = replace(both, predictions=replace(predictions, runs=[replace(ONE, identity=first, value=76.0)]))
    assert report_digest(changed, grid_results(changed)) != report_digest(both, grid_results(both))


def test_the_command_shows_all_predictions(capsys, monkeypatch):
    monkeypatch.chdir(PROJECT)
    results_verbs.predictions(Path("results"))
    printed = capsys.readouterr().out
    assert printed.count("Conv-2") + printed.count("Conv-6") == len(read_predictions(PROJECT).runs)
    nothing = predictions_text(read_predictions(PROJECT), Path("none"))
    assert nothing.count("not run") == len(read_predictions(PROJECT).runs)


def test_a_project_without_predictions_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_predictions(tmp_path) is None
    with pytest.raises(UserError, match=r"there is no config/predictions\.yaml here"):
        results_verbs.predictions(Path("results"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"low": 78.0}, "77.5 does not lie between 78.0 and 79.5"),
        ({"high": 101}, "high cannot be '101'"),
        ({"network": "conv3"}, "unknown network conv3"),
        ({"identity": 12345678}, "identity cannot be '12345678'"),
        ({"expected": 77}, "unknown 'expected'"),
    ],
)
def test_a_prediction_that_is_none_is_one_line(tmp_path, change, message):
    path = tmp_path / PREDICTIONS_YAML
    path.parent.mkdir()
    content = {"grid": "paper", "written": date(2026, 11, 27), "coverage": 0.8, "runs": [vars(ONE) | change]}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=message) as refusal:
        read_predictions(tmp_path)
    assert str(refusal.value).isprintable()


def test_a_run_is_predicted_once(tmp_path):
    path = tmp_path / PREDICTIONS_YAML
    path.parent.mkdir()
    path.write_text(
        yaml.safe_dump({"grid": "g", "written": date(2026, 1, 1), "coverage": 0.8, "runs": [vars(ONE)] * 2})
    )
    with pytest.raises(UserError, match="af8211aa stands there twice"):
        read_predictions(tmp_path)
