"""A search of memory invents nothing: whatever fills it, what is no process is not listed."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable

import numpy as np
import pytest

from process_anatomy.forge import LAB, Image, forge
from process_anatomy.forge.cast.hiding import HIDING
from process_anatomy.walk.crossview.crossings import crossview
from process_anatomy.walk.processes.objects_in_memory import header_size
from process_anatomy.walk.processes.scan import scan
from structs import builds
from structs.eprocess import EPROCESS
from tests.walk.damaged import Editor, kernel_of
from tests.walk.garbage import KINDS, LARGE, MAPPED, MEGABYTE, Octets, surrounded

SIZE = 64 * MEGABYTE
TAGGED = 0x40
"""From a pool block's header to the object, where there are no optional headers."""


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab with hidden processes."""
    return forge(HIDING, 5)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_garbage_holds_no_process(kind: Callable[[int], Octets], image: Image) -> None:
    """None is listed, though all of it is mapped in the kernel's space; and nobody is lost among it."""
    table = crossview(surrounded(image, kind(SIZE)))
    alone = crossview(kernel_of(image))
    assert [(r.process.address, r.physical, r.verdict, r.views) for r in table.rows] == [
        (r.process.address, r.physical, r.verdict, r.views) for r in alone.rows
    ]


def test_blocks_with_five_right_fields_are_not_believed(image: Image) -> None:
    """Whichever five: kind and size, tag, page-table root of a real process, id, name, links, times, token, lists."""
    kernel = kernel_of(image)
    structure = kernel.build[EPROCESS]
    victim = next(p for p in image.truth["processes"] if p["name"] == "explorer.exe")
    real = kernel.space.read(victim["eprocess"], structure.sizeof)
    assert real is not None
    names = {
        "kind": ("HeaderType", "HeaderSize"), "root": ("DirectoryTableBase",), "id": ("UniqueProcessId",),
        "name": ("ImageFileName",), "links": ("ActiveProcessLinks",), "times": ("CreateTime", "ExitTime"),
        "token": ("Token",),
    }  # fmt: skip
    heads = [structure.offset(name) for name in ("HeaderWaitListHead", "ProfileListHead")]
    cases = list(itertools.combinations([*names, "tag", "lists"], 5))
    octets = np.zeros(LARGE, dtype=np.uint8)
    step = -(-structure.sizeof // 0x1000 + 1) * 0x1000
    assert len(cases) * step <= len(octets)
    for number, case in enumerate(cases):
        block = bytearray(TAGGED + structure.sizeof)
        address = MAPPED + number * step + TAGGED
        struct.pack_into("<QQ", block, TAGGED + heads[0], address + heads[0], address + heads[0])
        for field in (field for name in case if name in names for field in names[name]):
            place = structure.place(field)
            block[TAGGED + place.offset :][: place.size] = b""
            block[TAGGED + place.offset : TAGGED + place.offset] = real[place.offset : place.offset + place.size]
        if "tag" in case:
            block[4:8] = b"Proc"
        if "lists" in case:
            struct.pack_into("<QQ", block, TAGGED + heads[1], address + heads[1], address + heads[1])
        octets[number * step : number * step + len(block)] = np.frombuffer(block, np.uint8)
    found = scan(surrounded(image, octets)).processes
    assert {row.address for row in found} == {row.address for row in scan(kernel).processes}


def test_a_copy_with_all_that_a_process_has_is_found_where_the_kernel_maps_it(image: Image) -> None:
    """The search is not blind: what has a process's fields, root and lists is one."""
    kernel = kernel_of(image)
    structure = kernel.build[EPROCESS]
    victim = next(p for p in image.truth["processes"] if p["name"] == "explorer.exe")
    block = bytearray(TAGGED) + (kernel.space.read(victim["eprocess"], structure.sizeof) or b"")
    block[4:8] = b"Proc"
    for name in ("HeaderWaitListHead", "ProfileListHead", "ThreadListHead", "ThreadListHeadPcb"):
        at = TAGGED + structure.offset(name)
        struct.pack_into("<QQ", block, at, MAPPED + at, MAPPED + at)
    octets = np.zeros(LARGE, dtype=np.uint8)
    octets[: len(block)] = np.frombuffer(block, np.uint8)
    assert MAPPED + TAGGED in {row.address for row in scan(surrounded(image, octets)).processes if row.in_place}


@pytest.mark.parametrize("build", sorted(builds.names()))
def test_every_layout_has_the_size_in_the_header(build: str) -> None:
    """Two octets behind the kind, as in every Windows."""
    structure = builds.load(build)[EPROCESS]
    assert structure.place("HeaderSize").offset == structure.place("HeaderType").offset + 2


def test_the_size_in_the_header_is_what_most_processes_state() -> None:
    """One that was changed, were it System's own, decides nothing."""
    image = forge(LAB, 23)
    edit = Editor(image)
    usual = header_size(kernel_of(image))
    assert usual
    place = edit.build[EPROCESS].offset("HeaderSize")
    edit.write(image.truth["processes"][0]["eprocess"] + place, bytes([usual ^ 0xFF]))
    assert header_size(kernel_of(image, edit.frames)) == usual
