"""What a range or a page may be used for, as the memory manager numbers it."""

from __future__ import annotations

READ_ONLY, EXECUTE, EXECUTE_READ, READ_WRITE, WRITE_COPY, EXECUTE_READ_WRITE, EXECUTE_WRITE_COPY = range(1, 8)
GUARD, NO_ACCESS = 0x10, 0x18
"""Protection indexes of VADs and of entries that are not valid."""
PROTECT_TO_VALUE = tuple(
    value | (0 if value == 1 else modifier)
    for modifier in (0, 0x200, 0x100, 0x400)
    for value in (0x01, 0x02, 0x10, 0x20, 0x04, 0x08, 0x40, 0x80)
)
"""MmProtectToValue: a VAD's protection index to PAGE_ constants; 24 stands for no access at all."""
