# Trainings. A run's files are no outputs of a rule, as Snakemake deletes the outputs of a job that starts or fails: a
# finished run must stay, whichever profile, option or failure makes Snakemake start its job again. Runs that lack a
# result ask for the mark of their job instead. A job trains one run, or several one after the other (runs_per_job).


rule train:
    input:
        train_inputs,
    output:
        temp(touch(mark_of("{job}"))),
    log:
        f"{LOGS}/train/{{job}}.log",
    conda:
        "../envs/train.yml"
    threads: config["threads"]
    resources:
        # What a cluster is asked for; more at each attempt. Its partition and account: profiles/slurm.
        mem_mb=lambda wildcards, attempt: max(megabytes(run, COUNTED, attempt) for run in runs_of(wildcards)),
        runtime=train_minutes,
        # Of a machine's, the one that fewest runs have taken; --resources gpu=4 has four jobs at a time.
        gpu=lambda wildcards: int(takes_gpu(runs_of(wildcards))),
        # Snakemake lowers `threads` where there are fewer cores; the bits of a result must not depend on that.
        torch_threads=config["threads"],
    params:
        plan=train_plan,
    shell:
        "slotmachines train-all - <<< {params.plan:q} > {log:q} 2>&1"
