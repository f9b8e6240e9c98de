# One job per run. The state of an unfinished run lies outside its outputs, which Snakemake deletes before a job.


rule train:
    input:
        train_inputs,
    output:
        metrics=f"{RESULTS}/runs/{{run}}/{METRICS}",
        curve=f"{RESULTS}/runs/{{run}}/{CURVE}",
        weights=directory(f"{RESULTS}/runs/{{run}}/{WEIGHTS}"),
    log:
        f"{LOGS}/train/{{run}}.log",
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        # What a cluster is asked for; more at each attempt. Its partition, account and GPUs: workflow/profiles/slurm.
        mem_mb=train_memory,
        runtime=train_minutes,
        # Snakemake lowers `threads` where there are fewer cores; the bits of a result must not depend on that.
        torch_threads=config["threads"],
    params:
        arguments=train_arguments,
        folder=subpath(output.metrics, parent=True),
        checkpoint=f"{RESULTS}/checkpoints/{{run}}.pt",
    shell:
        "slotmachines {params.arguments:q} --data data --folder {params.folder:q}"
        " --checkpoint {params.checkpoint:q} --threads {resources.torch_threads} > {log:q} 2>&1"
