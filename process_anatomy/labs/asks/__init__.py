"""What is asked about each component of a process, from the rows of views alone.

A question is asked only where everything that its answer rests on was read: a count only of what is whole.
"""
