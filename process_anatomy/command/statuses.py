"""Exit statuses of the command ``anatomy``."""

DONE, FAILED, MISUSED, NOT_TRUSTED, PARTLY, FOUND, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
"""All that was asked for was done or is as it should be; it could not be done, or something differs; the command line
is wrong; the layout does not fit the image, and no row is to be trusted; a part was done and the rest could not be;
there are findings of the severity that was asked for; interrupted from the keyboard.
"""
