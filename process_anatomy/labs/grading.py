"""How one answer to a question is graded: right, nearly right with what it is instead, wrong, or not attempted.

What is said of an answer never tells what is right: who was nearly right may try again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import NamedTuple

from process_anatomy.labs.question import AnswerKind, Question

LONGEST, LONGEST_NUMBER = 1 << 16, 40
"""Characters of an answer that is looked at, and of one that may be a number."""
NO_ATTEMPT = frozenset({"", "?", "-", "skip", "n/a", "don't know", "do not know", "no answer", "pass"})
YES, NO = frozenset({"yes", "y", "true", "1"}), frozenset({"no", "n", "false", "0"})
KERNEL_NAME = (14, 15)
"""Characters that the kernel keeps of a process's name: 15, of which older tools show 14."""
SHOWN_BITS = (1 << 48) - 1
"""Of an address, what stock Volatility shows."""
SECONDS, QUARTER, FURTHEST = timedelta(seconds=1), timedelta(minutes=15), timedelta(hours=14)
"""How far a time may be off, the steps of time zones, and how far the furthest is from UTC."""
_DECIMAL = re.compile(r"(\d+)( [a-z ]+)?")
_HEXADECIMAL = re.compile(r"0x([0-9a-f]+)|([0-9a-f]+)h?")
_VOLUME = re.compile(r"(?:\\\\\?\\|\\\?\?\\)?(?:[a-z]:|\\device\\[^\\]+|\\systemroot|%systemroot%)?")


class Verdict(Enum):
    """What an answer is worth."""

    RIGHT = "right"
    NEAR = "near"
    WRONG = "wrong"
    NOT_ATTEMPTED = "not attempted"


class Grade(NamedTuple):
    """What became of an answer.

    Attributes:
        verdict: what it is worth.
        remark: what is said of it, one phrase; empty where there is nothing to say.  It does not tell what is right.
    """

    verdict: Verdict
    remark: str = ""


RIGHT = Grade(Verdict.RIGHT)
WRONG = Grade(Verdict.WRONG)


def grade(question: Question, answer: str) -> Grade:
    """What an answer is worth.

    Case, quotation marks and spaces around it do not count.  Addresses are taken in hexadecimal, with or without
    ``0x``, whole or in the 48 bits that stock Volatility shows; numbers in decimal or behind ``0x``.

    Args:
        question: what was asked.
        answer: as it was written, by anybody.
    """
    given = _plain(answer[: LONGEST + 1])
    if given in NO_ATTEMPT:
        return Grade(Verdict.NOT_ATTEMPTED)
    if len(given) > LONGEST:
        return Grade(Verdict.WRONG, f"it is longer than {LONGEST} characters")
    found = _COMPARED[question.kind](question, given)
    if found.verdict is Verdict.WRONG and not found.remark:
        for slip, what in question.slips:
            if _same(question.kind, slip, given):
                return Grade(Verdict.NEAR, what)
    return found


def tally(grades: Iterable[Grade]) -> dict[Verdict, int]:
    """How many there are of each verdict, in the order right, near, wrong, not attempted."""
    count = Counter(each.verdict for each in grades)
    return {verdict: count[verdict] for verdict in Verdict}


def _plain(text: str) -> str:
    """Text as it is compared: without case, quotation marks around it, and spaces that only part words."""
    return " ".join(text.split()).strip("\"'`").strip().casefold()


def _decimal(text: str) -> int | None:
    """A number in decimal, with a unit behind it if need be; ``None`` where it is none."""
    found = _DECIMAL.fullmatch(re.sub(r"(?<=\d)[,_'](?=\d)", "", text)) if len(text) <= LONGEST_NUMBER else None
    return int(found[1]) if found else None


def _hexadecimal(text: str) -> int | None:
    """A number in hexadecimal; debuggers part the halves of an address by a backtick."""
    found = _HEXADECIMAL.fullmatch(text.replace("`", "").replace("_", "")) if len(text) <= LONGEST_NUMBER else None
    return int(found[1] or found[2], 16) if found else None


def _number(question: Question, given: str) -> Grade:
    right = question.answer
    value, bits = _decimal(given), _hexadecimal(given)
    if value == right or (given.startswith("0x") and bits == right):
        return RIGHT
    if bits == right:
        return Grade(Verdict.NEAR, "it is right in hexadecimal; write it in decimal, or 0x before it")
    if value is None and bits is None:
        return Grade(Verdict.WRONG, "it is no number")
    return WRONG


def _address(question: Question, given: str) -> Grade:
    right = int(question.answer)  # type: ignore[arg-type]
    bits, value = _hexadecimal(given), _decimal(given)
    if bits is not None and (bits == right or (right > SHOWN_BITS and bits == right & SHOWN_BITS)):
        return RIGHT
    if value is not None and value in (right, right & SHOWN_BITS):
        return Grade(Verdict.NEAR, "that is the number in decimal; it is asked for in hexadecimal")
    if bits is not None and right and bits << 12 == right:
        return Grade(Verdict.NEAR, "that is the number of the page; its address has three digits more")
    if bits is None:
        return Grade(Verdict.WRONG, "it is no number in hexadecimal")
    return WRONG


def _forms(question: Question) -> tuple[str, ...]:
    """Every form of a text that is right, as it is compared."""
    return tuple(map(_plain, (str(question.answer), *question.also)))


def _name(question: Question, given: str) -> Grade:
    forms = _forms(question)
    if given in forms:
        return RIGHT
    for form in forms:
        if len(given) in KERNEL_NAME and form.startswith(given):
            return Grade(Verdict.NEAR, f"the name is cut after {len(given)} characters, as the kernel keeps it")
        if given and given == form.rpartition(".")[0]:
            return Grade(Verdict.NEAR, "the name lacks its ending")
        if given and given == form.rpartition("\\")[2]:
            return Grade(Verdict.NEAR, "what stands before the backslash is missing")
        if form and form == re.split(r"[\\/]", given)[-1]:
            return Grade(Verdict.NEAR, "that is more than the name")
    return WRONG


def _rest(path: str) -> str:
    """A path without what names its volume, which tools name differently, and with backslashes alone."""
    whole = path.replace("/", "\\")
    rest = _VOLUME.sub("", whole, count=1)
    rooted = whole.startswith(("\\systemroot", "%systemroot%"))
    return ("\\windows" + rest if rooted else rest).rstrip("\\")


def _path(question: Question, given: str) -> Grade:
    rests = {_rest(form) for form in _forms(question)}
    if given in _forms(question) or _rest(given) in rests:
        return RIGHT
    names = {rest.rpartition("\\")[2] for rest in rests} - {""}
    if _rest(given).rpartition("\\")[2] not in names:
        return WRONG
    if "\\" not in given.replace("/", "\\"):
        return Grade(Verdict.NEAR, "that is the name; the whole path is asked for")
    return Grade(Verdict.WRONG, "the name is right, the folder is another")


def _yes_no(question: Question, given: str) -> Grade:
    if given not in YES | NO:
        return Grade(Verdict.WRONG, "it is neither yes nor no")
    return RIGHT if (given in YES) is question.answer else WRONG


def _names(question: Question, given: str) -> Grade:
    told, wanted = parts(question, given)
    if told == wanted:
        return RIGHT
    right = len(told & wanted)
    if right and told <= wanted:
        return Grade(
            Verdict.NEAR, f"{right} of {len(wanted)} {'is' if right == 1 else 'are'} there, none of them wrong"
        )
    if right:
        return Grade(Verdict.WRONG, f"{right} of {len(wanted)} {'is' if right == 1 else 'are'} there, beside others")
    return WRONG


def parts(question: Question, given: str) -> tuple[set[str], set[str]]:
    """What was told and what is wanted, each as it is compared, where several things are asked for."""
    answer = question.answer
    wanted = {_part(_plain(each)) for each in answer} if isinstance(answer, tuple) else set()
    return {_part(_plain(each)) for each in re.split(r"[,;|]", given)} - {""}, wanted


def _part(text: str) -> str:
    """One of several names as it is compared; one that is an address without ``0x`` and leading zeros."""
    bits = _hexadecimal(text)
    return text if bits is None else f"{bits:x}"


def _moment(question: Question, given: str) -> Grade:
    right, told = _time(_plain(str(question.answer))), _time(given)
    if right is None or told is None:
        return Grade(Verdict.WRONG, "it is no time as 2023-11-16 09:06:52")
    off = abs(told - right)
    if off < SECONDS:
        return RIGHT
    if off <= FURTHEST + SECONDS and (off + SECONDS) % QUARTER < 2 * SECONDS:
        return Grade(Verdict.NEAR, "that is the same moment in another time zone; UTC is asked for")
    if told.date() == right.date() and (told.hour, told.minute, told.second) == (0, 0, 0):
        return Grade(Verdict.NEAR, "the day is right; the time of day is missing")
    if off < timedelta(minutes=1):
        return Grade(Verdict.NEAR, "the minute is right, the seconds are not")
    return WRONG


def _time(text: str) -> datetime | None:
    """A time as ISO 8601 has it, UTC where it says nothing else; ``None`` where it is none."""
    written = re.sub(r" ?(utc|z)(?=[+-]|$)", "", text).replace("/", "-").replace("t", " ")
    try:
        found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", written))
        return found.replace(tzinfo=timezone.utc) if found.tzinfo is None else found.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def _same(kind: AnswerKind, slip: str, given: str) -> bool:
    """Whether an answer is a slip that was foreseen."""
    if kind in (AnswerKind.NUMBER, AnswerKind.ADDRESS):
        read = (_hexadecimal, _decimal) if kind is AnswerKind.ADDRESS else (_decimal, _hexadecimal)
        wanted = {_hexadecimal(slip) if slip.startswith("0x") else _decimal(slip)} - {None}
        return any(function(given) in wanted for function in read)
    return _plain(slip) == given


_COMPARED: Mapping[AnswerKind, Callable[[Question, str], Grade]] = {
    AnswerKind.NUMBER: _number,
    AnswerKind.ADDRESS: _address,
    AnswerKind.NAME: _name,
    AnswerKind.PATH: _path,
    AnswerKind.YES_NO: _yes_no,
    AnswerKind.NAMES: _names,
    AnswerKind.MOMENT: _moment,
}
