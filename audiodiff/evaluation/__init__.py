"""Models against recordings and baselines: scores, intervals, tables."""
