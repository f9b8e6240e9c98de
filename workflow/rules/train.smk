# One job per run. The state of an unfinished run lies outside its outputs, which Snakemake deletes before a job.


def train_inputs(wildcards):
    """The dataset and, of a finetuned network, the selected weights that its slot machine kept."""
    run = RUNS[wildcards.run]
    parent = [] if run.parent is None else [f"{RESULTS}/runs/{run.parent.folder}/{WEIGHTS}"]
    # Ancient: a file that was copied or fetched again has the same content, and must not retrain the grid.
    return {
        "data": ancient(f"data/{run.dataset}.safetensors"),
        "weights": [ancient(folder) for folder in parent],
    }


def train_arguments(wildcards, input):
    run = RUNS[wildcards.run]
    words = run.arguments
    if run.parent is not None:
        words = words + ["--weights", f"{input.weights[0]}/epoch-{run.start_epoch}.safetensors"]
    return words + [word for epoch in kept_epochs(config, run) for word in ("--keep-epoch", str(epoch))]


def train_memory(wildcards):
    """Megabytes: the libraries and the data, and the values, scores and training state of each connection."""
    run = RUNS[wildcards.run]
    return 2500 + CONNECTIONS[run.network] * (8 * (run.options or 1) + 64) // 2**20


rule train:
    input:
        unpack(train_inputs),
    output:
        metrics=f"{RESULTS}/runs/{{run}}/{METRICS}",
        curve=f"{RESULTS}/runs/{{run}}/{CURVE}",
        weights=directory(f"{RESULTS}/runs/{{run}}/{WEIGHTS}"),
    log:
        f"{LOGS}/train/{{run}}.log",
    params:
        arguments=train_arguments,
        folder=f"{RESULTS}/runs/{{run}}",
        checkpoint=f"{RESULTS}/checkpoints/{{run}}.pt",
    threads: config["threads"]
    resources:
        mem_mb=train_memory,
    shell:
        "slotmachines {params.arguments:q} --data data --folder {params.folder:q}"
        " --checkpoint {params.checkpoint:q} --threads {threads} > {log:q} 2>&1"
