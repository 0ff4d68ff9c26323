"""Which texts a platform is to accept for an answer: platforms compare texts, and know no hexadecimal or time."""

from __future__ import annotations

from process_anatomy.labs.question import AnswerKind, Question

SHOWN_BITS = (1 << 48) - 1
"""Of an address, what stock Volatility shows."""


def accepted(question: Question) -> tuple[str, ...]:
    """The texts that are right, the usual one first; case does not count."""
    answer = question.answer
    kind = question.kind
    found: list[str]
    if kind is AnswerKind.ADDRESS:
        number = int(answer)  # type: ignore[arg-type]
        found = [form for each in dict.fromkeys((number, number & SHOWN_BITS)) for form in (f"{each:#x}", f"{each:x}")]
    elif kind is AnswerKind.YES_NO:
        found = ["yes"] if answer else ["no"]
    elif isinstance(answer, tuple):
        found = [", ".join(answer), ",".join(answer), ", ".join(sorted(answer)), ",".join(sorted(answer))]
    elif kind is AnswerKind.MOMENT:
        bare = str(answer).partition("+")[0]
        found = [bare.replace("T", " "), f"{bare.replace('T', ' ')} UTC", bare, f"{bare}Z", str(answer)]
    else:
        found = [str(answer)]
    return tuple(dict.fromkeys([*found, *question.also]))
