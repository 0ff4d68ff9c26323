"""Files that views write of memory: all of them together are bounded by what the image holds.

A few pages can be mapped as often as page tables have room for, so that one image could ask for files without end.
"""

from __future__ import annotations

from collections.abc import Iterable

from process_anatomy.absent import Absent, Kind
from process_anatomy.errors import RequestError
from process_anatomy.views.declaration import Request

TIMES, LEAST = 4, 1 << 30
"""How often the files may hold what an image has room for (:attr:`process_anatomy.memory.space.Space.room`), and bytes
that they may have of an image of any size."""


class MemoryFiles:
    """The files that one request writes.

    Args:
        request: what opens files.
        what: what each of them holds, in one word.

    Attributes:
        limit: bytes of all of them.

    Raises:
        RequestError: there is no place for files.
    """

    def __init__(self, request: Request, what: str) -> None:
        if request.output is None:
            raise RequestError(f"there is no place to write {what}s to")
        self._open, self._what = request.output, what
        self.limit = max(LEAST, TIMES * request.tables.kernel.space.room)
        self._left = self.limit

    def write(self, start: str, name: object, ending: str, size: int, parts: Iterable[bytes]) -> str | Absent:
        """Write a file; gives its name, or why there is none.

        Args:
            start: what its name starts with.
            name: a name from memory that goes into it.
            ending: of its name.
            size: its bytes.
            parts: its content, from which nothing is taken where it is not written.
        """
        if (full := self.full(size)) is not None:
            return full
        try:
            with self._open(start, name, ending) as file:
                for part in parts:
                    file.write(part)
        except OSError as error:
            return self.refused(error.strerror or str(error))
        self._left -= size
        return str(file.preferred_filename)

    def full(self, size: int) -> Absent | None:
        """Why there is no room for a file of so many bytes, ``None`` where there is."""
        if size <= self._left:
            return None
        return self.refused(f"all files together would have more than {self.limit >> 20} MiB, the limit for this image")

    def refused(self, why: str) -> Absent:
        """That one is not written, and why."""
        return Absent(Kind.NOT_APPLICABLE, f"the {self._what} could not be written: {why}")
