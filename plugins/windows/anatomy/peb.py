"""The plugin windows.anatomy.peb: what each process environment block says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column, format_hints

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Peb(Anatomy, interfaces.plugins.PluginInterface):
    """Shows each process's PEB, explained: user memory, read through the process's own page tables."""

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("Process", str),
        Column("Bits", int),
        Column("PEB", format_hints.Hex),
        Column("DTB", format_hints.Hex),
        Column("ImageBaseAddress", format_hints.Hex),
        Column("BeingDebugged", bool),
        Column("NtGlobalFlag", format_hints.Hex),
        Column("GlobalFlags", str),
        Column("Flags", str),
        Column("ImagePath", str),
        Column("CommandLine", str),
        Column("CurrentDirectory", str),
        Column("WindowTitle", str),
        Column("DesktopInfo", str),
        Column("ShellInfo", str),
        Column("OSVersion", str),
        Column("ServicePack", str),
        Column("Subsystem", str),
        Column("SessionId", int),
        Column("Heaps", int),
        Column("ProcessHeap", format_hints.Hex),
        Column("HeapList", str),
        Column("Ldr", format_hints.Hex),
        Column("ProcessParameters", format_hints.Hex),
        Column("Environment", format_hints.Hex),
        Column("EnvironmentSize", int),
        Column("ApiSetMap", format_hints.Hex),
        Column("ReadOnlySharedMemoryBase", format_hints.Hex),
        Column("ShimData", format_hints.Hex),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each PEB, and for each process without one."""
        from process_anatomy.absent import Absent
        from process_anatomy.walk.program.global_flags import global_flags, subsystem
        from process_anatomy.walk.program.pebs import pebs

        everyone, chosen = self.chosen(kernel)
        explain = self.explainer(kernel)
        for row in pebs(kernel, chosen, everyone):
            yield (
                0,
                (
                    row.process.pid,
                    row.process.name,
                    row.bits,
                    row.address,
                    row.root,
                    row.image_base,
                    row.being_debugged,
                    row.nt_global_flag,
                    global_flags(row.nt_global_flag),
                    row.flags,
                    row.image_path,
                    row.command_line,
                    row.current_directory,
                    row.window_title,
                    row.desktop,
                    row.shell_info,
                    row.os_version,
                    row.service_pack,
                    subsystem(row.subsystem),
                    row.session,
                    row.heap_count,
                    row.heap,
                    row.heaps if isinstance(row.heaps, Absent) else " ".join(f"{heap:#x}" for heap in row.heaps),
                    row.ldr,
                    row.parameters,
                    row.environment,
                    row.environment_size,
                    row.api_set_map,
                    row.shared_memory,
                    row.shim_data,
                    "; ".join(row.problems) or None,
                    explain.peb(row),
                ),
            )
