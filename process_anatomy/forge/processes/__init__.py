"""The kernel's processes and threads, and every way to find them."""
