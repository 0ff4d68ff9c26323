"""What is asked about open handles: what they lead to, and what they allow."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.labs.asks.subject import Subject, number
from process_anatomy.labs.question import EASY, HARD, MEDIUM, AnswerKind, Question

ABOUT = "open-handles"
NAMED = ("File", "Key", "Event", "Mutant", "Semaphore", "Directory", "Section")
"""Types of objects that are asked for by the name that they have."""
MEMORY = {"PROCESS_VM_READ": "read", "PROCESS_VM_WRITE": "write to"}
"""Rights to another process that are asked about, and what each lets do with memory."""
WHOLE_RIGHTS = "PROCESS_ALL_ACCESS"


def handles(of: Subject) -> Iterator[Question]:
    """The questions about the handles of a process."""
    found = of.rows("handles")
    for row in of.few(found, "HandleValue", "Type"):
        value = number(row, "HandleValue")
        yield of.question(
            f"{ABOUT}/type",
            EASY,
            f"Of which type is the object that handle {value:#x} of {of.name} leads to?",
            AnswerKind.NAME,
            str(row["Type"]),
            view="handles",
            column="Type",
            stock="handles",
            detail=f"{value:x}",
        )
    named = (row for row in found if row["Type"] in NAMED)
    for row in of.few(named, "HandleValue", "Name"):
        value, kind = number(row, "HandleValue"), str(row["Type"])
        yield of.question(
            f"{ABOUT}/name",
            MEDIUM,
            f"Which {kind} does handle {value:#x} of {of.name} lead to?",
            AnswerKind.PATH if kind in ("File", "Key") else AnswerKind.NAME,
            str(row["Name"]),
            view="handles",
            column="Name",
            stock="handles",
            detail=f"{value:x}",
            also=(str(row["Target"] or ""),),
        )
    for row in of.few(found, "HandleValue", "GrantedAccess"):
        value = number(row, "HandleValue")
        yield of.question(
            f"{ABOUT}/granted",
            MEDIUM,
            f"Which access mask was granted with handle {value:#x} of {of.name}?",
            AnswerKind.ADDRESS,
            number(row, "GrantedAccess"),
            view="handles",
            column="GrantedAccess",
            stock="handles",
            detail=f"{value:x}",
        )
    yield from _others(of)
    if of.whole("Handles"):
        yield of.question(
            f"{ABOUT}/handles",
            EASY,
            f"How many handles does {of.name} have open?",
            AnswerKind.NUMBER,
            len(found),
            view="handles",
            stock="handles",
        )
        kinds = [row["Type"] for row in found]
        if all(kinds):
            for row in of.few(found, "Type"):  # types that only one handle has are asked for by their handle
                yield of.question(
                    f"{ABOUT}/only",
                    MEDIUM,
                    f"Only one handle of {of.name} leads to an object of type {row['Type']}: which?",
                    AnswerKind.ADDRESS,
                    number(row, "HandleValue"),
                    view="handles",
                    column="HandleValue",
                    stock="handles",
                    detail=row["Type"],
                )
            for kind in sorted({str(kind) for kind in kinds if kinds.count(kind) > 1} & {*NAMED, "Thread"}):
                yield of.question(
                    f"{ABOUT}/of-type",
                    MEDIUM,
                    f"How many handles of {of.name} lead to an object of type {kind}?",
                    AnswerKind.NUMBER,
                    kinds.count(kind),
                    view="handles",
                    column="Type",
                    stock="handles",
                    detail=kind,
                )


def _others(of: Subject) -> Iterator[Question]:
    """Questions about handles to other processes."""
    leads = [
        row
        for row in of.rows("handles")
        if row["Type"] == "Process" and isinstance(row["Target"], str) and row["Target"] != of.name
    ]
    for row in of.few(leads, "HandleValue", "Target", "Rights"):
        value, rights = number(row, "HandleValue"), str(row["Rights"]).split(",")
        target = str(row["Target"])
        yield of.question(
            f"{ABOUT}/process",
            MEDIUM,
            f"Into which process does handle {value:#x} of {of.name} lead?",
            AnswerKind.NAME,
            target,
            view="handles",
            column="Target",
            stock="handles",
            also=(target.rpartition(" (")[0], target.rpartition("(")[2].rstrip(")")),
            detail=f"{value:x}",
        )
        for right, what in MEMORY.items():
            yield of.question(
                f"{ABOUT}/right",
                HARD,
                f"May {of.name} {what} the memory of {target} through handle {value:#x}?",
                AnswerKind.YES_NO,
                right in rights or WHOLE_RIGHTS in rights,
                view="handles",
                column="Rights",
                stock="handles",
                detail=f"{value:x}/{right}",
                explanation=f"object-right/{right}",
            )
