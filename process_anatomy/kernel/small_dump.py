"""A small memory dump as a kernel: the crashed process and its layout, without page tables."""

from __future__ import annotations

from process_anatomy.errors import RequestError
from process_anatomy.kernel.identify import Crash, Kernel
from process_anatomy.memory.small_dump import SmallDump, disagreements, matching_build
from process_anatomy.memory.view import View
from structs.layout import Build


def open_small_dump(dump: SmallDump, isf: Build | None = None) -> Kernel:
    """The kernel of a small dump; the process that its list starts from is the one that crashed.

    Raises:
        RequestError: the user's symbol table is of another kernel: the dump's debugger block says so.
    """
    wrong = disagreements(dump, isf) if isf else []
    if isf and isf.pointer_size != dump.pointer_size:
        wrong = [f"its pointers have {isf.pointer_size} bytes, not {dump.pointer_size}"]
    if isf and wrong:
        raise RequestError(f"the symbol table {isf.name} does not fit this dump: {wrong[0]}")
    build = isf or matching_build(dump)
    evidence = (f"small dump of build {dump.build_number}", f"layout {build.name}: {build.origin}")
    size = next((driver.size for driver in dump.drivers if driver.base == dump.kernel_base), 0)
    crash = Crash(dump.process_address, dump.thread_address, dump.system_time, dump.bugcheck_code, dump.build_number)
    view = View(dump, build)
    return Kernel(view, dump.build_number, dump.kernel_base, size, None, dump.process_address, evidence, crash)
