"""The registry in memory: hives, cells and keys."""
