"""A lab from nothing: the image is forged, asked about, confirmed and written, as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from process_anatomy import open_image
from process_anatomy.errors import Error, LabError
from process_anatomy.forge.__main__ import write_all
from process_anatomy.forge.machine.containers import FORMATS
from process_anatomy.labs.answered import sheet
from process_anatomy.labs.forged import forged
from process_anatomy.labs.hints import hints
from process_anatomy.labs.lab import ANSWERS, HANDOUT, IDENTITY_FILE, IMAGE_STEM, INSTRUCTOR, SEALED, Lab, Task
from process_anatomy.labs.question import HARD, Question
from process_anatomy.labs.questions import drawn, questions
from process_anatomy.labs.sealing import recipient_of, seal
from process_anatomy.labs.sheets.ctfd import ctfd
from process_anatomy.labs.sheets.moodle import moodle
from process_anatomy.labs.sheets.paper import hint_sheet, markdown, page
from process_anatomy.labs.sheets.qti import qti
from process_anatomy.labs.variants import Secret, file_name
from process_anatomy.labs.witnesses.confirming import STOCK, confirmed
from process_anatomy.labs.witnesses.stock import ByStock, command_of, sort_of
from process_anatomy.labs.witnesses.truth import ByTruth

if TYPE_CHECKING:
    from process_anatomy.views.image import Image

LEAST, USUAL, MOST = 10, 15, 20
"""Questions of a lab."""
SPARE = 4
"""Questions put to the witnesses beyond those that are needed: of some, stock Volatility cannot read the answer."""
ABOUT = 2
"""Hard questions about guilty processes, and others about them, that a lab has at the most for certain."""
GUILTY = 3
"""Processes that the scenario made something of, and that are asked about in any case."""
REDRAWN = 8
"""How often questions are drawn anew because one tells the answer to another."""
TELLS = (
    "Everything in this folder tells the answers of one student's lab. The folder handout is what the student gets.\n"
)


@dataclass(frozen=True, slots=True)
class Order:
    """What every lab of a class has in common.

    Attributes:
        scenario: what the images are forged from.
        name: of the lab; it decides the variants, and every student sees it.
        build: layout of the kernel.
        form: container of the images, a key of the forge's formats.
        count: how many questions.
        recipients: whom answers are sealed for beside the teacher's secret, keys of age's (``age1…``).
        passphrase: what answers are sealed with instead, where there is one.
    """

    scenario: str
    name: str
    build: str
    form: str = "bitmap"
    count: int = USUAL
    recipients: tuple[str, ...] = ()
    passphrase: str = ""


def make(order: Order, student: str, secret: Secret, target: Path) -> Lab:
    """Make a student's lab.

    Args:
        order: what is made.
        student: id of the student.
        secret: the teacher's.
        target: the folder to be made.

    Raises:
        LabError: there is something at that place, or what is right cannot be confirmed.
        RequestError: the order or the student's id makes no sense, or a library is missing.
        OSError: it cannot be written; nothing is left.
    """
    file_name(student, "the student's id")
    file_name(order.name, "the lab's name")
    if not LEAST <= order.count <= MOST:
        raise LabError(f"a lab has from {LEAST} to {MOST} questions, not {order.count}")
    with whole_folder(target) as folder:
        lab = _made(order, student, secret, folder / HANDOUT)
        tell(lab, folder)
        recipients = () if order.passphrase else (recipient_of(secret), *order.recipients)
        (folder / HANDOUT / SEALED).write_bytes(seal(lab.key(), recipients, order.passphrase or None))
    return lab


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder that takes its place when all of it is written; where that fails, nothing is left.

    Raises:
        LabError: there is something of that name already.
        OSError: it cannot be written.
    """
    there = f"{target} is there already, and nothing is overwritten"
    if os.path.lexists(target):
        raise LabError(there)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        made = beside / target.name
        made.mkdir()
        yield made
        if os.path.lexists(target):
            raise LabError(there)
        os.rename(made, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _made(order: Order, student: str, secret: Secret, handout: Path) -> Lab:
    """The image with its symbol table, written, and the questions about it, confirmed."""
    from process_anatomy.volatility.stock import stock

    seed = secret.seed(order.name, student)
    image = forged(order.scenario, order.build, seed)
    handout.mkdir()
    path, truth_file, *_ = write_all(image, handout, IMAGE_STEM, order.form)
    truth_file.unlink()  # it is the key
    opened = open_image(path)
    truth = ByTruth(image.truth)
    guilty = guilty_of(image.truth)
    found = [each for each in _asked(opened, guilty, seed) if _confirmable(each, truth)]
    chosen = selection(found, guilty, order.count + SPARE, seed)
    with stock(path, handout / "symbols") as source:
        who = confirmed(chosen, opened, truth, ByStock(source, chosen))
    kept = selection([each for each in chosen if each.id in who], guilty, order.count, seed)
    if len(kept) < LEAST:
        raise LabError(
            f"only {len(kept)} questions about this image are confirmed by a second witness; {LEAST} are needed"
        )
    tasks = tuple(
        Task(number, each, hints(each, path.name, command_of(each) if STOCK in who[each.id] else None), who[each.id])
        for number, each in enumerate(kept, 1)
    )
    identity = secret.identity(order.name, student)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Lab(identity, order.name, student, order.scenario, order.build, seed, path.name, sha256, tasks)


def guilty_of(truth: Mapping[str, Any]) -> tuple[int, ...]:
    """Ids of the processes that a scenario's traces are in, the guilty ones."""
    traces = truth.get("scenario", {}).get("traces", ())
    return tuple(dict.fromkeys(int(each["pid"]) for each in traces))[:GUILTY]


def selection(found: Sequence[Question], guilty: Iterable[int], count: int, seed: int) -> list[Question]:
    """Some of the questions: a few about what the scenario is about, hard ones first, and others from all components.

    Where it is asked who is hidden, no other question names who is.

    Args:
        found: the questions.
        guilty: processes that the scenario's traces are in.
        count: how many, at the most.
        seed: the choice.
    """
    pids = frozenset(guilty)
    hidden = [each for each in found if sort_of(each)[0] == "process-id/hidden"]
    found = [each for each in found if each not in hidden and not any(_names(each, other) for other in hidden)]
    about = [each for each in found if each.pid in pids]
    hard = drawn([each for each in about if each.difficulty == HARD], ABOUT, seed)
    first = [*hidden, *hard, *drawn([each for each in about if each.difficulty != HARD], ABOUT, seed)]
    known = {each.id for each in first}
    rest = [each for each in found if each.id not in known and not _is_told(each, first)]
    return drawn([*first, *without_tales(rest, count - len(first), seed)], count, seed)


def _asked(image: Image, guilty: Iterable[int], seed: int) -> list[Question]:
    """What can be asked: of processes that the seed chooses, and of those that the scenario made something of."""
    found = {each.id: each for each in questions(image, seed=seed)}
    for pid in guilty:
        try:
            found |= {each.id: each for each in questions(image, [pid], seed)}
        except Error:  # it has no rows, for instance where it is hidden, or others have its id
            continue
    return list(found.values())


def _confirmable(question: Question, truth: ByTruth) -> bool:
    """Whether anybody beside our suite can have a say."""
    return command_of(question) is not None or truth.answers(question) is not None


def without_tales(found: Sequence[Question], count: int, seed: int) -> list[Question]:
    """Questions of which none tells the answer to another, by naming a process with the id that is asked for."""
    left = list(found)
    for _ in range(REDRAWN):
        chosen = drawn(left, count, seed)
        told = {each.id for each in chosen if _is_told(each, chosen)}
        if not told:
            return chosen
        left = [each for each in left if each.id not in told]
    return [each for each in drawn(left, count, seed) if not _is_told(each, found)]


def _names(question: Question, other: Question) -> bool:
    """Whether a question names a process that another asks for."""
    asked_for = other.answer if isinstance(other.answer, tuple) else (str(other.answer),)
    return any(f"({pid})" in question.text for pid in asked_for)


def _is_told(question: Question, others: Sequence[Question]) -> bool:
    if sort_of(question)[0] != "process-id/pid":
        return False
    return any(_names(other, question) for other in others)


def tell(lab: Lab, folder: Path) -> None:
    """Write what is asked for the student, and what platforms take for the teacher."""
    handout, instructor = folder / HANDOUT, folder / INSTRUCTOR
    public = lab.public()
    texts = {
        handout / IDENTITY_FILE: json.dumps(public, indent=1) + "\n",
        handout / ANSWERS: sheet(public),
        handout / "questions.md": markdown(lab),
        handout / "hints.md": hint_sheet(lab),
        handout / "questions.html": page(lab),
        instructor / "README.txt": TELLS,
    }
    texts |= {instructor / "ctfd" / name / "challenge.yml": text for name, text in ctfd(lab)}
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    (instructor / "moodle.xml").write_bytes(moodle(lab))
    (instructor / "qti.zip").write_bytes(qti(lab))


__all__ = ["FORMATS", "LEAST", "MOST", "USUAL", "Order", "make", "tell", "whole_folder", "without_tales"]
