"""What numbers of a PEB stand for: the bits of NtGlobalFlag and the subsystems.

Sources: Microsoft Learn, GFlags Flag Table (flags of one program and of the system); PE Format, Windows Subsystem.
"""

from __future__ import annotations

from process_anatomy.absent import Absent

GLOBAL_FLAGS = {
    0x1: "FLG_STOP_ON_EXCEPTION",
    0x2: "FLG_SHOW_LDR_SNAPS",
    0x4: "FLG_DEBUG_INITIAL_COMMAND",
    0x8: "FLG_STOP_ON_HUNG_GUI",
    0x10: "FLG_HEAP_ENABLE_TAIL_CHECK",
    0x20: "FLG_HEAP_ENABLE_FREE_CHECK",
    0x40: "FLG_HEAP_VALIDATE_PARAMETERS",
    0x80: "FLG_HEAP_VALIDATE_ALL",
    0x100: "FLG_APPLICATION_VERIFIER",
    0x200: "FLG_MONITOR_SILENT_PROCESS_EXIT",
    0x400: "FLG_POOL_ENABLE_TAGGING",
    0x800: "FLG_HEAP_ENABLE_TAGGING",
    0x1000: "FLG_USER_STACK_TRACE_DB",
    0x2000: "FLG_KERNEL_STACK_TRACE_DB",
    0x4000: "FLG_MAINTAIN_OBJECT_TYPELIST",
    0x8000: "FLG_HEAP_ENABLE_TAG_BY_DLL",
    0x10000: "FLG_DISABLE_STACK_EXTENSION",
    0x20000: "FLG_ENABLE_CSRDEBUG",
    0x40000: "FLG_ENABLE_KDEBUG_SYMBOL_LOAD",
    0x80000: "FLG_DISABLE_PAGE_KERNEL_STACKS",
    0x100000: "FLG_ENABLE_SYSTEM_CRIT_BREAKS",
    0x200000: "FLG_HEAP_DISABLE_COALESCING",
    0x400000: "FLG_ENABLE_CLOSE_EXCEPTIONS",
    0x800000: "FLG_ENABLE_EXCEPTION_LOGGING",
    0x1000000: "FLG_ENABLE_HANDLE_TYPE_TAGGING",
    0x2000000: "FLG_HEAP_PAGE_ALLOCS",
    0x4000000: "FLG_DEBUG_INITIAL_COMMAND_EX",
    0x8000000: "FLG_DISABLE_DBGPRINT",
    0x10000000: "FLG_CRITSEC_EVENT_CREATION",
    0x20000000: "FLG_LDR_TOP_DOWN",
    0x40000000: "FLG_ENABLE_HANDLE_EXCEPTIONS",
    0x80000000: "FLG_DISABLE_PROTDLLS",
}
"""Bit of NtGlobalFlag to Windows' name; a process inherits the system's flags, and some can be set for one program."""
SUBSYSTEMS = {1: "native", 2: "windows", 3: "console", 7: "posix", 9: "windows ce", 16: "boot"}
"""IMAGE_SUBSYSTEM_* to a word, for programs that run in a process."""


def global_flags(mask: int | Absent) -> str | Absent:
    """The bits of NtGlobalFlag by name; what has no name as a number, and ``none`` for no bits at all."""
    if isinstance(mask, Absent):
        return mask
    names = [name for bit, name in GLOBAL_FLAGS.items() if mask & bit]
    rest = mask & ~sum(GLOBAL_FLAGS)
    return ",".join(names + ([f"{rest:#x}"] if rest else [])) or "none"


def subsystem(number: int | Absent) -> str | Absent:
    """A subsystem in a word, or its number."""
    return number if isinstance(number, Absent) else SUBSYSTEMS.get(number, str(number))
