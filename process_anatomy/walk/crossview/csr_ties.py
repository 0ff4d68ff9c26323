"""Which process a CSR_PROCESS is of: by its id and by its handle in csrss.exe's table, and what speaks against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.crossview.csr_proofs import HANDLES
from process_anatomy.walk.crossview.csr_roots import CsrRoot
from process_anatomy.walk.handles.tables import handle_tables
from process_anatomy.walk.processes.listed import Process, read_processes
from structs.token import TOKEN


@dataclass(frozen=True, slots=True)
class OwnHandles:
    """The handle table of a csrss.exe.

    Attributes:
        targets: handle to the object's address.
        gone: why handles that are in use may be missing; ``None`` where the table was read whole.
    """

    targets: dict[int, int]
    gone: Absent | None


def handle_targets(kernel: Kernel, roots: Sequence[CsrRoot]) -> list[OwnHandles]:
    """The handle table of each csrss.exe."""
    tables = handle_tables(kernel, [root.process for root in roots])
    found: list[dict[int, int]] = [{} for _ in roots]
    for owner, value, target in zip(
        tables.entries.owner.tolist(), tables.entries.value.tolist(), tables.entries.object.tolist(), strict=True
    ):
        found[owner][value] = target
    lost = [
        Absent(Kind.UNREADABLE, f"the handle table of csrss.exe: {table.problems[0]}") if table.problems else None
        for table in tables.tables
    ]
    return [OwnHandles(targets, gone) for targets, gone in zip(found, lost, strict=True)]


def targets_of(handles: Sequence[int | Absent], table: OwnHandles, own: int) -> list[int | Absent]:
    """What each handle leads to; ``own`` is the handle by which csrss.exe means itself."""
    found: list[int | Absent] = []
    for handle in handles:
        if isinstance(handle, Absent):
            found.append(handle)
        elif handle == own:
            found.append(NOT_APPLICABLE)
        else:
            missing = Absent(Kind.IMPLAUSIBLE, f"csrss.exe's handle table has no handle {handle:#x} in use")
            found.append(table.targets.get(handle, missing if table.gone is None else table.gone))
    return found


def tied(
    kernel: Kernel, pids: Sequence[int | Absent], targets: Sequence[int | Absent], everyone: Sequence[Process]
) -> list[tuple[Process | None, tuple[str, ...]]]:
    """The process of each node, and what leads to it; one that is on no list can still be had by its handle."""
    by_pid, by_address = _owners(everyone), {process.address: process for process in everyone}
    lost = [t for p, t in zip(pids, targets, strict=True) if p not in by_pid and isinstance(t, int)]
    lost = [target for target in dict.fromkeys(lost) if target not in by_address]
    by_address |= {p.address: p for p in read_processes(kernel, lost, [()] * len(lost), [[] for _ in lost])}
    found: list[tuple[Process | None, tuple[str, ...]]] = []
    for pid, target in zip(pids, targets, strict=True):
        process = by_pid.get(pid) if isinstance(pid, int) else None
        pointed = by_address.get(target) if isinstance(target, int) else None
        if pointed is not None and pointed.pid != pid and (process is not None or _both(pointed.pid, pid)):
            pointed = None
        ties = tuple(name for name, one in (("pid", process), ("handle", pointed)) if one is not None)
        if process is not None and pointed is not None and pointed is not process:
            process, ties = pointed, ("handle",)
        found.append((process or pointed, ties))
    return found


def _both(*ids: int | Absent) -> bool:
    """Whether all of these are known, so that they contradict each other where they differ."""
    return all(isinstance(each, int) for each in ids)


def _owners(everyone: Sequence[Process]) -> dict[int, Process]:
    """Processes by id; one that runs comes before one that has ended."""
    found: dict[int, Process] = {}
    for process in everyone:
        if isinstance(process.pid, int) and (process.pid not in found or process.lives):
            found[process.pid] = process
    return found


def against_handle(ties: tuple[str, ...], process: Process | None, target: int | Absent) -> list[str]:
    """What a handle says otherwise than the id."""
    if ties == ("handle",):
        return ["no process on the active list is that which its handle leads to: it has ended, or it hides"]
    if isinstance(target, int) and process is not None and target != process.address:
        return [f"its handle leads to {target:#x}, not to the process with its id at {process.address:#x}"]
    return [str(target)] if isinstance(target, Absent) and target.kind is Kind.IMPLAUSIBLE else []


def logons(kernel: Kernel, processes: Sequence[Process | None]) -> list[int | Absent]:
    """The logon session of each process's token."""
    tokens = addresses_of([p.token if p is not None and isinstance(p.token, int) else 0 for p in processes])
    values = kernel.view.records(TOKEN, tokens).values("AuthenticationId")
    return [value if token else NOT_APPLICABLE for token, value in zip(tokens.tolist(), values, strict=True)]


def contradictions(
    root: CsrRoot,
    pid: int | Absent,
    process: Process | None,
    counts: Mapping[int | Absent, int],
    facts: dict[str, Any],
    logon: int | Absent,
    usual: int | None,
    itself: int,
) -> list[str]:
    """What a node says that nothing else bears out."""
    if isinstance(pid, Absent):
        return []
    found: list[str] = []
    if pid % 4 or not 0 < pid < 1 << 31:
        found.append(f"no process has the id {pid:#x}")
    elif process is None:
        found.append(f"no process on the active list has the id {pid}: it has ended, or it hides")
    elif isinstance(process.exit_time, int):
        found.append("its process has ended")
    if counts[pid] > 1:
        found.append(f"more than one node says that it is of process {pid}")
    own, served = process.session if process else NOT_APPLICABLE, root.process.session
    if isinstance(own, int) and isinstance(served, int) and own != served:
        found.append(f"its process is in session {own}, but this csrss.exe serves session {served}")
    if isinstance(facts["luid"], int) and isinstance(logon, int) and facts["luid"] != logon:
        found.append(f"it names logon session {facts['luid']:#x}, the process's token {logon:#x}")
    if isinstance(facts["handle"], int) and facts["handle"] not in HANDLES and facts["handle"] != itself:
        found.append(f"{facts['handle']:#x} is no handle")
    if usual is not None and isinstance(facts["nt_session"], int) and facts["nt_session"] != usual:
        found.append(f"its session structure is {facts['nt_session']:#x}, that of the others {usual:#x}")
    return found
