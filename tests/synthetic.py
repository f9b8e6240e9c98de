"""Made-up results for the tests of tables, figures and report: no run stands behind any of these numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

REFERENCE = Path(__file__).parents[1] / "config" / "reference.csv"
EPOCHS, START = 110, 75
NOTE = "93 of 60,000 images not bit-exact"
SHAPES = {"random-vs-selected": [2], "k-sweep": [2, 4, 8, 64], "selection": [2, 4, 8, 64], "finetune": [8]}
# Mean test accuracy by network: random, learned, finetuned, and K -> (greedy, probabilistic).
LEVELS: dict[str, dict[Any, Any]] = {
    "lenet": {
        "random": 9.7, "learned": 97.9, "finetuned": 98.4,
        2: (97.1, 97.0), 4: (98.0, 97.8), 8: (98.2, 97.5), 64: (98.2, 97.9),
    },
    "conv2": {
        "random": 10.3, "learned": 79.3, "finetuned": 80.4,
        2: (75.0, 70.2), 4: (77.9, 70.4), 8: (80.9, 71.4), 64: (77.4, 70.9),
    },
}  # fmt: skip


def make_config(networks: dict[str, str] | None = None, seeds: int = 3) -> dict[str, Any]:
    networks = networks or {"lenet": "mnist", "conv2": "cifar10"}
    names = list(networks)
    experiments: dict[str, Any] = {name: {"networks": names, "options": ks} for name, ks in SHAPES.items()}
    experiments["finetune"]["start_epoch"] = START
    return {
        "grid": "synthetic",
        "description": "Made-up numbers that show what the page looks like; no run stands behind them",
        "recipe": "paper-glorot",
        "seeds": list(range(seeds)),
        "tolerance": {"mnist": 0.15, "cifar10": 1.0},
        "networks": networks,
        "settings": {network: {"epochs": EPOCHS} for network in networks},
        "experiments": experiments,
    }


def make_runs(config: dict[str, Any]) -> pd.DataFrame:
    """Every planned run with plausible noise, but none of conv2 at K = 64 and only one seed of conv2 at K = 4."""
    rng = np.random.default_rng(0)
    rows = []
    for network, dataset in config["networks"].items():
        level = LEVELS[network]
        planned = [("random", None, "", level["random"]), ("learned", None, "", level["learned"])]
        planned += [("greedy", k, "", level[k][0]) for k in SHAPES["k-sweep"]]
        planned += [("probabilistic", k, "", level[k][1]) for k in SHAPES["selection"]]
        planned += [("greedy", 8, "finetuned", level["finetuned"])]
        for method, options, variant, mean in planned:
            for seed in config["seeds"]:
                if network == "conv2" and (options == 64 or (options == 4 and seed > 0)):
                    continue
                test = mean + rng.normal() * (0.05 if dataset == "mnist" else 0.3)
                rows.append(
                    {
                        "dataset": dataset, "network": network, "method": method, "options": options,
                        "variant": variant, "recipe": config["recipe"], "seed": seed,
                        "epochs": 0 if method == "random" else EPOCHS,
                        "start_epoch": START if variant else None, "test_accuracy": round(test, 2),
                        "val_accuracy": round(test - 0.1, 2), "best_epoch": 0 if method == "random" else 104,
                        "wall_seconds": 1.0 if method == "random" else 410.0 + seed, "device": "cpu",
                        "processor": "made up", "threads": 1, "python": "3.11.0",
                        "commit": "0123abc", "started": f"2024-01-0{seed + 1}T10:00:00+00:00", "torch": "2.0.0",
                        "data_note": NOTE if dataset == "cifar10" else "", "identity": f"{len(rows):08d}",
                    }
                )  # fmt: skip
    runs = pd.DataFrame(rows)
    return runs.astype({"options": "Int64", "start_epoch": "Int64"})


def make_curves(runs: pd.DataFrame) -> pd.DataFrame:
    """Curves that climb to the run's validation accuracy, with a dip at every warm restart."""
    rng = np.random.default_rng(1)
    parts = []
    for run in runs[runs["epochs"] > 0].itertuples():
        epoch = np.arange(1, run.epochs + 1)
        phase = np.select([epoch <= 25, epoch <= 75], [epoch / 25, (epoch - 25) / 50], (epoch - 75) / (run.epochs - 75))
        rise = 12 * np.exp(-epoch / 4) + 0.5 * (1 - phase) + 0.05 * rng.random(len(epoch))
        accuracy = run.val_accuracy - rise
        parts.append(
            pd.DataFrame(
                {
                    "identity": run.identity, "epoch": epoch, "learning_rate": 0.1 * (1 + np.cos(np.pi * phase)),
                    "train_loss": rise / 20, "train_accuracy": accuracy + 0.5, "val_loss": rise / 15,
                    "val_accuracy": accuracy, "test_accuracy": accuracy, "changed_share": np.exp(-epoch / 20),
                    "mean_magnitude": 0.5,
                }
            )
        )  # fmt: skip
    return pd.concat(parts)


def write_grid(folder: Path, config: dict[str, Any]) -> Path:
    """Write config.yaml, runs.csv and curves.csv.gz of a made-up grid."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = make_runs(config)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    runs.to_csv(folder / "runs.csv", index=False)
    make_curves(runs).to_csv(folder / "curves.csv.gz", index=False)
    return folder


@pytest.fixture(scope="session")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a made-up grid of two networks."""
    return write_grid(tmp_path_factory.mktemp("grid"), make_config())
