# Slot Machines (Aladago and Torresani, ICML 2021), end to end: grid -> runs -> metrics -> tables and figures -> report.
#
#   snakemake --cores all                                   the paper's grid
#   snakemake --cores all k-sweep                           one experiment of it: its runs, table and figure
#   snakemake --cores all --configfile config/mnist.yaml    its MNIST half
#   snakemake --cores all --config runs_per_job=8           several runs, one after the other, in each training job

import atexit
import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path

# The rules plan the grid with the library, also where only the environments of the jobs hold it (--use-conda).
sys.path[:0] = [str(Path(workflow.basedir) / folder) for folder in ("src", "workflow")]

from slotmachines.errors import UserError
from slotpipeline.experiments.config_schema import checked_config
from snakemake.utils import min_version, update_config
from support.command_line import (
    config_of_profile,
    require_one_config,
    require_profile,
    require_project_folder,
    require_results_kept,
    require_spelt_experiments,
    typed,
)
from support.dead_locks import take_over_locks, this_process
from support.gpu_request import keep_from_core_jobs, without_gpu
from support.job_groups import runs_per_job
from support.refused_jobs import Refusals, forget_not_submitted, note_not_submitted, require_controller
from support.slurm_queue import report_jobs_that_never_start, require_status

min_version("9.0")

# Where `default-resources` are set, as an account is, Snakemake adds defaults that depend on the size of the input. It
# tries to find them while it plans, cannot, and forgets what it began.
warnings.filterwarnings("ignore", r"coroutine 'InputFiles\._predicated_size_files", RuntimeWarning)

# Snakemake drops the `config` of a profile where the command line has --config. The entries that the command line does
# not set count all the same, here and in the jobs, which are told all entries.
if workflow.is_main_process:
    told = workflow.config_settings
    of_profile = config_of_profile(sys.argv, Path(workflow.basedir))
    if of_profile.keys() - told.config.keys():
        workflow.config_settings = replace(told, config={**of_profile, **told.config}, config_args=None)

given = [Path(file) for file in workflow.overwrite_configfiles]
try:
    require_project_folder(Path(workflow.basedir))
    require_results_kept(sys.argv)
    require_profile(sys.argv, Path(workflow.basedir))
    require_one_config(given or [Path("config/paper.yaml")])
except UserError as error:
    sys.exit(f"error: {error}")

# A grid given by --configfile replaces the paper's; Snakemake would merge the two.
if not given:

    configfile: "config/paper.yaml"


try:
    update_config(config, typed(dict(workflow.config_settings.config)))
    RUNS_PER_JOB = runs_per_job(config.pop("runs_per_job", 1))
    cores_alone = config.pop("without_gpu", [])
    source = os.path.relpath(given[0] if given else "config/paper.yaml")
    by_word = set(workflow.config_settings.config) - {"runs_per_job", "without_gpu"}
    config.update(checked_config(config, f"{source} with --config" if by_word else source))
    WITHOUT_GPU = without_gpu(cores_alone, list(config["networks"]))
    if workflow.is_main_process:
        STARTED = take_over_locks(Path(".snakemake"), this_process())
        atexit.register(STARTED.unlink, missing_ok=True)
except UserError as error:
    sys.exit(f"error: {error}")
if given and config["grid"] != given[0].stem:
    sys.exit(
        f"error: {given[0].name} is of the grid {config['grid']}; name it {config['grid']}.yaml, where make looks for it"
    )


# The text that opens Snakemake's own report: snakemake --report report.zip
report: "workflow/report/grid.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/collect.smk"
include: "workflow/rules/report.smk"


if WITHOUT_GPU:
    keep_from_core_jobs(workflow.get_rule("train").resources, lambda wildcards: takes_gpu(runs_of(wildcards)))


if workflow.is_main_process:
    try:
        require_spelt_experiments(sys.argv[1:], EXPERIMENTS, {rule.name for rule in workflow.rules})
    except UserError as error:
        sys.exit(f"error: {error}")
    chosen = given[0] if given else Path("config/paper.yaml, the default")
    print(f"grid {config['grid']} ({os.path.relpath(chosen)})", file=sys.stderr)


# At the end, as a long list of jobs comes before.
if workflow.is_main_process:
    atexit.register(say_cost_of_dry_run)


onstart:
    print(cost_of_this_call(), file=sys.stderr)
    if workflow.executor_plugin.name == "slurm":
        asked = workflow.executor_settings
        try:
            require_controller()
            require_status(asked.status_command, asked.init_seconds_before_status_checks)
        except UserError as error:
            sys.exit(f"error: {error}")
        report_jobs_that_never_start(Path.cwd())
        trainings = [job for job in workflow.dag.needrun_jobs() if job.rule.name == "train"]
        forget_not_submitted(runs_of_this_call(), Path(RESULTS))
        if trainings:
            Refusals(
                workflow.scheduler.get_executor(trainings[0]),
                workflow.scheduler,
                lambda job, why: note_not_submitted(runs_of(job.wildcards), Path(RESULTS), why),
            )


rule all:
    default_target: True
    input:
        PAGE,
        SUMMARY,
        expand(f"{RESULTS}/tables/{{experiment}}.{{kind}}", experiment=EXPERIMENTS, kind=["csv", "md", "tex"]),
        expand(FIGURE, experiment=[*EXPERIMENTS, *sources.OVERVIEWS]),
    localrule: True
