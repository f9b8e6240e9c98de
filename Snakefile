# Slot Machines (Aladago and Torresani, ICML 2021), end to end: grid -> runs -> metrics -> tables and figures -> report.
#
#   snakemake --cores all                                   the paper's grid
#   snakemake --cores all k-sweep                           one experiment of it: its runs, table and figure
#   snakemake --cores all --configfile config/mnist.yaml    its MNIST half

import sys
from pathlib import Path

# The rules plan the grid with the library, also where only the environments of the jobs hold it (--use-conda).
sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from slotmachines.errors import UserError
from slotpipeline.experiments.config_schema import checked_config
from slotpipeline.runs.run_time import time_text
from slotpipeline.planning.snakemake_locks import drop_dead_locks
from snakemake.utils import min_version

min_version("9.0")

# A grid given by --configfile replaces the paper's; Snakemake would merge the two.
if not workflow.overwrite_configfiles:

    configfile: "config/paper.yaml"


try:
    config.update(checked_config(config))
    if workflow.is_main_process:
        ALIVE = drop_dead_locks(Path(".snakemake"))
except UserError as error:
    sys.exit(f"error: {error}")
given = [Path(file) for file in workflow.overwrite_configfiles]
if given and config["grid"] not in [file.stem for file in given]:
    sys.exit(
        f"error: {given[-1].name} is of the grid {config['grid']}; name it {config['grid']}.yaml, where make looks for it"
    )


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/collect.smk"
include: "workflow/rules/report.smk"


onstart:
    # Only what this call trains: nothing where the tables are rebuilt from a runs.csv without the folders of the runs.
    to_do = [RUNS[job.wildcards.run] for job in workflow.dag.needrun_jobs() if job.rule.name == "train"]
    cost = f"{time_text(to_do, SECONDS, explained=True)}, on one processor core like that of {SECONDS}"
    print(f"grid {config['grid']}: {len(to_do)} of {len(RUNS)} runs to do, {cost}", file=sys.stderr)


rule all:
    default_target: True
    input:
        f"{RESULTS}/report.html",
        f"{RESULTS}/summary.json",
        expand(f"{RESULTS}/tables/{{experiment}}.md", experiment=EXPERIMENTS),
    localrule: True
