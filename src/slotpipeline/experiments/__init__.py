"""Which cells, and so which runs, each experiment of a grid consists of. Never imports torch."""
