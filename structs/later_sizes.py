"""Sizes that updates of a build gave to structures at their end: every declared field lies as the layout has it.

A layout is made of one kernel's symbols; that of another size is known by what that kernel tells debuggers (KDBG).
"""

from __future__ import annotations

LATER_SIZES: dict[str, dict[str, tuple[int, ...]]] = {
    # the crash dump 082325-12593-01 of August 2025 (../docs/real-dumps.md): SizeEThread; its thread's fields fit
    "x64-26100-1742": {"_ETHREAD": (0x798,)},
}
"""Name of a layout to (Windows name of a structure to the other sizes, in bytes, that it is known to have)."""
