"""What is asked about the process id: which process it is, who started it, and who knows of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from process_anatomy.labs.asks.subject import Subject
from process_anatomy.labs.question import EASY, HARD, MEDIUM, AnswerKind, Question
from process_anatomy.views.records import Record

ABOUT = "process-id"
MOST_CHILDREN = 8
"""Processes whose ids somebody is asked to write."""


def identity(of: Subject, all_rows: Iterable[Record]) -> Iterator[Question]:
    """The questions about which process it is.

    Args:
        of: the process.
        all_rows: the rows of the view of processes about the whole image.
    """
    row, made = of.one("processes"), of.one("creation")
    if row is None:
        return
    everybody = list(all_rows)
    name, parent = row["ImageFileName"], row["PPID"]
    names = Counter(str(each["ImageFileName"]) for each in everybody)
    if names[str(name)] == 1 and all(each["ImageFileName"] is not None for each in everybody):
        yield _number_of(str(name), of.pid, parent)
    if isinstance(parent, int):
        yield of.question(
            f"{ABOUT}/ppid",
            EASY,
            f"Which process id was kept as that of the parent of {of.name}?",
            AnswerKind.NUMBER,
            parent,
            view="processes",
            column="PPID",
            stock="pstree",
            explanation="term/creator-and-parent",
            slips=((str(of.pid), "that is its own id"),),
        )
    created = row["CreateTime"]
    if isinstance(created, datetime):
        yield of.question(
            f"{ABOUT}/created",
            MEDIUM,
            f"When was {of.name} created?",
            AnswerKind.MOMENT,
            created.replace(microsecond=0).isoformat(),
            view="processes",
            column="CreateTime",
            stock="pslist",
        )
    where = row["Offset(V)"]
    if isinstance(where, int):
        yield of.question(
            f"{ABOUT}/eprocess",
            MEDIUM,
            f"At which address does the EPROCESS of {of.name} lie?",
            AnswerKind.ADDRESS,
            where,
            view="processes",
            column="Offset(V)",
            stock="pslist",
            explanation="term/eprocess",
            slips=(
                (
                    f"{row['PEB']:#x}" if isinstance(row["PEB"], int) else "",
                    "that is its PEB, in its own address space",
                ),
            ),
        )
    if isinstance(row["SessionId"], int):
        yield of.question(
            f"{ABOUT}/session",
            EASY,
            f"In which session does {of.name} run?",
            AnswerKind.NUMBER,
            row["SessionId"],
            view="processes",
            column="SessionId",
            stock="sessions",
        )
    if made is not None:
        yield from _made(of, made)
    children = [each for each in everybody if each["PPID"] == of.pid]
    certain = all(isinstance(each["PPID"], int) for each in everybody) and all(_after(each, row) for each in children)
    if 0 < len(children) <= MOST_CHILDREN and certain:
        yield of.question(
            f"{ABOUT}/children",
            MEDIUM,
            f"Which processes on the list of active processes have {of.name} as their parent? Give their ids.",
            AnswerKind.NAMES,
            tuple(str(each["PID"]) for each in children),
            view="processes",
            column="PPID",
            stock="pstree",
            explanation="term/creator-and-parent",
        )


def _number_of(name: str, pid: int, parent: object) -> Question:
    """The question which id a process of that name has; nothing that is shown before the answer may hold the id."""
    return Question(
        id=f"{ABOUT}/pid/{name}",
        component=ABOUT,
        difficulty=EASY,
        text=f"Which process id has {name}?",
        kind=AnswerKind.NUMBER,
        answer=pid,
        explanation=f"component/{ABOUT}",
        view="processes",
        column="PID",
        commands=("vol -f IMAGE windows.anatomy.processes",),
        stock=("vol -f IMAGE windows.pslist",),
        slips=((str(parent), "that is the id of its parent"),) if isinstance(parent, int) else (),
    )


def _after(child: Record, parent: Record) -> bool:
    """Whether a process was made when the one that has the id of its parent was there."""
    made, there = child["CreateTime"], parent["CreateTime"]
    return isinstance(made, datetime) and isinstance(there, datetime) and made >= there


def _made(of: Subject, row: Record) -> Iterator[Question]:
    """Questions about how the process was made."""
    if row["ParentState"] == "alive" and isinstance(row["Parent"], str):
        yield of.question(
            f"{ABOUT}/parent",
            EASY,
            f"Which program is the parent of {of.name}?",
            AnswerKind.NAME,
            row["Parent"],
            view="creation",
            column="Parent",
            stock="pstree",
            explanation="term/creator-and-parent",
        )
    creator, parent = row["CreatorPID"], row["PPID"]
    if isinstance(creator, int) and isinstance(parent, int) and creator != parent and row["Confidence"] == "high":
        yield of.question(
            f"{ABOUT}/creator",
            HARD,
            f"Which process created {of.name}, by the evidence? Give its id.",
            AnswerKind.NUMBER,
            creator,
            view="creation",
            column="CreatorPID",
            explanation="term/creator-and-parent",
            slips=((str(parent), "that is the parent, which the creator chose"),),
        )


def hidden(rows: Iterable[Record]) -> Iterator[Question]:
    """The question who is not on the list of active processes, where somebody is not.

    Args:
        rows: of the view of crossings, about the whole image.
    """
    gone = [row for row in rows if row["Verdict"] == "hidden" and row["Confidence"] == "high"]
    pids = [row["PID"] for row in gone]
    if not gone or not all(isinstance(pid, int) for pid in pids):
        return
    yield Question(
        id=f"{ABOUT}/hidden",
        component=ABOUT,
        difficulty=HARD,
        text="Which living processes does the list of active processes not hold? Give their ids.",
        kind=AnswerKind.NAMES,
        answer=tuple(map(str, pids)),
        explanation="verdict/hidden",
        view="crossview",
        column="Verdict",
        commands=("vol -f IMAGE windows.anatomy.crossview",),
        stock=("vol -f IMAGE windows.malware.psxview", "vol -f IMAGE windows.psscan"),
    )
