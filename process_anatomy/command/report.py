"""``anatomy report``: one page that shows an image, and the diagrams of its processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from process_anatomy.command.opened import of_image, of_rows, opened, own_note, status_of, tell, with_note
from process_anatomy.command.places import Named
from process_anatomy.command.statuses import DONE
from process_anatomy.errors import Error


@click.command()
@of_image
@click.option(
    "-o", "--output", "file", type=click.Path(path_type=Path), metavar="FILE", help="The page (IMAGE's name and .html)."
)
@click.option(
    "--svg", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Write each process's diagram there too."
)
@of_rows
@with_note
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
def report(
    image: Path,
    isf: str | None,
    dtb: int | None,
    page_files: str | None,
    file: Path | None,
    folder: Path | None,
    pids: list[int],
    explain: str | None,
    fail_on: str | None,
    note: str | None,
    overwrite: bool,
) -> int:
    """Write one page that shows an image: findings, who runs, each process by its six components, its memory as a map.

    \b
      anatomy report memory.raw
      anatomy report memory.raw -o case/host17.html --svg case/diagrams
      anatomy report memory.raw --pid 5212 --explain analogy
      anatomy report memory.raw --note processes.md

    The page is one HTML file that opens from disk and asks for nothing from anywhere.
    """  # noqa: D301  # click's mark for lines that stay as they are
    from process_anatomy.fleet.written import kept

    page = Path(f"{image.stem}.html") if file is None else file
    kept(page, overwrite)
    found = opened(image, isf, dtb, page_files)
    found.own = own_note(note)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    answer = found.view(
        "report", pid=pids, explain=explain or "brief", output=_Places(page, folder, overwrite).output,
        svg=folder is not None,
    )  # fmt: skip
    diagrams = 0
    for row in answer:
        if row["File output"] is None:
            raise Error(f"{page if row['Content'] == 'page' else folder}: {row.absent['File output']}")
        if row["Content"] == "page":
            click.echo(f"{row['File output']}: {row['Rows']} rows of {image.name}, {row['Size']:,} bytes")
            tell(row["Problems"])  # type: ignore[arg-type]  # a list of texts
        else:
            diagrams += 1
    if folder is not None:
        click.echo(f"{folder}: {diagrams} diagram{'' if diagrams == 1 else 's'}")
    tell(answer.problems)
    return status_of(found, fail_on, DONE)


class _Places:
    """Where the files of a report are written: the page to its file, diagrams into their folder.

    Args:
        page: the file.
        folder: of diagrams, ``None`` where there are none.
        overwrite: files that are there are replaced.
    """

    def __init__(self, page: Path, folder: Path | None, overwrite: bool) -> None:
        self._page, self._folder, self._overwrite = page, folder, overwrite

    @contextmanager
    def output(self, start: str, name: object, ending: str) -> Iterator[Any]:
        """A file to be written, as :class:`process_anatomy.views.declaration.Request` says."""
        from process_anatomy.fleet.written import whole
        from process_anatomy.volatility.cells import safe_file_name

        file = self._page
        if ending != "html":
            assert self._folder is not None
            file = self._folder / safe_file_name(start, name, ending)
        with whole(file, self._overwrite) as out:
            yield Named(out, str(file))
