"""Hives, their cells, and open keys."""
