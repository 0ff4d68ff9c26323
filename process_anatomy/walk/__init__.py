"""Walks: from an identified kernel to tables of facts, each row with the address it was read from."""
