"""Questions about an image, drawn from the rows of its views: the same seed and image give the same questions.

>>> found = questions(image, pids=(5212,))          # everything that can be asked about a process
>>> sheet = drawn(found, count=10, seed=7)          # ten of them, over all components
>>> grade(sheet[0], "0x7ff6a2220000").verdict       # process_anatomy.labs.grading

What is asked about is only what was read: where a component is not whole, nothing in it is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from process_anatomy.errors import RequestError
from process_anatomy.labs.asks.address_space import address_space
from process_anatomy.labs.asks.handles import handles
from process_anatomy.labs.asks.identity import hidden, identity
from process_anatomy.labs.asks.program import program
from process_anatomy.labs.asks.security import security
from process_anatomy.labs.asks.subject import Seen, Subject, shuffled
from process_anatomy.labs.asks.threads import threads
from process_anatomy.labs.question import COMPONENTS, AnswerKind, Question, QuestionError, Right

if TYPE_CHECKING:
    from process_anatomy.views.image import Image
    from process_anatomy.views.records import Record

MOST = 8
"""Processes that are asked about where none is named: views are made of these alone, however large the image is."""


def questions(image: Image, pids: Iterable[int] = (), seed: int = 0) -> list[Question]:
    """What can be asked about an image.

    Args:
        image: the image.
        pids: the processes to ask about; up to :data:`MOST` that the seed chooses, and the image as a whole, where
            none is named.
        seed: chooses those, and the rows that are asked about where many are alike.

    Raises:
        RequestError: there is no such process, or several have its id; or the layout does not fit the image, so that
            no answer could be trusted.
        Error: the processes cannot be listed; one line says why.
    """
    if image.doubt:
        raise RequestError(f"nothing can be asked about this image: {image.doubt}")
    everybody = list(image.view("processes", explain="off"))
    wanted = list(dict.fromkeys(pids))
    rows = list(image.view("processes", pid=wanted, explain="off")) if wanted else everybody
    names = _names(rows)
    if strange := [pid for pid in wanted if pid not in names]:
        raise RequestError(f"process {strange[0]} cannot be asked about: its name is not known, or others have its id")
    if not wanted:
        living = [row["PID"] for row in everybody if row["ExitTime"] is None and row["PID"] in names]
        wanted = sorted((p for p in living if isinstance(p, int)), key=lambda p: shuffled(seed, str(p)))[:MOST]
    seen = Seen(image, wanted, seed)
    found = [each for pid in wanted for each in _about(Subject(seen, pid, names[pid]), everybody)]
    if not pids:
        found += hidden(image.view("crossview", explain="off"))
    return found


def drawn(found: Sequence[Question], count: int, seed: int = 0, components: Iterable[str] = ()) -> list[Question]:
    """Some of the questions, as the seed chooses: from all components alike, and of as many sorts as there are.

    Args:
        found: the questions, as :func:`questions` gives them.
        count: how many, at the most.
        seed: the choice; the same questions and seed give the same.
        components: of these alone; all where none is named.

    Returns:
        Them, the easy ones first.
    """
    asked = [name for name in COMPONENTS if name in frozenset(components) or not components]
    left = {name: _in_turn([each for each in found if each.component == name], seed) for name in asked}
    chosen: list[Question] = []
    while any(left.values()) and len(chosen) < count:
        for name in sorted(asked, key=lambda name: shuffled(seed, f"{name}/{len(chosen) // len(asked)}")):
            if left[name] and len(chosen) < count:
                chosen.append(left[name].pop(0))
    return sorted(chosen, key=lambda each: (each.difficulty, COMPONENTS.index(each.component), shuffled(seed, each.id)))


def _in_turn(found: list[Question], seed: int) -> list[Question]:
    """Questions of one component, shuffled so that no sort comes again before all have come."""
    told: Counter[str] = Counter()
    places: dict[str, int] = {}
    for each in sorted(found, key=lambda each: shuffled(seed, each.id)):
        sort = each.id.split("/")[1]
        places[each.id] = told[sort]
        told[sort] += 1
    return sorted(found, key=lambda each: (places[each.id], shuffled(seed, each.id)))


def _names(rows: Iterable[Record]) -> dict[int, str]:
    """Process id to name, of those that have one and share the id with nobody."""
    kept = list(rows)
    count = Counter(row["PID"] for row in kept)
    return {
        row["PID"]: row["ImageFileName"]
        for row in kept
        if isinstance(row["PID"], int) and count[row["PID"]] == 1 and isinstance(row["ImageFileName"], str)
    }


def _about(of: Subject, everybody: list[Record]) -> Iterator[Question]:
    """The questions about one process, each component in turn."""
    yield from address_space(of)
    yield from program(of)
    yield from handles(of)
    yield from security(of)
    yield from identity(of, everybody)
    yield from threads(of)


__all__ = ["COMPONENTS", "MOST", "AnswerKind", "Question", "QuestionError", "Right", "drawn", "questions"]
