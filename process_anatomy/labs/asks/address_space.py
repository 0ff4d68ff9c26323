"""What is asked about the private address space: its ranges, and the tree that they stand in."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.labs.asks.subject import Subject, note_of, number
from process_anatomy.labs.question import EASY, HARD, MEDIUM, AnswerKind, Question

ABOUT = "private-address-space"
IMAGE = "VadImageMap"


def address_space(of: Subject) -> Iterator[Question]:
    """The questions about the address space of a process."""
    vads = of.rows("vads")
    for row in of.few(vads, "Start VPN", "Protection"):
        start, protection = number(row, "Start VPN"), str(row["Protection"])
        yield of.question(
            f"{ABOUT}/protection",
            EASY,
            f"Which protection has the VAD of {of.name} that starts at {start:#x}?",
            AnswerKind.NAME,
            protection,
            view="vads",
            column="Protection",
            stock="vadinfo",
            explanation=note_of(f"protection/{protection.partition('|')[0]}", "term/vad-node"),
            detail=f"{start:x}",
            slips=_halves(protection),
        )
    for row in of.few(vads, "Start VPN", "Pages"):
        start, pages = number(row, "Start VPN"), number(row, "Pages")
        yield of.question(
            f"{ABOUT}/pages",
            MEDIUM,
            f"How many pages of 4 KB does the VAD of {of.name} cover that starts at {start:#x}?",
            AnswerKind.NUMBER,
            pages,
            view="vads",
            column="Pages",
            stock="vadinfo",
            explanation="term/vad",
            detail=f"{start:x}",
            slips=(
                (str(pages * 4096), "that is the size in bytes"),
                (str(pages * 4), "that is the size in kilobytes"),
                (str(pages - 1), "the page that the range ends with is a part of it"),
            ),
        )
    images = (row for row in vads if row["VadType"] == IMAGE)
    for row in of.few(images, "Start VPN", "File"):
        start, file = number(row, "Start VPN"), str(row["File"])
        yield of.question(
            f"{ABOUT}/file",
            EASY,
            f"Which file is mapped as an image at {start:#x} in {of.name}?",
            AnswerKind.PATH,
            file,
            view="vads",
            column="File",
            stock="vadinfo",
            explanation="vad-type/VadImageMap",
            detail=f"{start:x}",
        )
    if of.whole("AddressSpace"):
        yield from _of_all(of)


def _halves(protection: str) -> Iterator[tuple[str, str]]:
    """The protection without what is added to it, such as PAGE_GUARD."""
    base, added, _ = protection.partition("|")
    if added:
        yield base, "something is added to that protection"


def _of_all(of: Subject) -> Iterator[Question]:
    """Questions about the tree as a whole."""
    vads = of.rows("vads")
    count = len(vads)
    yield of.question(
        f"{ABOUT}/vads",
        EASY,
        f"How many VADs does {of.name} have?",
        AnswerKind.NUMBER,
        count,
        view="vads",
        stock="vadinfo",
        explanation="term/vad",
    )
    depths = [row["Depth"] for row in vads]
    roots = [row for row in vads if row["Depth"] == 0 and row["Start VPN"] is not None]
    if len(roots) == 1 and all(isinstance(depth, int) for depth in depths):
        levels = max(number(row, "Depth") for row in vads) + 1
        yield of.question(
            f"{ABOUT}/root",
            MEDIUM,
            f"At which address starts the range of the VAD that is the root of {of.name}'s tree?",
            AnswerKind.ADDRESS,
            number(roots[0], "Start VPN"),
            view="vads",
            column="Start VPN",
            stock="vadwalk",
            explanation="term/vad-tree",
            slips=((f"{roots[0]['Offset']:#x}", "that is where the VAD itself lies, in system address space"),),
        )
        yield of.question(
            f"{ABOUT}/levels",
            HARD,
            f"How many levels has the VAD tree of {of.name}, its root counted as one?",
            AnswerKind.NUMBER,
            levels,
            view="vads",
            column="Depth",
            stock="vadwalk",
            explanation="term/vad-tree",
            slips=((str(levels - 1), "the root is a level too"),),
        )
    if all(row["Protection"] is not None and row["PrivateMemory"] is not None for row in vads):
        odd = [row for row in vads if row["PrivateMemory"] == 1 and "EXECUTE" in str(row["Protection"])]
        if odd and all(isinstance(row["Start VPN"], int) for row in odd):
            yield of.question(
                f"{ABOUT}/private-executable",
                HARD,
                f"Where do the ranges of {of.name} start that are private and may be executed?",
                AnswerKind.NAMES,
                tuple(f"{row['Start VPN']:#x}" for row in odd),
                view="vads",
                column="Start VPN",
                stock=("malware.malfind", "vadinfo"),
                explanation="component/private-address-space",
            )
    uses = [row["Region"] for row in vads]
    stacks = sum(isinstance(use, list) and "stack" in use for use in uses)
    if stacks and all(use is not None for use in uses):
        yield of.question(
            f"{ABOUT}/stacks",
            MEDIUM,
            f"How many ranges of {of.name} hold the stack of a thread?",
            AnswerKind.NUMBER,
            stacks,
            view="vads",
            column="Region",
            stock=("vadinfo", "threads"),
            explanation="component/threads",
        )
