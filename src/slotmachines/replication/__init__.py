"""The replication itself: which runs, what they gave, how close that is to the paper. Never imports torch."""
