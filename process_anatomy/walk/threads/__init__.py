"""Threads: the list of each process, what the kernel keeps of them, and their blocks in user memory."""
