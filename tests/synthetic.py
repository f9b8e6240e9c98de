"""Made-up results for the tests of tables, figures and report: no run stands behind any of these numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from slotmachines import methods
from slotpipeline.experiments.experiment import Experiment
from slotpipeline.experiments.grid import grid_runs, runs_with_histograms
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.results.claims import Registration, Scope
from slotpipeline.results.collect import SELECTED_COLUMNS
from slotpipeline.results.read import Results
from slotpipeline.results.reference import read_reference
from slotpipeline.runs.run import Run
from slotpipeline.runs.run_record import CURVE_COLUMNS

REFERENCE = Path(__file__).parents[1] / "config" / "reference.csv"
EPOCHS, START = 110, 75
NOTE = "93 of 60,000 images not bit-exact"
OPTIONS = [2, 4, 8, 64]
# Where the numbers of options are others than 2 and 8.
OPTIONS_OF: dict[str, list[int]] = {
    "random-vs-selected": [2],
    "k-sweep": OPTIONS,
    "selection": OPTIONS,
    "finetune": [8],
    "finetune-checkpoints": [8],
    "sharing": [2, 64],
    "rivals": [8],
    "vgg": [8],
    "large-k": [64, 1024],
}


def shape(experiment: Experiment) -> dict[str, Any]:
    """What the config of a made-up grid says of an experiment, by the examples in its schema, but for its networks."""
    options = {"options": OPTIONS_OF.get(experiment.name, [2, 8])} if experiment.has_options else {}
    return options | {name: schema["examples"][0] for name, schema in experiment.parameters.items()}


SHAPES = {name: shape(experiment) for name, experiment in EXPERIMENTS.items()}
# What the rivals lose to learned weights, in points; and the share of the connections that they alter in the end.
RIVALS = dict.fromkeys(methods.RIVALS, (0.6, 0.1)) | {
    "free_pruning": (0.3, 0.3), "min_pruning": (0.5, 0.05), "free_flipping": (0.2, 0.2), "min_flipping": (0.4, 0.04),
    "supermask": (2.0, 0.5), "edge_popup": (1.0, 0.5), "lottery_ticket": (0.1, 0.8),
}  # fmt: skip
# Mean test accuracy by network: random, learned, finetuned, and K -> (greedy, probabilistic).
LEVELS: dict[str, dict[Any, Any]] = {
    "lenet": {
        "random": 9.7, "learned": 97.9, "finetuned": 98.4,
        2: (97.1, 97.0), 4: (98.0, 97.8), 8: (98.2, 97.5), 64: (98.2, 97.9), 1024: (98.0, 97.0),
    },
    "conv2": {
        "random": 10.3, "learned": 79.3, "finetuned": 80.4,
        2: (75.0, 70.2), 4: (77.9, 70.4), 8: (80.9, 71.4), 64: (77.4, 70.9), 1024: (70.0, 60.0),
    },
    "resnet20": {"learned": 90.1, 2: (81.0, 78.0), 8: (85.0, 80.0)},
}  # fmt: skip


def make_config(
    networks: dict[str, str] | None = None, seeds: int = 3, experiments: list[str] | None = None
) -> dict[str, Any]:
    networks = networks or {"lenet": "mnist", "conv2": "cifar10"}
    chosen = experiments or list(EXPERIMENTS)
    return {
        "grid": "synthetic",
        "description": "Made-up numbers that show what the page looks like; no run stands behind them",
        "recipe": "paper-glorot",
        "chosen_by": {"lenet": [2, 8]},
        "seeds": list(range(seeds)),
        "tolerance": {"mnist": 0.15, "cifar10": 1.0},
        "networks": networks,
        "settings": {network: {"epochs": EPOCHS} for network in networks},
        "experiments": {name: {"networks": list(networks), **SHAPES[name]} for name in chosen},
    }


def registered(config: dict[str, Any], runs: pd.DataFrame | None = None, seeds: Sequence[int] = range(10)) -> Results:
    """Made-up results as those of a confirmation study: with the recipe's own epochs, and verdicts from two seeds."""
    config = config | {"settings": {}}
    scopes = [
        Scope(network, network, dataset, config["grid"], config["recipe"], list(seeds))
        for network, dataset in config["networks"].items()
    ]
    registration = Registration(date(2026, 11, 27), 0.05, 2, {"mnist": 0.15, "cifar10": 1.0}, scopes, claims=[])
    return replace(make_results(config, runs), registration=registration)


def level(run: Run) -> float:
    """The accuracy around which the made-up runs of a cell lie; other settings than the recipe's cost some."""
    known = LEVELS[run.network]
    if run.parent is not None:
        return float(known["finetuned"]) - 0.002 * abs(run.start_epoch - START)
    if run.method in RIVALS:
        lost = 0.1 * (run.settings.positive_share != 0.5) + 0.1 * (run.settings.weights == "binary")
        return float(known["learned"]) - RIVALS[run.method][0] - lost
    if run.method in ("random", "learned"):
        return float(known[run.method])
    change = 0.1 * (run.settings.sharing != "none") + 0.2 * (run.settings.value_bound != "glorot-uniform")
    change += 0.05 * (run.settings.schedule == "constant") + 0.1 * (run.settings.learning_rate < 0.1)
    return float(known[run.options][run.method == "probabilistic"]) - change


def make_runs(config: dict[str, Any]) -> pd.DataFrame:
    """Every planned run with plausible noise, but none of conv2 at K = 64 and only one seed of conv2 at K = 4."""
    rng = np.random.default_rng(0)
    rows = []
    for run in grid_runs(config):
        if run.network == "conv2" and (run.options == 64 or (run.options == 4 and run.seed > 0)):
            continue
        test = level(run) + rng.normal() * (0.05 if run.dataset == "mnist" else 0.3)
        random = run.method == "random"
        rows.append(
            {
                "dataset": run.dataset, "network": run.network, "method": run.method, "options": run.options,
                "variant": run.variant, "recipe": run.recipe, "seed": run.seed, "epochs": run.settings.epochs,
                "start_epoch": run.start_epoch or None, "test_accuracy": round(test, 2),
                "val_accuracy": round(test - 0.1, 2), "best_epoch": max(0, run.settings.epochs - 6),
                "wall_seconds": 1.0 if random else 410.0 + run.seed, "device": "cpu",
                "processor": "made up", "threads": 1, "python": "3.11.0",
                "commit": "0123abc", "started": f"2024-01-{run.seed + 1:02d}T10:00:00+00:00", "torch": "2.0.0",
                "data_note": NOTE if run.dataset == "cifar10" else "", "identity": run.identity,
                "parent": run.parent.identity if run.parent else None,
            }
        )  # fmt: skip
    return pd.DataFrame(rows).astype({"options": "Int64", "start_epoch": "Int64"})


def make_curves(runs: pd.DataFrame) -> pd.DataFrame:
    """Curves that climb to the run's validation accuracy, with a dip at every warm restart."""
    rng = np.random.default_rng(1)
    parts = []
    for run in runs[runs["epochs"] > 0].itertuples():
        epoch = np.arange(1 + (0 if pd.isna(run.start_epoch) else run.start_epoch), run.epochs + 1)
        phase = np.select([epoch <= 25, epoch <= 75], [epoch / 25, (epoch - 25) / 50], (epoch - 75) / (run.epochs - 75))
        rise = 12 * np.exp(-epoch / 4) + 0.5 * (1 - phase) + 0.05 * rng.random(len(epoch))
        accuracy = run.val_accuracy - rise
        selects = run.method in ("greedy", "probabilistic") and pd.isna(run.start_epoch)
        parts.append(
            pd.DataFrame(
                {
                    "identity": run.identity, "epoch": epoch, "learning_rate": 0.1 * (1 + np.cos(np.pi * phase)),
                    "train_loss": rise / 20, "train_accuracy": accuracy + 0.5, "val_loss": rise / 15,
                    "val_accuracy": accuracy, "test_accuracy": accuracy,
                    "changed_share": np.exp(-epoch / 20) if selects else np.nan,
                    "sampled_changed_share": 0.6 if run.method == "probabilistic" else np.nan,
                    "redrawn_share": 0.59 if run.method == "probabilistic" else np.nan,
                    "mean_magnitude": 0.5 if selects else np.nan,
                    "altered_share": RIVALS.get(run.method, (0, np.nan))[1] * (1 - np.exp(-epoch / 10)),
                    "round": 1,
                }
            )
        )  # fmt: skip
    return pd.concat(parts) if parts else pd.DataFrame(columns=list(CURVE_COLUMNS))


def make_selected(config: dict[str, Any], runs: pd.DataFrame) -> pd.DataFrame:
    """Histograms that lean towards large magnitudes, of two layers of each run."""
    planned = runs_with_histograms(config)
    there = set(runs["identity"])
    bins = np.arange(40)
    counts = 1000 + 40 * np.abs(bins - 19.5).astype(int)
    parts = [
        pd.DataFrame({"identity": run.identity, "layer": layer, "bin": bins, "count": counts})
        for run in planned
        if run.identity in there
        for layer in ("first.weight", "last.weight")
    ]
    return pd.concat(parts) if parts else pd.DataFrame(columns=list(SELECTED_COLUMNS))


def make_results(config: dict[str, Any] | None = None, runs: pd.DataFrame | None = None) -> Results:
    """Made-up results of a grid, or those of the given runs."""
    config = config or make_config()
    runs = make_runs(config) if runs is None else runs
    return Results(
        config, runs, make_curves(runs), make_selected(config, runs), read_reference(REFERENCE), REFERENCE.parents[1]
    )


def write_grid(folder: Path, config: dict[str, Any], keep_runs: bool = True) -> Path:
    """Write config.yaml and the small result files of a made-up grid, or of one of which nothing has run."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = make_runs(config)
    results = make_results(config, runs if keep_runs else runs.iloc[:0])
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    results.runs.to_csv(folder / "runs.csv", index=False)
    results.curves.to_csv(folder / "curves.csv.gz", index=False)
    results.selected.to_csv(folder / "selected_weights.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a made-up grid of two networks."""
    return write_grid(tmp_path_factory.mktemp("grid"), make_config())
