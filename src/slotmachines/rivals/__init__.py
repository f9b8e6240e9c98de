"""The rivals of slot machines: one file per rule by which random weights are kept, dropped or flipped.

`slotmachines.rivals.mask` holds what they have in common, `slotmachines.methods` the names of all methods.
Adding a method takes one file like `edge_popup.py`, a line in `methods.py` and a line in the pipeline
(docs/extending.md).
"""
