# Datasets, fetched once: downloaded, or read from the folder in SLOTMACHINES_DATA.


rule fetch:
    output:
        "data/{dataset}.safetensors",
    log:
        "logs/fetch/{dataset}.log",
    retries: 2
    # The nodes of a cluster often have no internet access.
    localrule: True
    conda:
        "../envs/fetch.yml"
    threads: 1
    resources:
        mem_mb=4000,
    shell:
        "slotmachines fetch {wildcards.dataset} --data data > {log} 2>&1"
