"""A small memory dump as a kernel: the crashed process and its layout, without page tables."""

from __future__ import annotations

from process_anatomy.kernel.identify import Crash, Kernel
from process_anatomy.memory.small_dump import SmallDump, matching_build
from process_anatomy.memory.view import View
from structs.layout import Build


def open_small_dump(dump: SmallDump, isf: Build | None = None) -> Kernel:
    """The kernel of a small dump; the process that its list starts from is the one that crashed."""
    build = isf or matching_build(dump)
    evidence = (f"small dump of build {dump.build_number}", f"layout {build.name}: {build.origin}")
    size = next((driver.size for driver in dump.drivers if driver.base == dump.kernel_base), 0)
    crash = Crash(dump.process_address, dump.thread_address, dump.system_time, dump.bugcheck_code, dump.build_number)
    view = View(dump, build)
    return Kernel(view, dump.build_number, dump.kernel_base, size, None, dump.process_address, evidence, crash)
