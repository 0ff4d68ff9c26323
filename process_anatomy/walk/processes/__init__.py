"""Processes: the active ones, whose child each is, what else counts them, and what physical memory holds of them."""
