"""What is asked about the executable program: the image, its modules, and what the process was started with."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.labs.asks.subject import Subject, number
from process_anatomy.labs.question import EASY, HARD, MEDIUM, AnswerKind, Question

ABOUT = "executable-program"
LONGEST = 120
"""Characters of a text that somebody is asked to write."""
HEADERS = {
    "EntrySection": "In which section of the program of {name} does the address lie where it is entered?",
    "PdbPath": "Which path of a symbol file did the linker leave in the program of {name}?",
    "OriginalFilename": "Which original file name does the version resource of the program of {name} hold?",
}
"""Columns of the view of images that are asked for, and how."""


def program(of: Subject) -> Iterator[Question]:
    """The questions about the program of a process."""
    yield from _blocks(of)
    modules = of.rows("modules")
    for row in of.few((row for row in modules if row["InLoad"]), "Name", "Base"):
        yield of.question(
            f"{ABOUT}/module-base",
            EASY,
            f"At which address lies {row['Name']} in {of.name}?",
            AnswerKind.ADDRESS,
            number(row, "Base"),
            view="modules",
            column="Base",
            stock="dlllist",
            detail=row["Name"],
            slips=(
                (
                    f"{row['EntryPoint']:#x}" if isinstance(row["EntryPoint"], int) else "",
                    "that is where it is entered",
                ),
            ),
        )
    hidden = [row for row in modules if row["State"] == "not-listed"]
    if hidden and all(row["Name"] for row in hidden) and all(row["State"] is not None for row in modules):
        yield of.question(
            f"{ABOUT}/unlisted",
            HARD,
            f"Which modules of {of.name} are mapped as images, but on none of the loader's lists?",
            AnswerKind.NAMES,
            tuple(sorted({str(row["Name"]) for row in hidden})),
            view="modules",
            column="State",
            stock="malware.ldrmodules",
        )
    for row in of.rows("images"):
        if row["Role"] != "program":
            continue
        for column, text in HEADERS.items():
            told = row[column]
            if isinstance(told, str) and 0 < len(told) <= LONGEST and told.isprintable():
                yield of.question(
                    f"{ABOUT}/{column.lower()}",
                    HARD,
                    text.format(name=of.name),
                    AnswerKind.PATH if column == "PdbPath" else AnswerKind.NAME,
                    told,
                    view="images",
                    column=column,
                )
        if isinstance(row["EntryPoint"], int) and isinstance(row["Base"], int):
            yield of.question(
                f"{ABOUT}/entry",
                MEDIUM,
                f"At which address is the program of {of.name} entered, by its header?",
                AnswerKind.ADDRESS,
                row["EntryPoint"],
                view="images",
                column="EntryPoint",
                slips=(
                    (f"{row['Base']:#x}", "that is where the program begins in memory"),
                    (f"{row['EntryPoint'] - row['Base']:#x}", "that is the offset in the image, not the address"),
                ),
            )


def _blocks(of: Subject) -> Iterator[Question]:
    """Questions about what the process keeps of itself in its own address space."""
    for row in of.rows("peb"):
        if row["Bits"] != 64 and len(of.rows("peb")) > 1:
            continue
        if isinstance(row["PEB"], int) and isinstance(row["ImageBaseAddress"], int):
            yield of.question(
                f"{ABOUT}/base",
                EASY,
                f"At which address does the PEB of {of.name} say that its program lies?",
                AnswerKind.ADDRESS,
                row["ImageBaseAddress"],
                view="peb",
                column="ImageBaseAddress",
                stock="dlllist",
                explanation="term/peb",
                slips=((f"{row['PEB']:#x}", "that is where the PEB itself lies"),),
            )
        if isinstance(row["BeingDebugged"], bool):
            yield of.question(
                f"{ABOUT}/debugged",
                MEDIUM,
                f"Does the PEB of {of.name} say that it is being debugged?",
                AnswerKind.YES_NO,
                row["BeingDebugged"],
                view="peb",
                column="BeingDebugged",
                explanation="term/peb",
            )
        for column, what, kind in (
            ("ImagePath", "path of the program", AnswerKind.PATH),
            ("CommandLine", "command line", AnswerKind.NAME),
            ("CurrentDirectory", "current directory", AnswerKind.PATH),
        ):
            told = row[column]
            if isinstance(told, str) and 0 < len(told) <= LONGEST and told.isprintable():
                yield of.question(
                    f"{ABOUT}/{column.lower()}",
                    EASY,
                    f"Which {what} stands in the process parameters of {of.name}?",
                    kind,
                    told,
                    view="peb",
                    column=column,
                    stock="cmdline" if column == "CommandLine" else (),
                    explanation="term/peb",
                )
    own = [row for row in of.rows("envars") if row["Bits"] == 64 or row["Block"] == "process"]
    short = [row for row in own if 0 < len(str(row["Value"])) <= LONGEST and str(row["Value"]).isprintable()]
    for row in of.few(short, "Variable", "Value"):
        yield of.question(
            f"{ABOUT}/variable",
            EASY,
            f"Which value has the environment variable {row['Variable']} of {of.name}?",
            AnswerKind.NAME,
            str(row["Value"]),
            view="envars",
            column="Value",
            stock="envars",
            detail=row["Variable"],
        )
