# What the rules share: the runs of the grid, and where its files lie.

from functools import cache

import yaml

from slotmachines.replication.collect import RUNS_CSV, read_table
from slotmachines.replication.grid import experiment_runs, grid_runs, kept_epochs
from slotmachines.replication.run import CURVE, METRICS, WEIGHTS

RESULTS = f"results/{config['grid']}"
FIGURES = f"figures/{config['grid']}"
LOGS = f"logs/{config['grid']}"
REFERENCE = "config/reference.csv"
CONFIG = f"{RESULTS}/config.yaml"
REPORTING = sorted(str(path) for path in Path("src/slotmachines/reporting").rglob("*") if path.suffix in (".py", ".j2"))
SECONDS = "config/seconds_per_epoch.csv"
# What the figure of cost is made from, beside the results.
COSTS = ["config/flops_per_step.csv", "results/benchmark/measurements.csv"]
EXPERIMENTS = list(config["experiments"])
try:
    RUNS = {run.folder: run for run in grid_runs(config)}
    KEPT = kept_epochs(RUNS.values())
    collected = Path(RESULTS, RUNS_CSV)
    RECORDED = set(read_table(collected, ["identity"], "")["identity"]) if collected.is_file() else set()
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


def is_finished(run):
    return Path(run_folder(run), METRICS).is_file()


@cache
def wanted_runs():
    """The runs of the experiments that were asked for by name, or of all where something else was asked for."""
    targets = {Path(target).stem for target in workflow.dag_settings.targets}
    if targets and targets <= set(EXPERIMENTS):
        return list({run.folder: run for name in sorted(targets) for run in experiment_runs(config, name)}.values())
    return list(RUNS.values())


def wanted_metrics(wildcards):
    """What is to be gathered, without the runs that runs.csv holds already and whose folders are elsewhere."""
    runs = [run for run in wanted_runs() if run.identity not in RECORDED or is_finished(run)]
    return [f"{run_folder(run)}/{METRICS}" for run in runs]


def lacking(name, what):
    """A file that lists what a result lacks, if anything, and is newer than it: Snakemake goes by time alone."""
    path = Path(LOGS, f"{name}.txt")
    if what:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{one}\n" for one in what))
    return [str(path)] if what else []


def not_recorded(wildcards):
    """The wanted runs that runs.csv lacks, be they to do, or brought over with older files than it."""
    return lacking("not-recorded", [run.folder for run in wanted_runs() if run.identity not in RECORDED])


@cache
def started_from():
    """Identity of a slot machine -> the epochs from which wanted runs that are to do start."""
    return kept_epochs(run for run in wanted_runs() if run.identity not in RECORDED and not is_finished(run))


def train_inputs(wildcards):
    """The dataset and, of a finetuned network, the selected weights that its slot machine kept.

    A finished run needs neither: a dataset that is fetched again, for other seeds say, must not train it again. It is
    trained again if another run is to start from weights that it did not keep.
    """
    run = RUNS[wildcards.run]
    if is_finished(run):
        weights = [
            Path(run_folder(run), WEIGHTS, f"epoch-{n}.safetensors") for n in started_from().get(run.identity, [])
        ]
        return lacking(f"not-kept/{run.folder}", [path for path in weights if not path.is_file()])
    parent = [] if run.parent is None else [f"{run_folder(run.parent)}/{WEIGHTS}"]
    return [f"data/{run.dataset}.safetensors", *parent]


def train_arguments(wildcards, output):
    """What to train, which follows from the path of the output, and which weights to keep.

    By asking for `output`, it is no parameter by which Snakemake would train a finished run again: other experiments
    may say the same settings in other words, or start from other epochs.
    """
    run = RUNS[wildcards.run]
    words = run.arguments
    if run.parent is not None:
        words = words + ["--weights", f"{run_folder(run.parent)}/{WEIGHTS}/epoch-{run.start_epoch}.safetensors"]
    return words + [word for epoch in KEPT.get(run.identity, []) for word in ("--keep-epoch", str(epoch))]


def train_memory(wildcards):
    """Megabytes: the libraries and the data, and some ten numbers per connection, whatever K."""
    return 2500 + CONNECTIONS[RUNS[wildcards.run].network] * 64 // 2**20
