"""Statistics, verdicts, comparisons and findings. Never imports torch."""
