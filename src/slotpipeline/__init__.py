"""The pipeline that replicates the paper with the library `slotmachines`: from a grid's config to a verdict.

data -> runs -> training -> experiments -> results -> analysis -> reporting, and planning.
Its command is `slotmachines`.
"""
