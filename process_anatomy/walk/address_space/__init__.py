"""The private address space: VAD trees, the sections behind them, page tables, and how the two agree."""
