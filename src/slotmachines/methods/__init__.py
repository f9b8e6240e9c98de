"""The rivals of slot machines: one file per rule by which random weights are kept, dropped or flipped.

`slotmachines.masks` holds what they have in common, `registry` the names that the command line and the configs know
all methods by. Adding a method takes one file like `edge_popup.py` and one line in `registry.py` (docs/extending.md).
"""
