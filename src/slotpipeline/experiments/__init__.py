"""The experiments: one file per family, listed in `registry`; and what follows from them. Never imports torch."""
