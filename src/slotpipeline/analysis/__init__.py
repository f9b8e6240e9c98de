"""The result of a cell, statistics, verdicts, comparisons, and how these are put into words. Never imports torch."""
