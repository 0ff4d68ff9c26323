"""Damaged files and memories for every reader, and what is kept of those that once broke one (docs/fuzzing.md)."""
