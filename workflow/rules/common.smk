# What the rules share: the runs of the grid, its files, and what is to be done.

from functools import cache

import yaml

from slotpipeline.experiments import registry, wanted
from slotpipeline.reporting import sources
from slotpipeline.reporting.file_states import State, figure_script, file_states
from slotpipeline.reporting.imported_code import ImportedCode
from slotpipeline.experiments.grid import grid_runs, kept_epochs, runs_with_histograms
from slotpipeline.runs import to_do
from slotpipeline.planning.plan import plan_lines
from slotpipeline.planning.resources import asked_text, megabytes, minutes
from slotpipeline.results.collect import recorded_identities, runs_to_collect
from slotpipeline.runs.flops import read_flops
from slotpipeline.runs.gpu_time import cost_text, read_gpu_seconds
from slotpipeline.runs.run_files import is_finished, run_files
from slotpipeline.runs.run_time import read_seconds
from support.gpu_request import gets_gpu
from support.job_groups import grouped, job_name, runs_of_job

RESULTS = f"results/{config['grid']}"
FIGURES = f"figures/{config['grid']}"
LOGS = f"logs/{config['grid']}"
REFERENCE = "config/reference.csv"
# The registered claims say which runs give verdicts; a project may have registered none.
CLAIMS = [path for path in ["config/claims.yaml"] if Path(path).is_file()]
PREDICTIONS = [path for path in ["config/predictions.yaml"] if Path(path).is_file()]
CONFIG = f"{RESULTS}/config.yaml"
SECONDS = "config/seconds_per_epoch.csv"
FLOPS = "config/flops_per_step.csv"
GPU_SECONDS = "results/benchmark/epochs.csv"
EXPERIMENTS = list(config["experiments"])
try:
    RUNS = {run.identity: run for run in grid_runs(config)}
    KEPT = kept_epochs(RUNS.values())
    RECORDED = recorded_identities(Path(RESULTS))
    # What a run needs of memory and time follows from these.
    COUNTED, MEASURED = read_flops(FLOPS), read_seconds(SECONDS)
    MEASURED_ON_GPU = read_gpu_seconds(GPU_SECONDS, required=False)
except UserError as error:
    sys.exit(f"error: {error}")
# Whether training jobs get the GPU that their rule asks for.
GPUS_GIVEN = gets_gpu(
    dict(workflow.resource_settings.overwrite_resources).get("train", {}), workflow.global_resources.get("gpu")
)

# Jobs that depend on code run beside this process, which alone has to know.
CODE = ImportedCode() if workflow.is_main_process else None


def code_of(*modules):
    """The files of the modules that make a result, and of all code that they import."""
    return [] if CODE is None else CODE.files_behind(*modules)


def code_of_script(script):
    return [] if CODE is None else CODE.files_behind_script(script)


@cache
def wanted_runs():
    """The runs of the experiments that were asked for by name, or of all where something else was asked for."""
    targets = {Path(target).stem for target in workflow.dag_settings.targets}
    if targets and targets <= set(EXPERIMENTS):
        return wanted.wanted_runs(config, targets)
    return list(RUNS.values())


def measured_files(name):
    """What an experiment, or a figure of the whole grid, is made from beside the results of its runs, if it is there."""
    experiment = registry.EXPERIMENTS.get(name)
    return [path for path in experiment.files if Path(path).is_file()] if experiment else []


def measured_inputs(wildcards):
    return measured_files(wildcards.experiment)


@cache
def runs_to_train():
    """The wanted runs that are to do, and slot machines that did not keep the weights which these start from."""
    return to_do.runs_to_train(wanted_runs(), RECORDED, Path(RESULTS))


def config_is_written():
    """Whether the config in force is the one that was written down."""
    try:
        return yaml.safe_load(Path(CONFIG).read_text()) == dict(config)
    except (OSError, ValueError, yaml.YAMLError):
        return False


@cache
def to_collect():
    """The wanted runs that are finished, and that the small result files lack."""
    return runs_to_collect(wanted_runs(), runs_with_histograms(config), Path(RESULTS))


def now(wanted):
    """An input that is newer than all results, if a step is wanted for a reason that no time of a file shows.

    Snakemake goes by times alone, and a missing file before existing ones is no reason to make it (temp or not). Its
    option --forcerun is read before the grid is known. So the note that this process leaves at its start is the input.
    """
    return [str(STARTED)] if wanted else []


def finished_runs(wildcards):
    """The results of the wanted runs that are finished."""
    found = [str(run_files(run, Path(RESULTS)).metrics) for run in wanted_runs() if is_finished(run, Path(RESULTS))]
    return [ancient(path) for path in found]


@cache
def states():
    """How each table, figure and page stands; empty where what they are made from is to be made first."""
    if CODE is None or marks() or to_collect() or not config_is_written():
        return {}
    try:
        return file_states(config, Path(RESULTS), Path(FIGURES), Path(REFERENCE), CODE)
    except UserError:
        return {}  # a damaged file: the step that reads it says so


def state_of(output, wildcards):
    return states().get(Path(output.format(**wildcards)))


def out_of_date(output):
    """An input that has an output made again if its content says so."""
    return lambda wildcards: now(state_of(output, wildcards) == State.STALE)


def unless_current(output, given):
    """What an output is made from. The times of these files do not count where its content says that it is current."""

    def files(wildcards):
        found = given(wildcards) if callable(given) else given
        is_current = state_of(output, wildcards) == State.CURRENT
        if isinstance(found, str):
            return ancient(found) if is_current else found
        return [ancient(path) for path in found] if is_current else list(found)

    return files


def small(output):
    """The small files that each output is made from."""
    files = dict(
        config=CONFIG,
        runs=f"{RESULTS}/runs.csv",
        curves=f"{RESULTS}/curves.csv.gz",
        selected=f"{RESULTS}/selected_weights.csv",
        reference=REFERENCE,
        claims=CLAIMS,
    )
    return {name: unless_current(output, given) for name, given in files.items()}


def mark_of(name):
    return f"{LOGS}/train/{name}.done"


@cache
def marks():
    """Identity of a run that is to be trained -> the mark of its job."""
    groups = grouped(runs_to_train(), RUNS_PER_JOB)
    return {run.identity: mark_of(job_name(group)) for group in groups for run in group}


def runs_of(wildcards):
    return runs_of_job(wildcards.job, RUNS)


def train_inputs(wildcards):
    """The datasets and, of finetuned networks, the jobs of their slot machines, if these are to be trained, too."""
    runs = runs_of(wildcards)
    parents = [run.parent.identity for run in runs if run.parent is not None]
    before = {marks()[parent] for parent in parents if parent in marks()} - {mark_of(wildcards.job)}
    return [*sorted({f"data/{run.dataset}.safetensors" for run in runs}), *sorted(before)]


def takes_gpu(runs):
    """Whether the job of these runs, all of one network, asks for a GPU."""
    return runs[0].network not in WITHOUT_GPU


def train_minutes(wildcards, attempt):
    """What the runs of a job take on what the job gets, with a margin."""
    runs = runs_of(wildcards)
    on_gpu = MEASURED_ON_GPU if GPUS_GIVEN and takes_gpu(runs) else None
    return minutes(runs, MEASURED, attempt, on_gpu)


def train_plan(wildcards, resources):
    """The commands of the runs, a line each."""
    runs = runs_of(wildcards)
    # A node may show its GPUs to jobs that asked for none.
    more = f"--threads {resources.torch_threads}{'' if takes_gpu(runs) else ' --device cpu'}"
    return "\n".join(f"{line} {more}" for line in plan_lines(runs, KEPT, Path(RESULTS)))


def training_jobs():
    """The trainings of this call: none where tables are rebuilt from a runs.csv without the folders of the runs."""
    return [job for job in workflow.dag.jobs if job.rule.name == "train" and workflow.dag.needrun(job)]


def runs_of_this_call():
    return [run for job in training_jobs() for run in runs_of(job.wildcards)]


def cost_of_this_call():
    """How many runs are trained, the hours that they take, on a core and on a GPU, and those that a cluster is asked for."""
    runs = runs_of_this_call()
    again = [run for run in runs if run.identity in RECORDED or is_finished(run, Path(RESULTS))]
    line = f"grid {config['grid']}: {len(runs) - len(again)} of {len(wanted_runs())} runs to do"
    if again:
        line += f" and {len(again)} finished ones again, because runs to do start from their weights, which are missing"
    if not runs:
        return line
    line += f", {cost_text(runs, SECONDS, MEASURED, MEASURED_ON_GPU)}"
    # A dry run knows of a cluster only by the number of jobs in its queue, which profiles for one machine lack.
    if workflow.non_local_exec or workflow.resource_settings.nodes is not None:
        asked = [(job.resources.runtime, GPUS_GIVEN and takes_gpu(runs_of(job.wildcards))) for job in training_jobs()]
        line += f"; {asked_text(asked)}"
    return line


def say_cost_of_dry_run():
    if workflow.dryrun and workflow.dag is not None:
        print(cost_of_this_call(), file=sys.stderr)
