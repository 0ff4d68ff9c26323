"""Hints of a question: what its subject is, which stock plugin shows it, and at last our command and its column."""

from __future__ import annotations

from process_anatomy.labs.lab import WORTH, Hint
from process_anatomy.labs.question import Question
from process_anatomy.notes.library import Library, NoteError, default

SECOND, LAST = 1, 2
"""Quarters of a question's points that the second and the last hint cost; the first is free."""


def explained(question: Question, library: Library | None = None) -> tuple[str, str]:
    """Title and text of the note that explains what is asked; that of the component where there is none of it."""
    notes = default() if library is None else library
    for key in (question.explanation, f"component/{question.component}"):
        try:
            note = notes[key]
        except NoteError:
            continue
        text = note.full or note.brief
        if "{" not in text:  # templates of rows are filled by rows
            return note.title, text
    raise NoteError(question.explanation, "there is no such note, and none of its component")


def hints(question: Question, image: str, stock: str | None) -> tuple[Hint, ...]:
    """The hints of a question, the cheapest first.

    Args:
        question: what is asked.
        image: name of the image's file, for the commands.
        stock: command of stock Volatility that was seen to show what is right, where there is one.
    """
    quarter = WORTH * question.difficulty // 4
    title, text = explained(question)
    found = [Hint(f"{title}: {text}", 0)]
    if stock is not None:
        found.append(Hint(f"Stock Volatility shows it: {filled(stock, image)}", SECOND * quarter))
    column = f", column {question.column}" if question.column else ", whose rows are counted"
    found.append(Hint(f"This shows it: {filled(question.commands[0], image)}{column}", LAST * quarter))
    return tuple(found)


def filled(command: str, image: str) -> str:
    """A command for the image of a lab; stock plugins need the symbol table beside it."""
    symbols = "" if "windows.anatomy." in command else "-s symbols "
    return command.replace("-f IMAGE", f"{symbols}-f {image}", 1)
