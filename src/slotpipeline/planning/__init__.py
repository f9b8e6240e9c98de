"""What is still to run, in which order, and what it needs of a machine. Never imports torch."""
