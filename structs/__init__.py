"""What the bytes mean: Windows structures declared once, placed per build.  No input or output of memory."""
