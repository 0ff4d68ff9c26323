"""What a PEB says otherwise than the kernel's own record of its process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import View
from process_anatomy.walk.processes.listed import Process


@dataclass(frozen=True, slots=True)
class Owner:
    """A process with what its kernel object says that its PEB should say too.

    Attributes:
        process: the process.
        address: of the PEB.
        section: where the kernel mapped the program.
        debug_port: of the debugger, 0 where none is attached.
        hot_patch: where the kernel keeps which of its images were hot-patched, not applicable for none.
    """

    process: Process
    address: int | Absent
    section: int | Absent
    debug_port: int | Absent
    hot_patch: int | Absent = NOT_APPLICABLE


def contradictions(kernel: Kernel, own: View, owner: Owner, facts: Mapping[str, Any]) -> Iterator[str]:
    """What a PEB says otherwise than the kernel.

    Args:
        kernel: the kernel.
        own: the process's own memory, in the layout of the PEB.
        owner: whose PEB it is.
        facts: of the PEB, by name.
    """
    base, process = facts["image_base"], owner.process
    if isinstance(base, int) and isinstance(owner.section, int) and owner.section and base != owner.section:
        yield f"it says that the program is at {base:#x}, the kernel mapped it at {owner.section:#x}"
    debugged, port = facts["being_debugged"], owner.debug_port
    if isinstance(debugged, bool) and isinstance(port, int) and debugged != bool(port):
        says = "a debugger is attached" if debugged else "no debugger is attached"
        yield f"it says that {says}, the kernel's debug port is {port:#x}"
    if isinstance(facts["session"], int) and isinstance(process.session, int) and facts["session"] != process.session:
        yield f"it names session {facts['session']}, the kernel {process.session}"
    build = facts["os_version"].rpartition(".")[2] if isinstance(facts["os_version"], str) else None
    if build is not None and build != str(kernel.number & 0xFFFF):
        yield f"it tells the program of Windows build {build}, the kernel is {kernel.number}"
    if isinstance(facts["heaps"], tuple) and isinstance(facts["heap"], int) and facts["heap"] not in facts["heaps"]:
        yield f"the default heap at {facts['heap']:#x} is not among its heaps"
    yield from other_program(process, facts["image_path"])
    small = own.build.pointer_size < kernel.build.pointer_size
    if small and isinstance(base, int) and build != str(kernel.number & 0xFFFF):
        header = own.space.read(base, 2)
        if header != b"MZ":
            yield f"nothing proves that 32-bit blocks of build {own.build.number} have this layout here"


def other_program(process: Process, told: str | Absent) -> Iterator[str]:
    """Where a PEB names another program than the one that the kernel audited at the start."""
    audited = process.image_path
    if isinstance(audited, str) and isinstance(told, str) and audited and told and _file(audited) != _file(told):
        yield f"the PEB names {told}, the kernel audited {audited}"


def _file(path: str) -> str:
    return path.rpartition("\\")[2].lower()
