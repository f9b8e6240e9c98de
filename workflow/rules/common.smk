# What the rules share: the runs of the grid, and where its files lie.

from functools import cache

from slotpipeline.results.collect import recorded_identities
from slotpipeline.runs.run_time import read_seconds
from slotpipeline.runs.flops import read_flops
from slotpipeline.experiments import registry
from slotpipeline.reporting import sources
from slotpipeline.experiments.grid import experiment_runs, grid_runs, kept_epochs
from slotpipeline.planning.resources import megabytes, minutes
from slotpipeline.planning.plan import training_arguments
from slotpipeline.runs.run_files import CURVE, METRICS, WEIGHTS, is_finished
from slotpipeline.runs.to_do import missing_parents, runs_to_do

RESULTS = f"results/{config['grid']}"
FIGURES = f"figures/{config['grid']}"
LOGS = f"logs/{config['grid']}"
REFERENCE = "config/reference.csv"
CONFIG = f"{RESULTS}/config.yaml"
# The code that tables and figures are made by; how runs are planned, counted, told apart and called is part of it.
REPORTING = sorted(
    str(path)
    for package in (
        "slotpipeline/data",
        "slotmachines/networks",
        "slotpipeline/recipes",
        "slotpipeline/runs",
        "slotpipeline/experiments",
        "slotpipeline/results",
        "slotpipeline/analysis",
        "slotpipeline/reporting",
    )
    for path in Path("src", package).rglob("*")
    if path.suffix in (".css", ".j2", ".js", ".py", ".yaml")
)
SECONDS = "config/seconds_per_epoch.csv"
FLOPS = "config/flops_per_step.csv"
EXPERIMENTS = list(config["experiments"])
try:
    RUNS = {run.folder: run for run in grid_runs(config)}
    KEPT = kept_epochs(RUNS.values())
    RECORDED = recorded_identities(Path(RESULTS))
    # What a run needs of memory and time follows from these.
    COUNTED, MEASURED = read_flops(FLOPS), read_seconds(SECONDS)
except UserError as error:
    sys.exit(f"error: {error}")


def run_folder(run):
    """Where the files of a run lie."""
    return f"{RESULTS}/runs/{run.folder}"


@cache
def wanted_runs():
    """The runs of the experiments that were asked for by name, or of all where something else was asked for."""
    targets = {Path(target).stem for target in workflow.dag_settings.targets}
    if targets and targets <= set(EXPERIMENTS):
        return list({run.folder: run for name in sorted(targets) for run in experiment_runs(config, name)}.values())
    return list(RUNS.values())


def wanted_metrics(wildcards):
    """What is to be gathered, without the runs that runs.csv holds already and whose folders are elsewhere."""
    runs = [run for run in wanted_runs() if run.identity not in RECORDED or is_finished(run, Path(RESULTS))]
    return [f"{run_folder(run)}/{METRICS}" for run in runs]


def measured_inputs(wildcards):
    """What an experiment is made from beside the results of its runs."""
    experiment = registry.EXPERIMENTS.get(wildcards.experiment)
    return experiment.files if experiment else ()


def figure_script(wildcards):
    """The script of an experiment's figure, or of one of the whole grid."""
    experiment = registry.EXPERIMENTS.get(wildcards.experiment)
    return experiment.figure_script if experiment else sources.overview_script(wildcards.experiment)


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
def missing_weights():
    """Folder of a slot machine -> the weights that it did not keep and that wanted runs which are to do start from."""
    results = Path(RESULTS)
    to_do = runs_to_do(wanted_runs(), RECORDED, results)
    return {slot_machine.folder: weights for slot_machine, weights in missing_parents(to_do, results)}


def train_inputs(wildcards):
    """The dataset and, of a finetuned network, the selected weights that its slot machine kept.

    A finished run needs neither: a dataset that is fetched again, for other seeds say, must not train it again. It is
    trained again, and needs them, if another run is to start from weights that it did not keep.
    """
    run = RUNS[wildcards.run]
    parent = [] if run.parent is None else [f"{run_folder(run.parent)}/{WEIGHTS}"]
    needed = [f"data/{run.dataset}.safetensors", *parent]
    if not is_finished(run, Path(RESULTS)):
        return needed
    missing = lacking(f"not-kept/{run.folder}", missing_weights().get(run.folder, []))
    return missing and [*missing, *needed]


def train_arguments(wildcards, output):
    """What to train, which follows from the path of the output, and which weights to keep.

    By asking for `output`, it is no parameter by which Snakemake would train a finished run again: other experiments
    may say the same settings in other words, or start from other epochs.
    """
    return training_arguments(RUNS[wildcards.run], KEPT, Path(RESULTS))


def train_memory(wildcards, attempt):
    """Megabytes."""
    return megabytes(RUNS[wildcards.run], COUNTED, attempt)


def train_minutes(wildcards, attempt):
    return minutes(RUNS[wildcards.run], MEASURED, attempt)
