"""A whole machine: forging it, the answer key, and the files that it is written to."""
