"""Rules over how processes were made and how they live: chosen parents, debuggers, ends that are none."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.findings.known import CHOOSES_PARENT, is_known
from process_anatomy.findings.places import Places
from process_anatomy.findings.rules import Clue, Severity, rule
from process_anatomy.walk.across.tables import Tables


@rule("chosen-parent", Severity.MEDIUM)
def chosen_parent(tables: Tables) -> Iterator[Clue]:
    """A process whose parent on record is not its creator, who is nobody known to choose parents for others."""
    places = Places(tables)
    for row in tables.creations:
        parent, creator = row.parent.process, row.creator.process
        if parent is None or creator is None or parent is creator:
            continue
        if not all(isinstance(p.create_time, int) for p in (row.process, parent, creator)):
            continue
        lines = [
            f"{creator.name} ({creator.pid}), _EPROCESS {creator.address:#x}, asked for it",
            f"{parent.name} ({parent.pid}), _EPROCESS {parent.address:#x}, is its parent on record",
        ]
        own, maker = row.token.authentication_id, tables.primary[creator.address].authentication_id
        other = NOT_APPLICABLE if row.parent_token is None else row.parent_token.authentication_id
        # whoever elevates or logs somebody on hands in another's token; its own under another's parent is for no client
        if isinstance(own, int) and isinstance(other, int) and own == maker != other:
            lines.append(f"its logon session {own:#x} is its creator's, the parent's is {other:#x}")
        elif isinstance(creator.image_path, Absent) or is_known(CHOOSES_PARENT, creator, places, tables.number):
            continue
        yield row.process, f"{parent.name} ({parent.pid})", tuple(lines)


@rule("reused-parent", Severity.INFO)
def reused_parent(tables: Tables) -> Iterator[Clue]:
    """A process whose parent's id belongs to a later process by now."""
    for process in tables.processes:
        if tables.kin.relative(process.ppid, process).state == "newer":
            line = f"process {process.ppid} is younger than it, so the parent has ended and its id was used again"
            yield process, f"process {process.ppid}", (line, f"_EPROCESS {process.address:#x}")


@rule("debugged", Severity.LOW)
def debugged(tables: Tables) -> Iterator[Clue]:
    """A process that a debugger is attached to."""
    for process in tables.processes:
        port = tables.programs[process.address].debug_port
        if isinstance(port, int) and port and process.exit_time == NOT_APPLICABLE:
            held = tables.debuggers.get(port, ())
            names = dict.fromkeys(f"{each.process.name} ({each.process.pid})" for each in held)
            by = f", held by {', '.join(names)}" if names else ""
            lines = [
                f"handle {each.value:#x} of {each.process.name} ({each.process.pid}) leads to it: {each.rights}"
                for each in held
            ]
            yield (
                process,
                f"{port:#x}{by}",
                (
                    f"debug object {port:#x}",
                    *(lines or ["no handle that was read leads to it, so who debugs is not known"]),
                    f"_EPROCESS {process.address:#x}, DebugPort",
                ),
            )


@rule("hidden-debugger", Severity.MEDIUM)
def hidden_debugger(tables: Tables) -> Iterator[Clue]:
    """A PEB that says otherwise than the kernel whether a debugger is attached."""
    for peb in tables.pebs:
        port = tables.programs[peb.process.address].debug_port
        if not isinstance(port, int) or not isinstance(peb.being_debugged, bool) or not isinstance(peb.address, int):
            continue
        if peb.being_debugged != bool(port):
            says = "is" if peb.being_debugged else "is not"
            lines = (
                f"the {peb.bits}-bit PEB at {peb.address:#x} says that it {says} debugged",
                f"the kernel's debug port is {port:#x}, _EPROCESS {peb.process.address:#x}",
            )
            yield peb.process, f"{peb.address:#x}", lines


@rule("ended-but-running", Severity.MEDIUM)
def ended_but_running(tables: Tables) -> Iterator[Clue]:
    """A process that says that it has ended, and counts threads that have not."""
    for process in tables.processes:
        if isinstance(process.exit_time, int) and isinstance(process.threads, int) and process.threads:
            line = f"it has an exit time, yet counts {process.threads} threads that have not ended"
            yield (
                process,
                f"{process.threads} thread{'' if process.threads == 1 else 's'}",
                (line, f"_EPROCESS {process.address:#x}, ActiveThreads"),
            )
