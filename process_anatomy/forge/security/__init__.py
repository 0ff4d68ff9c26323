"""Tokens, what stands in them, and what Windows gives each kind of process."""
