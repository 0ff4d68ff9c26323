"""Private pages that are not in memory: which can be taken out of it, and how that is done."""

from __future__ import annotations

from process_anatomy.forge.memory.frames import PAGE
from process_anatomy.forge.memory.protections import READ_WRITE
from process_anatomy.forge.parts.process import Process

KINDS = ("heap", "stack", "PEB and TEBs", "private")
"""Notes of the ranges whose pages may go."""


def at_home(processes: list[Process]) -> list[Process]:
    """The processes that have private pages."""
    return [process for process in processes if process.alive and process.user.ldr]


def private_pages(process: Process) -> list[int]:
    """Addresses of the private pages of a process that are in memory, in order."""
    ranges = [r for r in process.user.regions if r.section is None and r.note in KINDS and r.protection == READ_WRITE]
    pages = (page * PAGE for page in sorted(process.space.mapped))
    return [address for address in pages if any(r.start <= address < r.start + r.size for r in ranges)]


def take_out(process: Process, address: int, entry: int, state: str) -> bytes:
    """Take a private page out of memory; gives what it held.

    Args:
        process: whose page it is.
        address: of the page.
        entry: what the page tables have of it from now on.
        state: what the truth calls such pages.
    """
    frame = process.space.mapped.pop(address // PAGE)
    content = bytes(process.space.memory.pages.pop(frame))
    process.space.entry(address, entry)
    for noted in process.user.pages:
        if noted["va"] == address:
            noted["state"] = state
    return content
