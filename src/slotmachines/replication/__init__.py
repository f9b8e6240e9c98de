"""Which runs make up the replication: recipes, runs, grids, what they cost, what they gave. Never imports torch."""
