"""The bytes of a range as rows tell them: the first of them in hexadecimal, and all of them in a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

from process_anatomy.absent import Absent, Kind
from process_anatomy.errors import RequestError
from process_anatomy.views.declaration import ADDRESS, BOOLEAN, INTEGER, Option, Request

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel
    from process_anatomy.memory.space import Space
    from process_anatomy.views.memory_files import MemoryFiles
    from process_anatomy.walk.address_space.page_row import PageRow
    from process_anatomy.walk.address_space.range_bytes import Beginning
    from process_anatomy.walk.address_space.vads import Vad

LINE = 16
"""Bytes of a line."""
PAGE = 4096
MOST_SHOWN, MOST_WRITTEN = 1 << 16, 1 << 30
"""Bytes that a row shows at the most, and that a file holds, as stock vadinfo limits both."""
BYTES = Option("bytes", INTEGER, "So many of the first bytes of each range, in hexadecimal")
OPTIONS = (
    Option("address", ADDRESS, "Only the range that holds this address"),
    BYTES,
    Option("dump", BOOLEAN, "Write each range to a file, missing pages as zeros", False),
)
"""What a view of ranges can be asked of their bytes."""


class Told(NamedTuple):
    """What a row says of its range's bytes.

    Attributes:
        value: the lines, or the name of the file; ``None`` where there is nothing to tell, or the reason.
        problems: what was missing, one line each.
    """

    value: list[str] | str | Absent | None
    problems: tuple[str, ...] = ()


def asked_bytes(request: Request) -> int:
    """How many bytes of each range are to be shown, 0 where none are.

    Raises:
        RequestError: more than a row shows, or fewer than one.
    """
    count = request.options.get("bytes")
    if count is not None and not 0 < count <= MOST_SHOWN:
        raise RequestError(f"--bytes takes 1 to {MOST_SHOWN}, not {count}")
    return count or 0


def holds(row: Vad, address: int | None) -> bool:
    """Whether a range holds an address that was asked for; every range does where none was."""
    if address is None:
        return True
    if isinstance(row.start, Absent) or isinstance(row.end, Absent):
        return False
    return row.start <= address <= row.end


def shown(request: Request, rows: Sequence[Vad | PageRow], count: int) -> Iterator[Told]:
    """The first bytes of ranges, in their order; nothing where none are asked for."""
    from process_anatomy.walk.address_space.range_bytes import Asked, beginnings

    if not count:
        yield from repeat(Told(None), len(rows))
        return
    asked = (Asked(row.process.dtb, row.start, _at_most(count, row)) for row in rows)
    for found in beginnings(request.tables.kernel, asked):
        yield Told(found) if isinstance(found, Absent) else _told(found)


def _at_most(count: int, row: Vad | PageRow) -> int | Absent:
    """So many bytes, or all of a range that has fewer."""
    if isinstance(row.end, Absent) or isinstance(row.start, Absent):
        return row.end if isinstance(row.end, Absent) else count
    return min(count, max(row.end + 1 - row.start, 0))


def _told(found: Beginning) -> Told:
    """Bytes as a row tells them: why there are none, where not one of the pages could be read."""
    asked = -(-len(found.data) // PAGE)
    gone = len(found.missing)
    if gone and gone == asked:
        return Told(Absent(Kind.UNREADABLE, found.why))
    said = (f"Bytes: {gone} of {asked} pages could not be read: {found.why}",) if gone else ()
    return Told(list(hexadecimal(found)), said)


def hexadecimal(found: Beginning) -> Iterator[str]:
    """Bytes in lines: how far from the start, the bytes, and the letters that they would be; ``??`` is not known."""
    for place in range(0, len(found.data), LINE):
        part = found.data[place : place + LINE]
        if place // PAGE in found.missing:
            pairs, letters = ["??"] * len(part), "?" * len(part)
        else:
            pairs = [f"{byte:02x}" for byte in part]
            letters = "".join(chr(byte) if 0x20 <= byte <= 0x7E else "." for byte in part)
        yield f"{place:04x}  {' '.join(pairs):<{3 * LINE - 1}}  {letters}".rstrip()


def written(files: MemoryFiles, kernel: Kernel, row: Vad) -> Told:
    """Write a range to a file; gives the file's name, nothing where not one page of it is in the image."""
    from process_anatomy.walk.address_space.range_bytes import own_space, pages_of

    pages, own = row.pages, own_space(kernel, row.process)
    for value in (row.start, pages, own):
        if isinstance(value, Absent):
            return Told(value)
    assert isinstance(row.start, int) and isinstance(pages, int) and not isinstance(own, Absent)  # noqa: PT018
    if pages <= 0:
        return Told(None)
    if pages * PAGE > MOST_WRITTEN:
        return Told(files.refused(f"it is larger than {MOST_WRITTEN >> 30} GiB"))
    if (full := files.full(pages * PAGE)) is not None:
        return Told(full)
    there = sum(int(found.sum()) for _, found in pages_of(own, row.start, pages))
    if not there:
        return Told(None, (f"File output: none of its {pages} pages could be read",))
    end = row.start + pages * PAGE - 1
    start = f"pid.{row.process.pid}.vad.{row.start:#x}-{end:#x}"
    file = files.write(start, row.process.name, "dmp", pages * PAGE, _content(own, row.start, pages))
    if isinstance(file, Absent):
        return Told(file)
    said = f"File output: {pages - there} of {pages} pages could not be read, and are zeros in the file"
    return Told(file, (said,) if there < pages else ())


def _content(own: Space, start: int, pages: int) -> Iterator[bytes]:
    """So many pages from an address on, missing ones as zeros."""
    from process_anatomy.walk.address_space.range_bytes import pages_of

    for octets, found in pages_of(own, start, pages):
        octets[~found] = 0
        yield octets.tobytes()
