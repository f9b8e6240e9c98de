"""The pipeline that replicates the paper with the library `slotmachines`: from a grid's config to a verdict.

Each folder imports only from those before it: data, runs, results, analysis, experiments, planning, training,
reporting.
Its command is `slotmachines`.
"""
