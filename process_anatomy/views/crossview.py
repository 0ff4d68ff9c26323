"""The view of who sees each process, and what it means where one does not."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.absent import Absent
from process_anatomy.views.declaration import ADDRESS, BOOLEAN, INTEGER, TEXT, TEXTS, Column, Request, Row, View
from process_anatomy.views.problems import NOT_A_TIME

OTHERS = ("Forward", "Backward", "CID", "Handles", "CsrProcess", "Session", "Job", "Win32Process")
"""Views of the cross-view that have a column of their own name, beside those of windows.psxview."""


def rows(request: Request) -> Iterator[Row]:
    """One row for each process that any view sees."""
    from process_anatomy.filetime import moment
    from process_anatomy.notes.crossview_rows import crossing_row

    tables, explain = request.tables, request.explain
    request.progress(30, "Searching physical memory")
    table = tables.crossings.select(tables.pids)
    request.report(table.problems)
    for row in table.rows:
        process, views = row.process, row.views
        yield (
            0,
            {
                "Offset(Virtual)": process.address,
                "Name": process.name,
                "PID": process.pid,
                "pslist": row.listed,
                "psscan": views["psscan"],
                "thrdscan": views["thrdscan"],
                "csrss": views["csrss"],
                "Exit Time": moment(process.exit_time) or _no_end(process.exit_time),
                **{name: views[name] for name in OTHERS},
                "Verdict": row.verdict,
                "Confidence": row.confidence,
                "HiddenFrom": row.hidden_from,
                "Absences": [f"{each.view}: {each.reason} ({each.confidence})" for each in row.absences],
                "Offset(Physical)": row.physical,
                "Problems": row.problems,
                "Explanation": explain(crossing_row, row, explain.library),
            },
        )


def _no_end(exit_time: object) -> Absent | str:
    """What stands where there is no time of an end: nothing where the process runs, else why it is not known."""
    if isinstance(exit_time, Absent):
        return exit_time if exit_time.kind.lost else ""
    return NOT_A_TIME


VIEW = View(
    name="crossview",
    title="Compares all ways to find processes, and judges every absence.",
    component="process",
    columns=(
        Column(
            "Offset(Virtual)",
            ADDRESS,
            "the address of the process object as it tells it itself, without its upper 16 bits",
            "_EPROCESS, named as in windows.psxview",
        ),
        Column("Name", TEXT, "the short name of the executable", "_EPROCESS.ImageFileName"),
        Column("PID", INTEGER, "the process id as the process object tells it", "_EPROCESS.UniqueProcessId"),
        Column(
            "pslist",
            BOOLEAN,
            "whether the list of active processes holds it, in either direction",
            "_EPROCESS.ActiveProcessLinks",
        ),
        Column(
            "psscan",
            BOOLEAN,
            "whether it was found in physical memory by what it looks like",
            "_DISPATCHER_HEADER, pool tag Proc",
        ),
        Column("thrdscan", BOOLEAN, "whether a thread names it as its process", "_KTHREAD.Process"),
        Column("csrss", BOOLEAN, "whether a csrss.exe has a handle to it", "handle tables"),
        Column("Exit Time", TEXT, "when it ended (UTC); empty while it runs", "_EPROCESS.ExitTime"),
        Column(
            "Forward",
            BOOLEAN,
            "whether the list of active processes reaches it by Flink",
            "_EPROCESS.ActiveProcessLinks",
        ),
        Column(
            "Backward",
            BOOLEAN,
            "whether the list of active processes reaches it by Blink",
            "_EPROCESS.ActiveProcessLinks",
        ),
        Column("CID", BOOLEAN, "whether the table of ids leads to it", "PspCidTable"),
        Column("Handles", BOOLEAN, "whether any process has a handle to it", "handle tables"),
        Column(
            "CsrProcess", BOOLEAN, "whether it has a record in the memory of its session's csrss.exe", "CSR_PROCESS"
        ),
        Column(
            "Session",
            BOOLEAN,
            "whether its session's list holds it; empty outside sessions",
            "_MM_SESSION_SPACE.ProcessList",
        ),
        Column("Job", BOOLEAN, "whether its job's list holds it; empty without a job", "_EJOB.ProcessListHead"),
        Column("Win32Process", BOOLEAN, "whether the window manager keeps data for it", "_EPROCESS.Win32Process"),
        Column(
            "Verdict", TEXT, "consistent, hidden, ended, remnant or smeared", "process_anatomy.walk.crossview.crossings"
        ),
        Column(
            "Confidence",
            TEXT,
            "how certain the verdict is: high, medium or low",
            "process_anatomy.walk.crossview.crossings",
        ),
        Column(
            "HiddenFrom",
            TEXTS,
            "views that should see it and do not",
            "process_anatomy.walk.crossview.crossings",
            separator=",",
        ),
        Column(
            "Absences",
            TEXTS,
            "each view that does not see it, the reason, and how certain that reason is",
            "process_anatomy.walk.crossview.crossings",
        ),
        Column(
            "Offset(Physical)", ADDRESS, "where the process object lies in physical memory", "page tables of the kernel"
        ),
        Column(
            "Problems",
            TEXTS,
            "what views say otherwise of one process, and what could not be read",
            "comparison of the views",
        ),
        Column(
            "Explanation",
            TEXT,
            "what it means who sees this process, at the level that --explain asks for",
            "the study note",
        ),
    ),
    rows=rows,
    telling=("PID", "Name", "Verdict", "Confidence", "HiddenFrom"),
    whole=True,
    process="Name",
    address="Offset(Virtual)",
)
