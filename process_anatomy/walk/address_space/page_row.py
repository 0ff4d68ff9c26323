"""What is told of the pages of one range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.walk.address_space.vads import Vad
from process_anatomy.walk.processes.listed import Process

RIGHTS = ("R--", "R-X", "RW-", "RWX")
"""Rights by number: 1 for execution, 2 for writing."""


class PageRow(NamedTuple):
    """The pages of one range of one process; numbers are pages of 4 KB.

    A tuple, for there are as many as VADs, made of columns.

    Attributes:
        process: the process.
        kind: ``vad`` for a VAD, ``no-vad`` for a run of present pages that no VAD covers.
        vad: the node, ``None`` where there is none.
        region: what the range is used for.
        start: first address.
        end: last address.
        valid: small pages that the processor finds by itself.
        large: the same as part of large pages.
        transition: in memory, but not valid.
        prototype: entries that refer to the section's prototype entry.
        pagefile: in a page file.
        demand_zero: committed, never touched.
        compressed: in the compression store.
        unknown: under page tables that could not be read.
        untouched: without any entry.
        resident: pages whose octets are in memory, by whatever way.
        guard: entries that raise the guard alarm when they are touched.
        no_access: entries that forbid every access.
        hardware: rights of the valid pages with their numbers, as ``R-X 3, RW- 1``.
        private: valid pages of a section's view that are copies of this process alone.
        beyond: valid pages with more rights than the VAD gives.
        strange: valid pages of a section's view that are not the section's and no copies either.
        disagreement: the last two in words, empty for none.
        own_code: addresses of its first pages in memory that can be executed and come from no file: private copies of
            an image's pages, as the prototype entries prove, pages behind an image's end that this process wrote to,
            and pages of ranges that map no image.
        own_header: whether the first page of a mapped image is proved to be a private copy.
        extension: pages behind the image's end that Windows mapped with it; not applicable to most ranges.
        problems: what could not be had, one line each.
    """

    process: Process
    kind: str
    vad: Vad | None
    region: tuple[str, ...]
    start: int | Absent
    end: int | Absent
    valid: int = 0
    large: int = 0
    transition: int = 0
    prototype: int = 0
    pagefile: int = 0
    demand_zero: int = 0
    compressed: int = 0
    unknown: int = 0
    untouched: int = 0
    resident: int = 0
    guard: int = 0
    no_access: int = 0
    hardware: str = ""
    private: int | Absent = NOT_APPLICABLE
    beyond: int = 0
    strange: int = 0
    disagreement: str = ""
    own_code: tuple[int, ...] = ()
    own_header: bool = False
    extension: int | Absent = NOT_APPLICABLE
    problems: tuple[str, ...] = ()


def list_rights(numbers: Sequence[int]) -> str:
    """Numbers of pages by their rights, in words; what there is none of is left out."""
    return ", ".join(f"{name} {number}" for name, number in zip(RIGHTS, numbers, strict=True) if number)
