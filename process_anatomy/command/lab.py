"""``anatomy lab``: practice images with questions, another one for each student, and their answers graded."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click

from process_anatomy.command.statuses import DONE, PARTLY
from process_anatomy.errors import LabError, RequestError, ScenarioError

if TYPE_CHECKING:
    from process_anatomy.labs.graded import Marked, Result
    from process_anatomy.labs.making import Order

Command = Callable[..., int]
ASK = "-"
"""Given for a key: it is asked for."""
WHAT = "Practice images with questions: one for each student, graded."


@click.group(help=WHAT, short_help=WHAT)
def lab() -> None:
    """Labs."""


def of_order(command: Command) -> Command:
    """What every lab of a class has in common: the command is handed an ``order`` and the file of the ``secret``."""

    @wraps(command)
    def ordered(
        *, scenario: str, name: str | None, build: str | None, form: str, count: int, recipients: tuple[str, ...],
        passphrase_file: Path | None, **own: object,
    ) -> int:  # fmt: skip
        return command(order=_order(scenario, name, build, form, count, recipients, passphrase_file), **own)

    for option in (
        click.option("--passphrase-file", type=click.Path(path_type=Path), metavar="FILE",
                     help="Seal the answers with the passphrase in a file (- asks for it), not for the secret."),
        click.option("--recipient", "recipients", multiple=True, metavar="AGE1…",
                     help="Seal the answers for this key of age's too; may be repeated."),
        click.option("--questions", "count", type=click.IntRange(10, 20), default=15, help="How many questions (15)."),
        click.option("--format", "form", default="bitmap", metavar="FORM", help="Container of the image (bitmap)."),
        click.option(
            "--build", metavar="WINDOWS", help='Which Windows: "Windows 11 24H2", or a layout, as x64-19041-0.'
        ),
        click.option("--lab", "name", metavar="NAME", help="What students see it called (the scenario)."),
        click.option("--secret", type=click.Path(path_type=Path), required=True, metavar="FILE",
                     help="The teacher's secret, which decides every variant; anatomy lab secret makes one."),
    ):  # fmt: skip
        ordered = option(ordered)
    return ordered


of_key = click.option(
    "--key", is_flag=False, flag_value=ASK, metavar="FILE",
    help="What opens the answers: the secret, a key file of age's, or a passphrase; alone, it is asked for.",
)  # fmt: skip


def _order(
    scenario: str, name: str | None, build: str | None, form: str, count: int, recipients: tuple[str, ...],
    passphrase_file: Path | None,
) -> Order:  # fmt: skip
    """What is asked for, as far as it can be told before anything is forged.

    Raises:
        RequestError: it makes no sense.
    """
    from process_anatomy.forge.machine.containers import FORMATS
    from process_anatomy.forge.machine.forging import DEFAULT_BUILD
    from process_anatomy.forge.scenarios.windows import layout_of
    from process_anatomy.labs import sealing
    from process_anatomy.labs.forged import checked
    from process_anatomy.labs.making import Order
    from process_anatomy.labs.sheets import qti

    sealing.ready()
    qti.ready()
    try:
        layout = layout_of(build or DEFAULT_BUILD)
    except ScenarioError as error:
        raise RequestError(str(error)) from None
    own = checked(scenario, layout)
    if form not in FORMATS:
        raise RequestError(f"there is no format {form!r}; there are {', '.join(FORMATS)}")
    if recipients and passphrase_file:
        raise RequestError("answers are sealed with a passphrase or for recipients, not both")
    passphrase = "" if passphrase_file is None else key_text(str(passphrase_file))
    return Order(scenario, name or own, layout, form, count, recipients, passphrase)


def key_text(key: str) -> str:
    """The text of a key: of a file, or as it is typed.

    Raises:
        RequestError: the file is not there, or there is no text in it.
    """
    if key == ASK:
        text = str(click.prompt("Key", hide_input=True, err=True)) if sys.stdin.isatty() else sys.stdin.readline()
    else:
        try:
            text = Path(key).read_bytes()[: 1 << 16].decode("utf-8-sig")
        except FileNotFoundError:
            raise RequestError(
                f"{key} is not there; --key takes a file, and alone it asks for the passphrase"
            ) from None
        except UnicodeDecodeError:
            raise RequestError(f"{key} holds no key: it is no text") from None
    if not text.strip():
        raise RequestError("the key is empty")
    return text.strip()


@lab.command()
@click.argument("file", type=click.Path(path_type=Path))
def secret(file: Path) -> int:
    """Make a teacher's secret: the one file to keep, for it makes every variant and opens every key."""
    from process_anatomy.labs.variants import write_secret

    write_secret(file)
    click.echo(f"{file}: keep it, and give it to nobody")
    return DONE


@lab.command()
@click.argument("scenario")
@click.option("--student", required=True, metavar="ID", help="Whose it is.")
@click.option("-o", "--output", "folder", type=click.Path(path_type=Path), required=True, help="The folder to be made.")
@of_order
def new(order: Order, student: str, folder: Path, secret: Path) -> int:
    """Make one student's lab: the folder handout to be given away, and instructor, which tells the answers.

    \b
      anatomy lab secret autumn.secret
      anatomy lab new hidden-process --student ada --secret autumn.secret -o labs/ada
    """  # noqa: D301  # click's mark for lines that stay as they are
    from process_anatomy.labs.making import make
    from process_anatomy.labs.variants import read_secret

    made = make(order, student, read_secret(secret), folder)
    click.echo(f"{folder}: {len(made.tasks)} questions, {made.points} points; give {folder / 'handout'} to {student}")
    return DONE


@lab.command("class")
@click.argument("roster", type=click.Path(path_type=Path))
@click.option("--scenario", required=True, metavar="NAME", help="What the images show, or its file.")
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), required=True, help="The folder of the class."
)
@click.option("--jobs", type=click.IntRange(1, 64), metavar="N", help="Processes that work at once (one a processor).")
@of_order
def class_(order: Order, roster: Path, folder: Path, jobs: int | None, secret: Path) -> int:
    """Make the labs of a class: a folder for each student of a CSV file with a column called student.

    \b
      anatomy lab class roster.csv --scenario hidden-process --secret autumn.secret -o labs

    Labs that are there already are kept, so that a class that was stopped is gone on with.
    """  # noqa: D301  # click's mark for lines that stay as they are
    from process_anatomy.command.lab_class import make

    return make(order, roster, secret, folder, jobs)


@lab.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("answers", type=click.Path(path_type=Path))
@of_key
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="text or json.")
@click.option(
    "--book", type=click.Path(path_type=Path), metavar="FILE", help="Of a class: the grade book to be written."
)
def check(folder: Path, answers: Path, key: str | None, form: str, book: Path | None) -> int:
    """Grade answers; without the key, tell whether the file can be graded as it is.

    \b
      anatomy lab check labs/ada answers.toml --key autumn.secret
      anatomy lab check labs handed-in --key autumn.secret --book grades-week-3.csv

    The second grades a class, whose answers lie in a folder as ID.toml, into a grade book (CSV).  Ends with
    status 4 where questions were not attempted, and 1 where answers are of another lab or the key is wrong.
    """  # noqa: D301  # click's mark for lines that stay as they are
    from process_anatomy.command.lab_class import grade
    from process_anatomy.labs.answered import read_answers
    from process_anatomy.labs.graded import graded, ill_formed
    from process_anatomy.labs.grading import NO_ATTEMPT
    from process_anatomy.labs.opening import handout_of, is_class, lab_of, public_of

    if is_class(folder):
        if key is None:
            raise RequestError("a class is graded with its key: --key FILE")
        return grade(folder, answers, key_text(key), book)
    if book is not None:
        raise RequestError(f"--book is for classes, and {folder} is none")
    handout = handout_of(folder)
    given = read_answers(answers, public_of(handout))
    if key is not None:
        result = graded(lab_of(handout, key_text(key)), given)
        _told(result) if form == "text" else click.echo(json.dumps(plain(result), indent=1))
        return PARTLY if result.unfinished else DONE
    if form == "json":
        raise RequestError("without the key nothing is graded, so there is no JSON of it")
    for name, what in ill_formed(public_of(handout), given).items():
        _say(f"{name}: {what}")
    blank = [name for name, text in given.texts.items() if text.strip().casefold() in NO_ATTEMPT]
    _say(f"these are answers of this lab: {len(given.texts) - len(blank)} of {len(given.texts)} questions attempted")
    if blank:
        _say(f"not attempted: {', '.join(blank)}")
    _say("only the teacher's key tells what is right")
    return PARTLY if blank else DONE


def _told(result: Result) -> None:
    from process_anatomy.labs.grading import Verdict

    for each in result.marked:
        for line in marked_lines(each, result.lab.image):
            _say(line)
    counts = ", ".join(f"{result.count(verdict)} {verdict.value}" for verdict in Verdict)
    share = 100 * result.points / result.lab.points
    _say(f"{result.lab.student}: {result.points:g} of {result.lab.points} points ({share:.0f} %); {counts}")


def marked_lines(each: Marked, image: str) -> list[str]:
    """What is told of one answer: of a miss also the explanation, and the command that shows what is right."""
    from process_anatomy.labs.grading import Verdict
    from process_anatomy.labs.hints import explained, filled

    question = each.task.question
    hints = f", {each.hints} hint{'' if each.hints == 1 else 's'}" if each.hints else ""
    remark = f": {each.grade.remark}" if each.grade.remark else ""
    lines = [f"{each.task.name} {each.grade.verdict.value}{remark} ({each.points:g} of {each.task.points}{hints})"]
    if each.grade.verdict is not Verdict.RIGHT:
        title, told = explained(question)
        lines += [f"    {question.text}", f"    {title}: {told}", f"    {filled(question.commands[0], image)} shows it"]
    return lines


def plain(result: Result) -> dict[str, object]:
    """A graded file in types of JSON."""
    questions = [
        {
            "name": each.task.name,
            "verdict": each.grade.verdict.value,
            "remark": each.grade.remark,
            "points": each.points,
            "of": each.task.points,
            "hints": each.hints,
        }
        for each in result.marked
    ]
    whole = {"lab": result.lab.identity, "student": result.lab.student, "points": result.points}
    return whole | {"of": result.lab.points, "unfinished": result.unfinished, "questions": questions}


@lab.command()
@click.argument("folder", type=click.Path(path_type=Path))
@of_key
@click.option("--no-stock", is_flag=True, help="Do not run stock Volatility, which takes some seconds.")
def solve(folder: Path, key: str | None, no_stock: bool) -> int:
    """Walk through a lab: each question, the commands, and the rows that running them gives.

    \b
      anatomy lab solve labs/ada --key autumn.secret
    """  # noqa: D301  # click's mark for lines that stay as they are
    from process_anatomy.labs.opening import handout_of, image_of, lab_of
    from process_anatomy.labs.solving import walkthrough

    handout = handout_of(folder)
    if key is None:
        raise LabError("the answers are sealed: --key FILE opens them, or --key alone asks for the passphrase")
    opened = lab_of(handout, key_text(key))
    for line in walkthrough(opened, handout, image_of(handout, opened), not no_stock):
        _say(line)
    return DONE


def _say(line: str) -> None:
    from process_anatomy.views.shown import safe_text

    click.echo(safe_text(line))
