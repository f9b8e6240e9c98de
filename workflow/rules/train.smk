# Trainings. A run's files are no outputs of a rule, as Snakemake deletes the outputs of a job that starts or fails: a
# finished run must stay, whichever profile, option or failure makes Snakemake start its job again. Runs that lack a
# result ask for the mark of their job instead. A job trains one run, or several one after the other (runs_per_job).

from slotpipeline.planning.plan import plan_lines
from slotpipeline.planning.resources import megabytes, minutes
from support.job_groups import grouped, job_name, runs_of_job


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


def train_plan(wildcards, resources):
    """The commands of the runs, a line each."""
    lines = plan_lines(runs_of(wildcards), KEPT, Path(RESULTS))
    return "\n".join(f"{line} --threads {resources.torch_threads}" for line in lines)


rule train:
    input:
        train_inputs,
    output:
        temp(touch(mark_of("{job}"))),
    log:
        f"{LOGS}/train/{{job}}.log",
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        # What a cluster is asked for; more at each attempt. Its partition and account: profiles/slurm.
        mem_mb=lambda wildcards, attempt: max(megabytes(run, COUNTED, attempt) for run in runs_of(wildcards)),
        runtime=lambda wildcards, attempt: minutes(runs_of(wildcards), MEASURED, attempt),
        # Of a machine's, the one that fewest runs have taken; --resources gpu=4 has four jobs at a time.
        gpu=1,
        # Snakemake lowers `threads` where there are fewer cores; the bits of a result must not depend on that.
        torch_threads=config["threads"],
    params:
        plan=train_plan,
    shell:
        "slotmachines train-all - <<< {params.plan:q} > {log:q} 2>&1"
