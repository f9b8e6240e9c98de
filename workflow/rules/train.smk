# Trainings. A run's files are no outputs of a rule, as Snakemake deletes the outputs of a job that starts or fails: a
# finished run must stay, whichever profile, option or failure makes Snakemake start its job again. Runs that lack a
# result ask for the mark of their job instead.

from slotpipeline.planning.plan import training_arguments
from slotpipeline.planning.resources import megabytes, minutes


def run_folder(run):
    return f"{RESULTS}/runs/{run.folder}"


@cache
def jobs():
    """Identity of a run that is to be trained -> the mark of its job."""
    return {run.identity: f"{LOGS}/train/{run.folder}.done" for run in runs_to_train()}


def run_of(wildcards):
    return RUNS[wildcards.run.rpartition("-")[2]]


def train_inputs(wildcards):
    """The dataset and, of a finetuned network, the job of its slot machine, if that is to be trained, too."""
    run = run_of(wildcards)
    parent = [] if run.parent is None else [jobs()[run.parent.identity]] if run.parent.identity in jobs() else []
    return [f"data/{run.dataset}.safetensors", *parent]


rule train:
    input:
        train_inputs,
    output:
        temp(touch(f"{LOGS}/train/{{run}}.done")),
    log:
        f"{LOGS}/train/{{run}}.log",
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        # What a cluster is asked for; more at each attempt. Its partition and account: profiles/slurm.
        mem_mb=lambda wildcards, attempt: megabytes(run_of(wildcards), COUNTED, attempt),
        runtime=lambda wildcards, attempt: minutes(run_of(wildcards), MEASURED, attempt),
        # Of a machine's, the one that fewest runs have taken; --resources gpu=4 has four runs at a time.
        gpu=1,
        # Snakemake lowers `threads` where there are fewer cores; the bits of a result must not depend on that.
        torch_threads=config["threads"],
    params:
        arguments=lambda wildcards: training_arguments(run_of(wildcards), KEPT, Path(RESULTS)),
        folder=lambda wildcards: run_folder(run_of(wildcards)),
        checkpoint=f"{RESULTS}/checkpoints/{{run}}.pt",
    shell:
        "slotmachines {params.arguments:q} --data data --folder {params.folder:q}"
        " --checkpoint {params.checkpoint:q} --threads {resources.torch_threads} > {log:q} 2>&1"
