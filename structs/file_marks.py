"""What crash dumps are told by: their first bytes, and the types that their headers name.

Every run of ``vol`` looks at these, whatever the image is, so that nothing has to be loaded for them; the headers
themselves are declared in :mod:`structs.dump` and :mod:`structs.zdmp`, which name the sources.
"""

from __future__ import annotations

SIGNATURE = b"PAGE"
"""First four bytes of every kernel crash dump; unwritten parts of the header repeat them."""
VALID_DUMP64 = b"DU64"
"""Second four bytes of a 64-bit dump."""
VALID_DUMP32 = b"DUMP"
"""Second four bytes of a 32-bit dump."""
ZDMP_SIGNATURE = b"ZDMP"
"""First four bytes of DumpIt's compressed crash dump."""

DUMP_TYPE_FULL = 1
DUMP_TYPE_TRIAGE = 4
DUMP_TYPE_BITMAP_FULL = 5
DUMP_TYPES = {
    DUMP_TYPE_FULL: "full",
    2: "kernel",
    3: "header only",
    DUMP_TYPE_TRIAGE: "small",
    DUMP_TYPE_BITMAP_FULL: "full (bitmap)",
    6: "kernel (bitmap)",
    7: "automatic",
    8: "kernel (a debugger's .dump /k)",
    9: "kernel and user (a debugger's .dump /ka)",
    10: "complete (a debugger's .dump /f)",
}
"""DumpType to the name that an analyst knows it by.

Source of those from 8 on: kdmp-parser by Axel Souchet, which reads them."""
DUMP_TYPES_AS_BITMAP = frozenset({6, 7})
"""Those that have the form of a full bitmap dump, where a bitmap follows their header."""
