"""Files of a form, one for each view, in a folder that is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from process_anatomy.errors import Error, RequestError
from process_anatomy.fleet.exports import Form
from process_anatomy.fleet.exports.source import Source
from process_anatomy.fleet.written import Step, Written


def write_views(
    source: Source, form: Form, views: Sequence[str], place: Path, step: Step | None = None
) -> Iterator[Written]:
    """Write what a form has of each view; one that cannot be had costs itself alone.

    Args:
        source: of the rows.
        form: of the files.
        views: that are written, each of which the form has a place for.
        place: the folder.
        step: is told how far the work is.

    Raises:
        RequestError: the form asks for what the source does not have.
        OSError: a file cannot be written.
    """
    write = form.write()
    for number, name in enumerate(views):
        if step is not None:
            step(name, number, len(views))
        file = form.file(name)
        try:
            with (place / file).open("xb") as out:
                count = write(source, name, out)
        except RequestError:
            raise
        except Error as error:
            (place / file).unlink(missing_ok=True)
            yield Written(name, None, 0, (*source.problems(name), str(error)))
        else:
            yield Written(name, file, count, tuple(source.problems(name)))
