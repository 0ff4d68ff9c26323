"""What is asked about threads: how many there are, what they do, and where they start."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.labs.asks.subject import Subject, note_of, number
from process_anatomy.labs.question import EASY, HARD, MEDIUM, AnswerKind, Question

ABOUT = "threads"


def threads(of: Subject) -> Iterator[Question]:
    """The questions about the threads of a process."""
    found = of.rows("threads")
    for row in of.few(found, "TID", "State"):
        yield of.question(
            f"{ABOUT}/state",
            EASY,
            f"In which state is thread {row['TID']} of {of.name}?",
            AnswerKind.NAME,
            str(row["State"]),
            view="threads",
            column="State",
            explanation=note_of(f"thread-state/{row['State']}", "term/ethread"),
            detail=row["TID"],
        )
    for row in of.few((row for row in found if row["State"] == "Waiting"), "TID", "WaitReason"):
        yield of.question(
            f"{ABOUT}/wait",
            MEDIUM,
            f"Why does thread {row['TID']} of {of.name} wait?",
            AnswerKind.NAME,
            str(row["WaitReason"]),
            view="threads",
            column="WaitReason",
            explanation=note_of(f"wait-reason/{row['WaitReason']}", "term/ethread"),
            detail=row["TID"],
        )
    for row in of.few(found, "TID", "Win32StartPath", "Win32StartAddress"):
        start = number(row, "Win32StartAddress")
        yield of.question(
            f"{ABOUT}/start",
            MEDIUM,
            f"In which file lies the Win32 start address of thread {row['TID']} of {of.name}?",
            AnswerKind.PATH,
            str(row["Win32StartPath"]),
            view="threads",
            column="Win32StartPath",
            stock="threads",
            detail=row["TID"],
            slips=((f"{start:#x}", "that is the address; the file that lies there is asked for"),),
        )
    for row in of.few(found, "TID", "TEB"):
        if row["TEB"] != 0:
            yield of.question(
                f"{ABOUT}/teb",
                MEDIUM,
                f"At which address lies the TEB of thread {row['TID']} of {of.name}?",
                AnswerKind.ADDRESS,
                number(row, "TEB"),
                view="threads",
                column="TEB",
                detail=row["TID"],
                slips=((f"{row['Offset']:#x}", "that is its ETHREAD, in system address space"),),
            )
    for row in of.few(of.rows("tebs"), "TID", "StackBase", "StackLimit"):
        base, limit = number(row, "StackBase"), number(row, "StackLimit")
        yield of.question(
            f"{ABOUT}/stack",
            HARD,
            f"How many bytes of stack has thread {row['TID']} of {of.name} between its limit and base?",
            AnswerKind.NUMBER,
            base - limit,
            view="tebs",
            column="StackBase",
            detail=row["TID"],
            slips=((str((base - limit) // 4096), "so many pages are they"),),
        )
    if of.whole("Threads"):
        yield from _of_all(of)


def _of_all(of: Subject) -> Iterator[Question]:
    """Questions about all threads of the list."""
    found = of.rows("threads")
    ended = sum(row["State"] == "Terminated" for row in found)
    slips = ((str(len(found) - ended), "those that have ended are on the list too"),) if ended else ()
    yield of.question(
        f"{ABOUT}/threads",
        EASY,
        f"How many threads has {of.name} on its list?",
        AnswerKind.NUMBER,
        len(found),
        view="threads",
        stock="threads",
        slips=slips,
    )
    if all(isinstance(row["SuspendCount"], int) for row in found):
        suspended = sum(number(row, "SuspendCount") > 0 for row in found)
        yield of.question(
            f"{ABOUT}/suspended",
            MEDIUM,
            f"How many threads of {of.name} are suspended?",
            AnswerKind.NUMBER,
            suspended,
            view="threads",
            column="SuspendCount",
            stock="suspended_threads",
        )
    odd = [row for row in found if row["Alarm"] is not None]
    if odd and not any("Alarm" in row.absent and row.absent["Alarm"] != "not applicable" for row in found):
        yield of.question(
            f"{ABOUT}/odd-start",
            HARD,
            f"Which threads of {of.name} start where a thread should not? Give their ids.",
            AnswerKind.NAMES,
            tuple(str(row["TID"]) for row in odd),
            view="threads",
            column="Alarm",
            stock=("malware.suspicious_threads", "threads"),
        )
