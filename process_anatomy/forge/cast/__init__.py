"""Who runs: the scenarios as data."""
