# What the rules share: the runs of the grid, and where its files lie.

import yaml

from slotmachines.replication.grid import grid_runs, kept_epochs
from slotmachines.replication.run import CURVE, METRICS, WEIGHTS

RESULTS = f"results/{config['grid']}"
FIGURES = f"figures/{config['grid']}"
LOGS = f"logs/{config['grid']}"
REFERENCE = "config/reference.csv"
CONFIG = f"{RESULTS}/config.yaml"
REPORTING = sorted(str(path) for path in Path("src/slotmachines/reporting").rglob("*") if path.suffix in (".py", ".j2"))
SECONDS = "config/seconds_per_epoch.csv"
try:
    RUNS = {run.folder: run for run in grid_runs(config)}
except UserError as error:
    sys.exit(f"error: {error}")
# Roughly what a run keeps in memory follows from these.
CONNECTIONS = {
    "lenet": 266_200,
    "conv2": 4_300_992,
    "conv4": 2_425_024,
    "conv6": 2_261_184,
    "vgg19": 20_024_000,
}


def run_folder(run):
    """Where the files of a run lie."""
    return f"{RESULTS}/runs/{run.folder}"


def train_inputs(wildcards):
    """The dataset and, of a finetuned network, the selected weights that its slot machine kept.

    A finished run needs neither: a dataset that is fetched again, for other seeds say, must not train it again.
    """
    run = RUNS[wildcards.run]
    if Path(run_folder(run), METRICS).is_file():
        return []
    parent = [] if run.parent is None else [f"{run_folder(run.parent)}/{WEIGHTS}"]
    return [f"data/{run.dataset}.safetensors", *parent]


def train_arguments(wildcards):
    run = RUNS[wildcards.run]
    words = run.arguments
    if run.parent is not None:
        words = words + ["--weights", f"{run_folder(run.parent)}/{WEIGHTS}/epoch-{run.start_epoch}.safetensors"]
    return words + [word for epoch in kept_epochs(config, run) for word in ("--keep-epoch", str(epoch))]


def train_memory(wildcards):
    """Megabytes: the libraries and the data, and the values, scores and training state of each connection."""
    run = RUNS[wildcards.run]
    return 2500 + CONNECTIONS[run.network] * (8 * (run.options or 1) + 64) // 2**20
