"""Which runs are to do, in which order, and what they need of a machine. Never imports torch."""
