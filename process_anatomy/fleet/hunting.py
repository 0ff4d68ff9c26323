"""Hunting queries: questions over many images whose answers are worth a look, each declared once, with its SQL.

They lie in the folder ``hunts``, a TOML file each.  An answer is a row of facts with the image, the process and the
address that it is about; what it means is for people to judge, and each query says what else gives the same picture.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from process_anatomy.errors import RequestError

if TYPE_CHECKING:
    from process_anatomy.fleet.query import Question

FOLDER, ENDING = "hunts", ".toml"
LEADING = ("image", "process", "pid", "address")
"""Columns that every answer begins with."""


@dataclass(frozen=True, slots=True)
class Hunt:
    """A hunting query.

    Attributes:
        name: of the query, as ``--only`` takes it.
        question: what it asks, in one sentence.
        means: what an answer would mean if no innocent cause held.
        innocent: what else gives the same picture, and is to be ruled out first.
        silent: of what it says nothing, since nothing is concluded from what was not seen.
        views: the tables that it is asked of.
        images: how many images it compares at the least.
        sql: the query, whose columns begin with :data:`LEADING`.
    """

    name: str
    question: str
    means: str
    innocent: str
    silent: str
    views: tuple[str, ...]
    images: int
    sql: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a hunting query found.

    Attributes:
        hunt: the query.
        names: of the columns, :data:`LEADING` first.
        rows: each with one cell a column.
        limits: why some images were not asked, or none, one line each.
        asked: whether it could be asked at all.
    """

    hunt: Hunt
    names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    limits: tuple[str, ...]
    asked: bool = True


@cache
def every() -> dict[str, Hunt]:
    """All queries by their names, in alphabetical order."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    found = {}
    for file in sorted(files(__package__).joinpath(FOLDER).iterdir(), key=lambda file: file.name):
        if file.name.endswith(ENDING):
            told = tomllib.loads(file.read_text("utf-8"))
            name = file.name.removesuffix(ENDING)
            found[name] = Hunt(name, **told | {"views": tuple(told["views"]), "sql": told["sql"].strip()})
    return found


def chosen(names: Iterable[str] = ()) -> tuple[Hunt, ...]:
    """The queries of these names, all where none is named.

    Raises:
        RequestError: there is none of that name.
    """
    wanted = dict.fromkeys(names)
    if strange := [name for name in wanted if name not in every()]:
        raise RequestError(f"there is no hunt {strange[0]!r}; there are {', '.join(every())}")
    return tuple(every()[name] for name in wanted or every())


def hunt(question: Question, hunts: Iterable[Hunt]) -> Iterator[Found]:
    """What each of these queries finds in the exports that can be asked.

    An export without one of a query's views is not asked by it; a query that compares more images than there are, or
    that does not go with the rows, such as those of an export of long ago, is not asked at all.
    """
    for each in hunts:
        names = question.names
        lacking = {image: views for image, views in question.lacking(each.views).items() if views}
        limits = [f"not asked of {names[image]}, which has no {', '.join(views)}" for image, views in lacking.items()]
        count = len(names) - len(lacking)
        if count < each.images:
            some = "one image" if each.images == 1 else f"{each.images} images"
            limits.append(f"not asked: it takes at least {some} with {' and '.join(each.views)}; there are {count}")
            yield Found(each, LEADING, (), tuple(limits), asked=False)
            continue
        try:
            columns, rows = question.answer(each.sql)
            kept = tuple(row for row in rows if row[0] not in lacking)
        except RequestError as error:
            yield Found(each, LEADING, (), (*limits, f"not asked: {error}"), asked=False)
            continue
        yield Found(each, tuple(columns), kept, tuple(limits))


__all__ = ["LEADING", "Found", "Hunt", "chosen", "every", "hunt"]
