"""Exit statuses of the command ``anatomy``."""

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
"""All that was asked for was done or is as it should be; it could not be done, or something differs; the command line
is wrong; interrupted from the keyboard.
"""
