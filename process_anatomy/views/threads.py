"""The view of every thread, what it does, and where it starts."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.views.declaration import ADDRESS, INTEGER, TEXT, TEXTS, TIME, Column, Moment, Request, Row, View
from process_anatomy.views.sources import LISTED, PLACE, THREADS, TREE


def rows(request: Request) -> Iterator[Row]:
    """One row for each thread."""
    from process_anatomy.absent import Absent
    from process_anatomy.notes.thread_rows import thread_note

    tables, explain = request.tables, request.explain
    request.chosen()
    request.progress(40, "Walking threads")
    request.report((*tables.threads.problems, *tables.drivers.problems))
    for row in tables.starts:
        facts, thread = row.facts, row.facts.thread
        status = facts.exit_status
        yield (
            0,
            {
                "Offset": thread.address,
                "PID": thread.process.pid,
                "TID": thread.tid,
                "StartAddress": facts.start,
                "StartPath": row.start.path,
                "Win32StartAddress": facts.win32_start,
                "Win32StartPath": row.win32.path,
                "CreateTime": facts.create_time,
                "ExitTime": facts.exit_time,
                "Process": thread.process.name,
                "Name": facts.name,
                "State": facts.state,
                "WaitReason": facts.wait_reason,
                "Priority": facts.priority,
                "BasePriority": facts.base_priority,
                "SuspendCount": facts.suspend_count,
                "ExitStatus": status if isinstance(status, Absent) else status & 0xFFFFFFFF,
                "TEB": facts.teb,
                "KernelStack": facts.kernel_stack,
                "InitialStack": facts.initial_stack,
                "StackLimit": facts.stack_limit,
                "CrossThreadFlags": facts.flags,
                "Flags": facts.flag_names,
                "ImpersonationToken": thread.client_token,
                "ImpersonationLevel": thread.level,
                "Attached": facts.attached,
                "StartIn": row.start.kind,
                "StartProtection": row.start.protection,
                "Win32StartIn": row.win32.kind,
                "Win32StartProtection": row.win32.protection,
                "Alarm": row.alarm,
                "Problems": row.problems,
                "Explanation": explain(thread_note, row, explain.library),
            },
        )


START = "_ETHREAD.StartAddress, Win32StartAddress, ForwardLinkShadow"
FLAGS = "_ETHREAD.CrossThreadFlags; _ETHREAD.Terminated, ActiveImpersonationInfo and the bits beside them"

VIEW = View(
    name="threads",
    title="Lists threads, explained: state, wait, flags, token, and the module, driver or memory that each starts in.",
    component="threads",
    columns=(
        Column("Offset", ADDRESS, "where the kernel's object of the thread lies, in system address space", "_ETHREAD"),
        Column("PID", INTEGER, "the id of the process whose list the thread is on", "_EPROCESS.UniqueProcessId"),
        Column("TID", INTEGER, "the id of the thread", "_ETHREAD.Cid.UniqueThread"),
        Column(
            "StartAddress",
            ADDRESS,
            "the first instruction as the kernel was told; for programs a fixed place in ntdll.dll",
            "_ETHREAD.StartAddress",
        ),
        Column(
            "StartPath",
            TEXT,
            "the file or driver that the StartAddress lies in; empty where there is none",
            f"{PLACE}; PsLoadedModuleList",
        ),
        Column(
            "Win32StartAddress",
            ADDRESS,
            "the first instruction as the creator asked for it; the program itself can change it",
            "_ETHREAD.Win32StartAddress",
        ),
        Column(
            "Win32StartPath",
            TEXT,
            "the file or driver that the Win32StartAddress lies in; empty where there is none",
            f"{PLACE}; PsLoadedModuleList",
        ),
        Column("CreateTime", TIME, "when the thread was created (UTC)", "_ETHREAD.CreateTime", moment=Moment.CREATED),
        Column(
            "ExitTime",
            TIME,
            "when the thread ended (UTC); empty while it has not",
            "_ETHREAD.ExitTime",
            moment=Moment.ENDED,
        ),
        Column("Process", TEXT, "the short name of the process that the thread runs in", "_EPROCESS.ImageFileName"),
        Column("Name", TEXT, "what the program called the thread; empty where it did not", "_ETHREAD.ThreadName"),
        Column("State", TEXT, "what the thread is doing: running, waiting, ended ...", "_KTHREAD.State"),
        Column("WaitReason", TEXT, "why the thread waits; empty while it does not", "_KTHREAD.WaitReason"),
        Column(
            "Priority",
            INTEGER,
            "the priority that the thread has at the moment, 0 to 31",
            "_KTHREAD.Priority",
            signed=True,
        ),
        Column(
            "BasePriority", INTEGER, "the priority that its boosts fall back to", "_KTHREAD.BasePriority", signed=True
        ),
        Column(
            "SuspendCount",
            INTEGER,
            "how often the thread was suspended without being resumed",
            "_KTHREAD.SuspendCount",
            signed=True,
        ),
        Column(
            "ExitStatus",
            INTEGER,
            "the status that the thread ended with; without meaning before",
            "_ETHREAD.ExitStatus",
            hexadecimal=True,
        ),
        Column(
            "TEB",
            ADDRESS,
            "where the thread's own block lies in user memory; 0 for threads of the kernel",
            "_KTHREAD.Teb",
        ),
        Column(
            "KernelStack",
            ADDRESS,
            "the kernel stack pointer of the last time that the thread left the processor",
            "_KTHREAD.KernelStack",
        ),
        Column("InitialStack", ADDRESS, "the upper end of the thread's kernel stack", "_KTHREAD.InitialStack"),
        Column("StackLimit", ADDRESS, "the lower end of the thread's kernel stack", "_KTHREAD.StackLimit"),
        Column("CrossThreadFlags", INTEGER, "the flags as one number", FLAGS, hexadecimal=True),
        Column(
            "Flags",
            TEXTS,
            "the names of the flags that are set, those of several bits with their number",
            FLAGS,
            separator=" ",
            empty="",
        ),
        Column(
            "ImpersonationToken",
            ADDRESS,
            "the token that the thread wears instead of its process's; empty while it does not",
            "_ETHREAD.ClientSecurity",
        ),
        Column(
            "ImpersonationLevel",
            INTEGER,
            "how far the thread may act for its client: 0 anonymous to 3 delegation",
            "_ETHREAD.ClientSecurity",
        ),
        Column(
            "Attached",
            ADDRESS,
            "the process whose address space the thread uses; its own, or one that it visits",
            "_KTHREAD.ApcState.Process",
        ),
        Column(
            "StartIn",
            TEXT,
            "what the StartAddress lies in: image, driver, private memory, nothing ...",
            f"process_anatomy.walk.across.starts; {START}; {PLACE}",
        ),
        Column(
            "StartProtection",
            TEXT,
            "the protection of the range that the StartAddress lies in",
            f"_MMVAD_FLAGS.Protection; {TREE}",
        ),
        Column(
            "Win32StartIn",
            TEXT,
            "what the Win32StartAddress lies in: image, driver, private memory, nothing ...",
            f"process_anatomy.walk.across.starts; {START}; {PLACE}",
        ),
        Column(
            "Win32StartProtection",
            TEXT,
            "the protection of the range that the Win32StartAddress lies in",
            f"_MMVAD_FLAGS.Protection; {TREE}",
        ),
        Column(
            "Alarm",
            TEXT,
            "in capital letters what is worth a second look about where the thread starts; empty for most",
            f"process_anatomy.walk.across.starts; {START}; {PLACE}",
        ),
        Column(
            "Problems",
            TEXTS,
            "what contradicts itself in a thread, and what could not be had of it",
            "process_anatomy.walk.threads.facts",
        ),
        Column(
            "Explanation",
            TEXT,
            "what this thread is and does, at the level that --explain asks for",
            "notes, thread-row",
        ),
    ),
    rows=rows,
    telling=("PID", "Process", "TID", "State", "WaitReason", "Win32StartPath", "Alarm"),
    thing="thread",
    known_by=("TID", "Name", "Win32StartPath"),
    through=f"{LISTED}; {THREADS}; _ETHREAD.UniqueThread",
)
