"""Training one run: slot machines, learned baselines and finetuning share one loop."""
